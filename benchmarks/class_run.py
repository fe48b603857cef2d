"""What does grading a class cost per submission: here, in nbgrader, in otter-grader, and at the least?

    .venv/bin/python benchmarks/class_run.py --data PATH [--size 200] [--sample 3] [--flat] [--peers]

One class of resnet50 (right, wrong, empty, hanging, crashing), the same checks everywhere, in one run:

floor      the same checks in warm processes, one for each core, without any isolation (in_process.py)
grader     `grader grade`, sandboxed, once with one judge and once with one for each core
nbgrader   `nbgrader autograde` with the checks in the grade cells; and with the accuracy check replaced by the loop
           over all test images that an instructor would write (a sample of right submissions)
otter      `otter run` with the checks as its test files (the same sample)

Memory is the largest sum, over a command's processes, of what they do not share (PSS), looked at twice a second.
--flat adds the cost per submission of 10, 100 and 1,000 cheap submissions. --peers adds nbgrader and otter: installed
through uv into build/peers on first use. Run it alone on a quiet machine. Targets: docs/design.md.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from grader import assignment

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build" / "peers"
NAME = "resnet50"
# Of 100 hand-ins; a real class's proportions, to a guess.
SHARES = {"right": 55, "wrong": 35, "stub": 4, "syntax": 2, "hanging": 2, "crashing": 2}
SPOILT = {"hanging": "while True: pass", "crashing": "os._exit(3)"}


@dataclass
class Cost:
    """Of one command over ``count`` submissions: wall-clock seconds, and the peak of the memory (bytes)."""

    what: str
    count: int
    seconds: float
    memory: float
    cores: int = 1

    @property
    def each(self) -> float:
        """Seconds per submission and core."""
        return self.seconds * self.cores / self.count


def measured(what: str, command: list[str], count: int, cores: int = 1, **options: Any) -> tuple[Cost, str]:
    """Run it; its cost and what it printed.

    Raises:
        SystemExit: it failed.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, **options
    )
    peak = [0]
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(psutil.Process(process.pid), peak, done))
    watch.start()
    printed, _ = process.communicate()
    seconds = time.monotonic() - started
    done.set()
    watch.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{printed}")
    return Cost(what, count, seconds, peak[0], cores), printed


def _watch(process: psutil.Process, peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.5):
        total = 0
        with contextlib.suppress(psutil.Error):
            for each in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += each.memory_full_info().pss
        peak[0] = max(peak[0], total)


def hand_in(folder: Path, size: int) -> list[Path]:
    """A class of ``size`` in ``folder``: every submission in it is another one."""
    folder.mkdir()
    chosen = assignment.load(NAME, ROOT)
    file = chosen.settings.files[0]
    solution = (ROOT / "solutions" / NAME / file).read_text()
    stub = (ROOT / "assignments" / NAME / file).read_text()
    choose = random.Random(7)
    banks = {
        kind: sorted((ROOT / "solutions" / NAME / name).glob("*.py"))
        for kind, name in (("right", "variants"), ("wrong", "mistakes"))
    }
    kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
    found = []
    for number in range(size):
        kind = kinds[(number * 37) % 100]  # spread evenly
        if kind in banks:
            text = choose.choice(banks[kind]).read_text()
        elif kind == "stub":
            text = stub
        elif kind == "syntax":
            text = solution.replace("class ", "clas ", 1)
        elif kind == "hanging":
            text = solution + "\n\ndef _hang(*_):\n    while True:\n        pass\n\n\nResidualBlock.forward = _hang\n"
        else:
            text = (
                solution + "\n\ndef _crash(*_):\n    import os\n    os._exit(3)\n\n\nResidualBlock.forward = _crash\n"
            )
        path = folder / f"{kind}{number:04}.py"
        path.write_text(f"{text}\n\nHANDED_IN_BY = {number}\n")
        found.append(path)
    return found


def floor(files: list[Path], data: str, cores: int) -> Cost:
    """The class, but for those that would end the process, in ``cores`` processes."""
    files = [file for file in files if not file.stem.startswith("crashing")]
    script = str(ROOT / "benchmarks" / "in_process.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, script, NAME, data, *map(str, files[core::cores])],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        for core in range(cores)
    ]
    peak = [0]
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(psutil.Process(), peak, done))
    watch.start()
    seconds = 0.0
    for process in running:
        found = json.loads(process.communicate()[0])
        seconds += sum(each["seconds"] for each in found.values())
    done.set()
    watch.join()
    return Cost(f"floor, {cores} processes", len(files), seconds / cores, peak[0], cores)


