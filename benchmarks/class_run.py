"""What does grading a class cost per submission: here, in nbgrader, in otter-grader, and at the least?

    .venv/bin/python benchmarks/class_run.py --data PATH [--submissions 200] [--minutes 30] [--peers-sample 2] [--flat]

One class of resnet50 (right, wrong, empty, hanging, crashing), the same checks everywhere, in one run:

floor      the same checks in warm processes, one for each core, without any isolation (parts/in_process.py)
grader     `grader grade`, sandboxed, once with one judge and once with one for each core
nbgrader   `nbgrader autograde` with the checks in the grade cells; and with the accuracy check replaced by the loop
           over all test images that an instructor would write (a sample of right submissions, which grader grades
           by itself, too: that is what these are compared with)
otter      `otter run` with the checks as its test files (the same sample)

Floor and grader take turns, piece by piece (--piece), so that both meet the same machine; so do grader and each peer on
the sample. The pieces measured are noted; after --minutes none is begun, and the same command goes on. Getting ready
(imports, templates, the solution graded once by each process) is not in the seconds but beside them, on both sides.

Memory is the largest sum, over a command's processes, of their share of it (PSS), looked at every ten seconds.
--flat adds the cost per submission of 10, 100 and 1,000 cheap submissions. --peers-sample adds nbgrader and otter:
installed through uv into build/peers on first use. Run it alone on a quiet machine.

Targets: grader per submission and core at most 1.2 times the floor; of the sample a twentieth of nbgrader with all test
images, a fifth of nbgrader with our checks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from parts.measuring import ROOT, Cost, measured, watch

from grader import assignment
from grader.judge.sandbox import ALLOCATOR

NAME = "resnet50"
READY = "00ready"  # what it is named that a class run gets ready with
# Of 100 hand-ins; a real class's proportions, to a guess.
SHARES = {"right": 55, "wrong": 35, "stub": 4, "syntax": 2, "hanging": 2, "crashing": 2}
AGAIN = 10  # times that the sample is graded by us: so that ending the command is not most of it


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
    script = str(ROOT / "benchmarks" / "parts" / "in_process.py")
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
    watching = threading.Thread(target=watch, args=(psutil.Process(), peak, done))
    watching.start()
    found = [[json.loads(line)["seconds"] for line in process.communicate()[0].splitlines()] for process in running]
    done.set()
    watching.join()
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
            from parts.peers import nbgrader, otter  # not before: torch comes with it, which is no part of the floor

            before = _sample(scratch, 0, sample, cores, data, least)
            for turn, peer in enumerate((partial(nbgrader, plain=False), partial(nbgrader, plain=True), otter), 1):
                cost = peer(scratch, sample, data)
                after = _sample(scratch, turn, sample, cores, data, least)
                both = sum_of([before, after])
                per = cost.seconds / cost.count / (both.seconds / both.count)
                print(f"{_row(cost, least)} {per:7.2f} x grader on the sample, just before and after", flush=True)
                before = after
        if options.flat:
            for cost in flat(scratch):
                print(_row(cost, least), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(
        "\nA hanging submission costs its limit in each check, on both sides; one that crashes would end the floor, "
        "and is graded by grader alone."
    )


def _sample(scratch: Path, turn: int, sample: list[Path], cores: int, data: str, least: Cost) -> Cost:
    """The sample graded by us, the ``turn``-th time, so that each peer meets the machine that we meet; printed."""
    folder = again(sample, scratch / f"sample{turn}", cores)
    cost = ours(folder, scratch / f"out_sample{turn}", AGAIN * len(sample), cores, data)
    cost.what += ", the sample"
    print(_row(cost, least), flush=True)
    return cost


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
