"""A course of its own with one tiny assignment, and the command line run in it: for tests of class runs."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

SETTINGS = """
title = "Multiples"
files = ["multiples.py"]
points = 10

[limits]
import_seconds = 30
check_seconds = 10
memory_mb = 500
"""
SOLUTION = '''"""Multiples."""


def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


def triple(x):
    ### BEGIN SOLUTION
    return 3 * x
    ### END SOLUTION
'''
STUB = '''"""Multiples."""


def double(x):
    raise NotImplementedError()


def triple(x):
    raise NotImplementedError()
'''
PUBLIC = '''
from grader.checks import CheckFailed, check


@check(points=2, hint="Twice.")
def test_double(student):
    """double gives twice its argument"""
    if student.double(4) != 8:
        raise CheckFailed("double(4) is not 8.", expected=8, actual=student.double(4))


@check(points=2, hint="Of floats, too.")
def test_double_float(student):
    """double gives twice a float"""
    if student.double(1.5) != 3.0:
        raise CheckFailed("double(1.5) is not 3.0.")
'''
HIDDEN = '''
from grader.checks import CheckFailed, check


@check(points=6, hint="Thrice.", requires=["double"])
def test_triple(student, reference, context):
    """triple gives three times its argument"""
    number = context.seed % 1000
    if student.triple(number) != reference.triple(number):
        raise CheckFailed("triple is wrong.", expected=reference.triple(number))
'''
RIGHT = "def double(x):\n    return x + x\n\n\ndef triple(x):\n    return x + x + x\n"


def make(root: Path) -> Path:
    """The course in the new folder ``root``."""
    public, secret = root / "assignments" / "multiples", root / "solutions" / "multiples"
    for folder in (public / "checks", secret / "checks"):
        folder.mkdir(parents=True)
    (public / "assignment.toml").write_text(SETTINGS)
    (public / "multiples.py").write_text(STUB)
    (public / "checks" / "test_public.py").write_text(PUBLIC)
    (secret / "multiples.py").write_text(SOLUTION)
    (secret / "checks" / "test_hidden.py").write_text(HIDDEN)
    return root


def command(*arguments: object) -> list[str]:
    """The command line of ``grader`` with these arguments."""
    return [sys.executable, "-m", "grader", *map(str, arguments)]


def environment(**changes: str) -> dict[str, str]:
    """Of a process that runs in the course: no data but the embedded digits."""
    return {**{name: value for name, value in os.environ.items() if name != "GRADER_DATA"}, **changes}


def run(root: Path, *arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run ``grader`` in the course."""
    return subprocess.run(
        command(*arguments),
        cwd=root,
        env=environment(**changes),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )


def hand_in(folder: Path, sources: dict[str, str]) -> Path:
    """The new ``folder`` with a file for each student."""
    folder.mkdir()
    for student, source in sources.items():
        (folder / f"{student}.py").write_text(source)
    return folder


def grades(out: Path) -> dict[str, dict[str, str]]:
    """The rows of grades.csv, by student."""
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def results(out: Path) -> dict[str, object]:
    """What a result says, without times."""

    def timeless(value: object) -> object:
        if isinstance(value, dict):
            return {key: timeless(item) for key, item in value.items() if key not in ("seconds", "execution_time")}
        return [timeless(item) for item in value] if isinstance(value, list) else value

    return {path.name: timeless(json.loads(path.read_bytes())) for path in sorted((out / "results").glob("*.json"))}