def ours(folder: Path, out: Path, count: int, jobs: int, data: str, name: str = NAME, root: Path = ROOT) -> Cost:
    """`grader grade`."""
    command = [sys.executable, "-m", "grader", "grade", str(folder), "-a", name, "--out", str(out)]
    command += ["--jobs", str(jobs), "--data", data]
    return measured(f"grader grade --jobs {jobs}", command, count, jobs, cwd=root)[0]


def flat(scratch: Path) -> list[Cost]:
    """Cheap submissions, in classes of 10, 100 and 1,000."""
    sys.path.insert(0, str(ROOT / "tests"))
    import course

    found = []
    for count in (10, 100, 1_000):
        root = course.make(scratch / f"course{count}")
        (root / "class").mkdir()
        for number in range(count):
            (root / "class" / f"s{number:04}.py").write_text(f"{course.RIGHT}\n\nNUMBER = {number}\n")
        cores = os.cpu_count() or 1
        cost = ours(root / "class", root / "out", count, cores, "digits", "multiples", root)
        cost.what = f"{count:,} cheap ones, --jobs {cores}"
        found.append(cost)
    return found


def peers() -> Path:
    """The commands of nbgrader and otter-grader, in an environment of their own."""
    folder = PEERS / "bin"
    if not (folder / "otter").exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(PEERS)], check=True)
        pinned = PEERS / "requirements.txt"
        lines = [line.split(" ")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
        pinned.write_text("\n".join(line for line in lines if line.startswith(("torch", "hypothesis", "msgspec"))))
        needed = ["-r", str(pinned), "-e", str(ROOT), "nbgrader", "otter-grader"]
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(folder / "python"), *needed], check=True)
    return folder


def _cell(source: str, kind: str = "code", **nbgrader: Any) -> dict[str, Any]:
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    metadata = {"nbgrader": {**base, **nbgrader}} if nbgrader else {}
    cell = {"cell_type": kind, "id": nbgrader.get("grade_id", "start"), "metadata": metadata, "source": source}
    return cell | {"outputs": [], "execution_count": None}


PLAIN = f"""
import torch
from pathlib import Path
from torch.utils.data import DataLoader, TensorDataset
from grader import datasets
from grader.judge.context import load_weights
data = datasets.find(Path(DATA))
loader = DataLoader(TensorDataset(datasets.normalise(data.images).contiguous(), data.labels), batch_size=100)
model = ResNet50_layer4()
model.load_state_dict(load_weights(Path({str(ROOT)!r}) / "assignments/{NAME}/{NAME}.safetensors"))
model.eval()
correct = 0
with torch.no_grad():
    for images, labels in loader:
        correct += (model(images).argmax(1) == labels).sum().item()
assert correct / len(data) >= 0.8
"""


def _cells(data: str, plain: bool) -> list[dict[str, Any]]:
    """The assignment as a notebook: the solution, and one grade cell for each check."""
    chosen = assignment.load(NAME, ROOT)
    solution = (ROOT / "solutions" / NAME / chosen.settings.files[0]).read_text()
    start = f"""
        import sys
        sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "benchmarks")!r}]
        import in_process
        DATA = {data!r}
        notebook = in_process.Notebook({NAME!r}, DATA, globals())
    """
    cells = [_cell(solution, grade_id="solution", solution=True), _cell(textwrap.dedent(start))]
    for name, points in _points().items():
        source = PLAIN if plain and name == "accuracy" else f"notebook.check({name!r})"
        cells.append(_cell(source, grade_id=name, grade=True, locked=True, points=points))
    return cells


def _points() -> dict[str, float]:
    from grader.checks.declare import ATTRIBUTE

    sys.path.insert(0, str(ROOT / "benchmarks"))
    import in_process

    found = {}
    for folder in assignment.load(NAME, ROOT).check_folders:
        for path in sorted(folder.glob("test_*.py")):
            for function in vars(in_process._imported(path)).values():
                spec = getattr(function, ATTRIBUTE, None)
                if spec is not None:
                    found[spec.name] = spec.points
    return found


