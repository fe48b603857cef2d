"""What does grading a class cost per submission: here, in nbgrader, in otter-grader, and at the least?

    .venv/bin/python benchmarks/class_run.py --data PATH [--submissions 200] [--minutes 30] [--peers-sample 2] [--flat]

One class of resnet50 (right, wrong, empty, hanging, crashing), the same checks everywhere, in one run:

floor      the same checks in warm processes, one for each core, without any isolation (in_process.py)
grader     `grader grade`, sandboxed, once with one judge and once with one for each core
nbgrader   `nbgrader autograde` with the checks in the grade cells; and with the accuracy check replaced by the loop
           over all test images that an instructor would write (a sample of right submissions, which grader grades
           by itself, too: that is what these are compared with)
otter      `otter run` with the checks as its test files (the same sample)

Floor and grader take turns, piece by piece (--piece), so that both meet the same machine. What is measured is noted;
after --minutes no piece is begun, and the same command goes on. Getting ready (imports, templates, the solution graded
once by each process) is not in the seconds but beside them, on both sides.

Memory is the largest sum, over a command's processes, of their share of it (PSS), looked at every ten seconds.
--flat adds the cost per submission of 10, 100 and 1,000 cheap submissions. --peers-sample adds nbgrader and otter:
installed through uv into build/peers on first use. Run it alone on a quiet machine. Targets: docs/design.md.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import decode_source
from pathlib import Path
from typing import Any

import psutil

from grader import assignment
from grader.judge.sandbox import ALLOCATOR

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build" / "peers"
NAME = "resnet50"
READY = "00ready"  # what it is named that a class run gets ready with
# Of 100 hand-ins; a real class's proportions, to a guess.
SHARES = {"right": 55, "wrong": 35, "stub": 4, "syntax": 2, "hanging": 2, "crashing": 2}
EVERY = 10.0  # seconds between two looks at the memory: one of ten processes takes 150 ms of a core, and holds them up
AGAIN = 5  # times that the sample is graded by us: so that ending the command is not most of it


@dataclass
class Cost:
    """Of one command over ``count`` submissions: wall-clock seconds, and the peak of the memory (bytes).

    ``startup`` are the seconds before, until it was ready: the solution graded once by each process.
    """

    what: str
    count: int
    seconds: float
    memory: float
    cores: int = 1
    startup: float = 0.0

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
    pause = 1.0  # a short command is looked at, too
    while not done.wait(pause):
        pause, total = EVERY, 0
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
    solution = (ROOT / "solutions" / NAME / file).read_bytes()
    stub = (ROOT / "assignments" / NAME / file).read_bytes()
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
            text = choose.choice(banks[kind]).read_bytes()
        elif kind == "stub":
            text = stub
        elif kind == "syntax":
            text = solution.replace(b"class ", b"clas ", 1)
        elif kind == "hanging":
            text = solution + b"\n\ndef _hang(*_):\n    while True:\n        pass\n\n\nResidualBlock.forward = _hang\n"
        else:
            text = (
                solution + b"\n\ndef _crash(*_):\n    import os\n    os._exit(3)\n\n\nResidualBlock.forward = _crash\n"
            )
        path = folder / f"{kind}{number:04}.py"
        path.write_bytes(text + f"\n\nHANDED_IN_BY = {number}\n".encode())
        found.append(path)
    return found


def floor(files: list[Path], data: str, cores: int) -> Cost:
    """The class, but for those that would end the process, in ``cores`` processes; as if all were always busy."""
    files = [file for file in files if not file.stem.startswith("crashing")]
    script = str(ROOT / "benchmarks" / "in_process.py")
    # As few page faults as in a judge and its workers; one thread.
    environment = {**os.environ, **ALLOCATOR, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
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
    found = [[json.loads(line)["seconds"] for line in process.communicate()[0].splitlines()] for process in running]
    done.set()
    watch.join()
    if sum(map(len, found)) != len(files) + cores:
        sys.exit("The floor has not graded all it was given.")
    seconds = sum(sum(each[1:]) for each in found)
    return Cost(
        f"floor, {cores} processes", len(files), seconds / cores, peak[0], cores, max(each[0] for each in found)
    )


def ours(folder: Path, out: Path, count: int, jobs: int, data: str, name: str = NAME, root: Path = ROOT) -> Cost:
    """`grader grade`. It is ready when all hand-ins whose names begin with `READY` are graded."""
    command = [sys.executable, "-m", "grader", "grade", str(folder), "-a", name, "--out", str(out)]
    command += ["--jobs", str(jobs), "--data", data]
    warm = len(list(folder.glob(f"{READY}*")))
    ready = [0.0]
    done = threading.Event()
    watch = threading.Thread(target=_until_stored, args=(out / "results.sqlite", warm, ready, done))
    watch.start()
    cost = measured(f"grader grade --jobs {jobs}", command, count, jobs, cwd=root)[0]
    done.set()
    watch.join()
    cost.startup = ready[0]
    cost.seconds -= cost.startup
    return cost


def _until_stored(path: Path, count: int, seconds: list[float], done: threading.Event) -> None:
    """Note after how many seconds ``count`` results are in the store at ``path``."""
    started = time.monotonic()
    while count and not done.wait(0.1):
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store,
        ):
            if store.execute("SELECT count(*) FROM results").fetchone()[0] >= count:
                seconds[0] = time.monotonic() - started
                return


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
        solution["source"] = decode_source(path.read_bytes())
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
        cells[1]["source"] = decode_source(path.read_bytes())
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
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--piece", type=int, default=20, help="submissions that both sides grade before the next ones")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no piece after this time")
    parser.add_argument("--notes", type=Path, default=ROOT / "build" / "class_run.json", help="what is measured so far")
    parser.add_argument("--peers-sample", type=int, default=0, help="submissions for nbgrader and otter")
    parser.add_argument("--flat", action="store_true")
    options = parser.parse_args()
    data = options.data if options.data == "digits" else str(Path(options.data).resolve())
    cores = os.cpu_count() or 1
    scratch = Path(tempfile.mkdtemp(prefix="class-run-"))
    try:
        files = hand_in(scratch / "class", options.submissions)
        costs = _pieces(files, options, data, cores, scratch)
        print()
        for cost in costs:
            print(_row(cost, costs[0]), flush=True)
        least = costs[0]
        sample = [file for file in files if file.stem.startswith("right")][: options.peers_sample]
        if sample:
            same = ours(again(sample, scratch / "same", cores), scratch / "out_same", AGAIN * len(sample), cores, data)
            same.what += ", the sample"
            print(_row(same, least), flush=True)
            for peer in (partial(nbgrader, plain=False), partial(nbgrader, plain=True), otter):
                cost = peer(scratch, sample, data)
                per = cost.seconds / cost.count / (same.seconds / same.count)
                print(f"{_row(cost, least)} {per:7.2f} x grader on the sample", flush=True)
        if options.flat:
            for cost in flat(scratch):
                print(_row(cost, least), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(
        "\nA hanging submission costs its limit in each check, on both sides; one that crashes would end the floor, "
        "and is graded by grader alone."
    )


def _pieces(files: list[Path], options: argparse.Namespace, data: str, cores: int, scratch: Path) -> list[Cost]:
    """The class in pieces, each graded by the floor, by all cores and, every fifth piece, by one; noted one by one."""
    notes: Path = options.notes
    given = [options.submissions, options.piece, data, cores]
    known = json.loads(notes.read_text()) if notes.is_file() else {}
    if known.get("given") != given:
        known = {"given": given, "pieces": []}
    pieces = [files[start : start + options.piece] for start in range(0, len(files), options.piece)]
    done: list[list[dict[str, Any]]] = known["pieces"]
    began = time.monotonic()
    before = len(done)
    for number, piece in list(enumerate(pieces))[before:]:
        if time.monotonic() - began > 60 * options.minutes:
            print(f"The time is up: {number} of {len(pieces)} pieces are measured. The same command goes on.")
            break
        folder = scratch / f"piece{number}"
        _copied(piece, folder, cores)
        costs = [floor(piece, data, cores), ours(folder, scratch / f"out{number}", len(piece), cores, data)]
        if number % 5 == 0:
            part = piece[: max(1, len(piece) // 2)]
            alone = scratch / f"alone{number}"
            _copied(part, alone, 1)
            costs.append(ours(alone, scratch / f"out_alone{number}", len(part), 1, data))
        done.append([asdict(cost) for cost in costs])
        notes.parent.mkdir(exist_ok=True)
        notes.write_text(json.dumps(known))
        left = (time.monotonic() - began) / (number + 1 - before) * (len(pieces) - number - 1)
        print(
            f"piece {number + 1} of {len(pieces)}: floor {costs[0].each:.2f}, grader {costs[1].each:.2f} s each and "
            f"core, {costs[1].each / costs[0].each:.2f} x; about {left / 60:.0f} min left",
            flush=True,
        )
    if not done:
        sys.exit("Nothing is measured yet.")
    columns: dict[str, list[Cost]] = {}
    for each in done:
        for cost in each:
            columns.setdefault(cost["what"], []).append(Cost(**cost))
    return [sum_of(costs) for costs in columns.values()]


def again(sample: list[Path], folder: Path, judges: int) -> Path:
    """Each of the sample `AGAIN` times, as another submission each time, and what to get ready with."""
    _copied([], folder, judges)
    for path in sample:
        for number in range(AGAIN):
            (folder / f"{path.stem}_{number}.py").write_bytes(path.read_bytes() + f"\nAGAIN = {number}\n".encode())
    return folder


def _copied(files: list[Path], folder: Path, judges: int) -> None:
    """``files``, and before them the solution once for each judge: to get ready with, as the floor does."""
    folder.mkdir()
    solution = (ROOT / "solutions" / NAME / assignment.load(NAME, ROOT).settings.files[0]).read_text()
    for number in range(judges):
        (folder / f"{READY}{number}.py").write_text(f"{solution}\n\nTO_GET_READY = {number}\n")
    for file in files:
        shutil.copy(file, folder)


def sum_of(costs: list[Cost]) -> Cost:
    """The same command's costs over several pieces."""
    first = costs[0]
    return Cost(
        first.what,
        sum(cost.count for cost in costs),
        sum(cost.seconds for cost in costs),
        max(cost.memory for cost in costs),
        first.cores,
        sum(cost.startup for cost in costs) / len(costs),
    )


def _row(cost: Cost, least: Cost) -> str:
    """One line of the table."""
    per = cost.seconds / cost.count
    startup = f"{cost.startup:6.1f} s to get ready" if cost.startup else ""
    return (
        f"{cost.what:44} {cost.count:6,} submissions {per:8.2f} s each {cost.each:8.2f} s each and core "
        f"{cost.each / least.each:7.2f} x floor {cost.memory / 1e6:8,.0f} MB {startup}"
    )


if __name__ == "__main__":
    main()
