"""How much faster is `nbgrader autograde` with results from our class run than with nbgrader's own Execute?

    .venv/bin/python benchmarks/nbgrader_autograde.py [--size 30] [--assignment resnet50] [--data PATH] [--jobs N]

One course and one class of notebooks, right ones and wrong ones in turn, autograded in one run

ours     as `grader release` sets a course up: a sandboxed class run, whose results fill the grade cells
cells    by nbgrader's own Execute, the released grade cells as they are: each notebook's first grades it all
kernel   by nbgrader's own Execute, the same checks called in the notebook's kernel, without any isolation

by the command `nbgrader autograde`, its start included. A right notebook must have full points each time, and a wrong
one the same points by "cells" as by "ours" ("kernel" knows nothing of checks that wait for others). Run it alone on a
quiet machine. Target: ours takes a fifth of either at most.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import cycle
from pathlib import Path
from typing import Any

from parts.measuring import ROOT, Cost, measured

from grader import assignment

BINARIES = Path(sys.executable).parent
_STOCK = """
from nbgrader.converters import Autograde
c.Autograde.autograde_preprocessors = Autograde.class_traits()["autograde_preprocessors"].default()
"""
_IN_KERNEL = """\
import sys
sys.path[:0] = [{root!r}, {here!r}]
from parts import in_process
_checks = globals().get("_checks") or in_process.Notebook({name!r}, {data!r}, globals())
_checks.check({check!r})
"""


def run(command: list[str], where: Path, environment: dict[str, str]) -> None:
    """Run it.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def released(course: Path, name: str, environment: dict[str, str]) -> dict[str, Any]:
    """A course in the new folder ``course``; the notebook that students get."""
    run([sys.executable, "-m", "grader", "release", name, "--course", str(course)], ROOT, environment)
    found: dict[str, Any] = json.loads((course / "release" / name / f"{notebook(name)}.ipynb").read_text())
    return found


def notebook(name: str) -> str:
    """The notebook's name: that of the assignment's first file."""
    return Path(assignment.load(name, ROOT).settings.files[0]).stem


def hand_in(course: Path, name: str, given: dict[str, Any], size: int) -> None:
    """``size`` hand-ins in submitted/: every other one is right."""
    banks = [sorted((ROOT / "solutions" / name / kind).glob("*.py")) for kind in ("variants", "mistakes")]
    turns = [cycle(bank) for bank in banks]
    for number in range(size):
        text = next(turns[number % 2]).read_text()
        made = json.loads(json.dumps(given))
        solutions = [cell for cell in made["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")]
        for cell in solutions:
            cell["source"] = ""
        solutions[0]["source"] = f"{text}\n\nHANDED_IN_BY = {number}\n"
        folder = course / "submitted" / f"{('right', 'wrong')[number % 2]}{number:03}" / name
        folder.mkdir(parents=True)
        (folder / f"{notebook(name)}.ipynb").write_text(json.dumps(made))
        (folder / "timestamp.txt").touch()


def with_stock_execute(course: Path, target: Path) -> Path:
    """A copy of the course that nothing has been graded in, with nbgrader's own Execute."""
    shutil.copytree(course, target)
    settings = target / "nbgrader_config.py"
    settings.write_text(settings.read_text().replace(str(course), str(target)) + _STOCK)
    return target


def put_checks_into_cells(course: Path, name: str, data: str, environment: dict[str, str]) -> None:
    """The course's grade cells call the checks in the kernel."""
    path = course / "source" / name / f"{notebook(name)}.ipynb"
    found = json.loads(path.read_text())
    for cell in found["cells"]:
        about = cell["metadata"].get("nbgrader", {})
        if about.get("grade"):
            here = str(Path(__file__).resolve().parent)
            cell["source"] = _IN_KERNEL.format(root=str(ROOT), here=here, name=name, data=data, check=about["grade_id"])
    path.write_text(json.dumps(found))
    run([str(BINARIES / "nbgrader"), "generate_assignment", name, "--force"], course, environment)


def autograde(
    what: str, course: Path, name: str, size: int, environment: dict[str, str]
) -> tuple[Cost, dict[str, float]]:
    """The cost of grading all, and everyone's points."""
    nbgrader = str(BINARIES / "nbgrader")
    cost, _ = measured(what, [nbgrader, "autograde", name], size, cwd=course, env=environment)
    run([nbgrader, "export"], course, environment)
    with (course / "grades.csv").open() as file:
        return cost, {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


def main() -> None:
    """Print the table, and whether everyone has the right points."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=30)
    parser.add_argument("--assignment", default="resnet50")
    parser.add_argument("--data", default="digits", help="CIFAR-10, as for grader check; by default the digits")
    parser.add_argument("--jobs", type=int, default=0, help="of our class run; by default one for each core")
    parser.add_argument("--stock", nargs="*", choices=("cells", "kernel"), default=["cells", "kernel"])
    options = parser.parse_args()
    name = options.assignment
    data = options.data if options.data == "digits" else str(Path(options.data).resolve())
    environment = {**os.environ, "GRADER_DATA": data, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
    full = assignment.load(name, ROOT).settings.points
    scratch = Path(tempfile.mkdtemp(prefix="autograde-"))
    try:
        course = scratch / "ours"
        hand_in(course, name, released(course, name, environment), options.size)
        courses = {"ours": course}
        for kind in options.stock:
            courses[kind] = with_stock_execute(course, scratch / kind)
        if "kernel" in courses:
            put_checks_into_cells(courses["kernel"], name, data, environment)
        if options.jobs:
            with (course / "nbgrader_config.py").open("a") as file:
                file.write(f"c.LookUp.jobs = {options.jobs}\n")
        print(f"{name}, {options.size} notebooks, {data}, {os.cpu_count()} cores")
        points: dict[str, dict[str, float]] = {}
        seconds: dict[str, float] = {}
        for kind, folder in courses.items():
            cost, points[kind] = autograde(kind, folder, name, options.size, environment)
            seconds[kind] = cost.seconds
            print(
                f"{kind:8} {cost.seconds:9.1f} s {cost.seconds / options.size:8.2f} s each "
                f"{cost.seconds / seconds['ours']:7.2f} x ours {cost.memory / 1e6:8,.0f} MB",
                flush=True,
            )
        wrong = [
            f"{student}: {found} points by {kind!r}, {points['ours'].get(student)} by 'ours'"
            for kind, by_student in points.items()
            for student, found in by_student.items()
            if (found != full if student.startswith("right") else kind != "kernel" and found != points["ours"][student])
        ]
        print("\n".join(wrong) or "Right ones have full points everywhere, wrong ones the same.")
        if wrong or any(len(by_student) != options.size for by_student in points.values()):
            sys.exit("Not everyone has the right points.")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