def _notebook(cells: list[dict[str, Any]]) -> str:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def nbgrader(scratch: Path, sample: list[Path], data: str, plain: bool) -> Cost:
    """`nbgrader autograde` of the sample, which must all get full points."""
    commands = peers()
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    course = scratch / ("plain" if plain else "checks")
    source = course / "source" / NAME
    source.mkdir(parents=True)
    (course / "nbgrader_config.py").write_text(
        'c = get_config()\nc.CourseDirectory.course_id = "bench"\nc.ExecutePreprocessor.timeout = 1800\n'
    )
    cells = _cells(data, plain)
    (source / f"{NAME}.ipynb").write_text(_notebook(cells))
    generate = [str(commands / "nbgrader"), "generate_assignment", NAME]
    subprocess.run(generate, cwd=course, env=environment, check=True, capture_output=True)
    released = json.loads((course / "release" / NAME / f"{NAME}.ipynb").read_text())
    for number, path in enumerate(sample):
        solution = next(cell for cell in released["cells"] if cell["metadata"]["nbgrader"]["grade_id"] == "solution")
        solution["source"] = path.read_text()
        folder = course / "submitted" / f"s{number}" / NAME
        folder.mkdir(parents=True)
        (folder / f"{NAME}.ipynb").write_text(json.dumps(released))
    what = f"nbgrader autograde, {'all test images' if plain else 'our accuracy check'}"
    command = [str(commands / "nbgrader"), "autograde", NAME]
    cost, _ = measured(what, command, len(sample), cwd=course, env=environment)
    subprocess.run([str(commands / "nbgrader"), "export"], cwd=course, env=environment, check=True, capture_output=True)
    with (course / "grades.csv").open() as file:
        for row in csv.DictReader(file):
            assert float(row["score"]) == float(row["max_score"]) == sum(_points().values()), row
    return cost


def otter(scratch: Path, sample: list[Path], data: str) -> Cost:
    """`otter run` of each of the sample, which must all get full points."""
    commands = peers()
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    folder = scratch / "otter"
    (folder / "tests").mkdir(parents=True)
    for name, points in _points().items():
        (folder / "tests" / f"{name}.py").write_text(
            f"from otter.test_files import test_case\nOK_FORMAT = False\nname = {name!r}\npoints = {points}\n\n"
            f"@test_case()\ndef test_it(env):\n    env['notebook'].check({name!r})\n"
        )
    generate = [str(commands / "otter"), "generate", "-t", "tests", "--no-environment", "--no-requirements"]
    subprocess.run(generate, cwd=folder, env=environment, check=True, capture_output=True)
    seconds, memory = 0.0, 0.0
    cells = [_cell("import otter\ngrader = otter.Notebook()"), *_cells(data, False)[:2]]
    cells += [_cell(f"grader.check({name!r})") for name in _points()]
    for number, cell in enumerate(cells):
        cell["metadata"], cell["id"] = {}, f"cell{number}"
    for path in sample:
        cells[1]["source"] = path.read_text()
        (folder / f"{NAME}.ipynb").write_text(_notebook(cells))
        command = [str(commands / "otter"), "run", "--no-logo", "-a", "autograder.zip", f"{NAME}.ipynb"]
        cost, printed = measured("", command, 1, cwd=folder, env=environment)
        result = json.loads((folder / "results.json").read_text())
        score = sum(test.get("score", 0) for test in result["tests"])
        assert score == sum(_points().values()), (score, printed[-2_000:])
        seconds, memory = seconds + cost.seconds, max(memory, cost.memory)
    return Cost("otter run", len(sample), seconds, memory)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="CIFAR-10, as for grader check; by default the digits")
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--sample", type=int, default=3)
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    data = options.data if options.data == "digits" else str(Path(options.data).resolve())
    cores = os.cpu_count() or 1
    scratch = Path(tempfile.mkdtemp(prefix="class-run-"))
    try:
        files = hand_in(scratch / "class", options.size)
        costs = [floor(files, data, cores)]
        print(_row(costs[0], costs[0]), flush=True)
        for jobs in dict.fromkeys((cores, 1)):
            part = files if jobs == cores else files[: max(1, len(files) // 10)]
            folder = scratch / f"class{jobs}"
            folder.mkdir()
            for file in part:
                shutil.copy(file, folder)
            costs.append(ours(folder, scratch / f"out{jobs}", len(part), jobs, data))
            print(_row(costs[-1], costs[0]), flush=True)
        sample = [file for file in files if file.stem.startswith("right")][: options.sample]
        if options.peers:
            for plain in (False, True):
                costs.append(nbgrader(scratch, sample, data, plain))
                print(_row(costs[-1], costs[0]), flush=True)
            costs.append(otter(scratch, sample, data))
            print(_row(costs[-1], costs[0]), flush=True)
        if options.flat:
            for cost in flat(scratch):
                print(_row(cost, costs[0]), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _row(cost: Cost, least: Cost) -> str:
    """One line of the table."""
    per = cost.seconds / cost.count
    return (
        f"{cost.what:44} {cost.count:6,} submissions {per:8.2f} s each {cost.each:8.2f} s each and core "
        f"{cost.each / least.each:7.2f} x floor {cost.memory / 1e6:8,.0f} MB"
    )


if __name__ == "__main__":
    main()
