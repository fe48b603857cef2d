"""The diagnosis names the right module and hyper-parameter of the bank's mistakes, and nothing of right submissions."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
import torch

from grader import datasets, submission
from grader.assignment import Assignment
from grader.audit.bank import catchers
from grader.cli import assignments
from grader.diagnosis.finding import Finding
from grader.judge.context import Context
from grader.judge.diagnose import diagnose
from grader.judge.examine import Made, Subject, examine
from grader.judge.grade import grade
from grader.judge.plugin import run_checks
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.result import TestResult
from grader.student import Student
from tests.bank import ROOT, submissions

SHARE = 0.8  # of the mistakes that are in a module: those whose module and hyper-parameter are named
BUILT = {"vgg16": ("vgg16", (4, 3, 32, 32)), "resnet50": ("ResNet50_layer4", (4, 3, 32, 32))}


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as started:
        yield started


@cache
def chosen(name: str) -> Assignment:
    return assignments.load(name, ROOT, timeout=600)


def passed(name: str, workers: Workers) -> list[TestResult]:
    """What the checks say of the solution."""
    solution = submission.read(chosen(name), ROOT / "solutions" / name / f"{name}.py")
    return grade(chosen(name), solution, workers, data=Path("digits")).tests


def findings(name: str, file: Path, known: list[TestResult], workers: Workers) -> list[Finding]:
    """Of the first check that ``file``'s header names and that fails."""
    handed_in = submission.read(chosen(name), file)
    context = Context(chosen(name), handed_in, lambda: datasets.find(Path("digits")), 0, threads=1)
    others = [test for test in known if test.extra_data.check not in catchers(file)]
    workers.memory_mb = 4_000
    with closing(Session(workers, handed_in.files, import_seconds=600)) as session:
        plugin = run_checks(session, context, known=others, fail_fast=True)
    return list(diagnose(plugin, context, workers).values())


def right(finding: Finding, places: list[list[str]]) -> bool:
    """Whether one of ``places``, [place, what], is what was found; "missing ReLU" wants the ReLU named, too."""
    last = finding.maker.rpartition(".")[2]
    for place, what in places:
        word, _, named = what.partition(" ")
        inside = finding.module or last
        here = fnmatch(finding.module, place) or fnmatch(finding.module, f"*.{place}") or inside == place
        here = here or finding.type == place
        if here and finding.what == word and named in finding.said:
            return True
    return False


@pytest.mark.parametrize("name", BUILT)
def test_mistakes_of_the_bank(name: str, workers: Workers) -> None:
    """The table is solutions/NAME/mistakes/diagnoses.toml, written from the headers; it is printed with -s."""
    table = tomllib.loads((ROOT / "solutions" / name / "mistakes" / "diagnoses.toml").read_text(encoding="utf-8"))
    assert set(table) == {file.stem for file in (ROOT / "solutions" / name / "mistakes").glob("*.py")}
    known = passed(name, workers)
    told_right, wrong, silent = [], [], []
    for file in submissions(name, "mistakes"):
        found = findings(name, file, known, workers)
        places = table[file.stem]
        if any(right(each, places) for each in found):
            told_right.append(file.stem)
        elif places:
            silent.append(file.stem)
        wrong += [f"{file.stem}: {each}" for each in found if each.confident and not right(each, places)]
    print(f"\n{name}: {len(told_right)} named, {len(silent)} not: {', '.join(silent)}")
    assert wrong == []
    assert len(told_right) >= SHARE * (len(told_right) + len(silent))


@pytest.mark.parametrize("name", BUILT)
def test_right_submissions(name: str, workers: Workers) -> None:
    """Nothing is found between the solution and what is right, even when it is looked for."""
    from grader.judge.context import import_solution

    build, shape = BUILT[name]
    reference = import_solution(chosen(name))
    for file in submissions(name, "variants"):
        handed_in = submission.read(chosen(name), file)
        with closing(Session(workers, handed_in.files, import_seconds=600, watch=True)) as session:
            session.begin(600)
            student = Student(session)
            subject = Subject(getattr(student, build)(), "", torch.zeros(shape), "backward")
            found = examine(subject, Made(reference, student), frozenset(), time.monotonic() + 600)
        assert found is None or not found.confident, f"{file.stem}: {found}"


def test_a_right_submission_has_no_diagnosis_and_costs_none(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.judge.diagnose._Looking", None)
    handed_in = submission.read(chosen("vgg16"), ROOT / "solutions" / "vgg16" / "vgg16.py")
    result = grade(chosen("vgg16"), handed_in, workers, data=Path("digits"), diagnosis=True)
    assert not any(test.extra_data.diagnosis for test in result.tests)
