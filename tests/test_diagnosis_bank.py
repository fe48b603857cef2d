"""The diagnosis names the right module and hyper-parameter of the bank's mistakes, and nothing of right submissions."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatch

import pytest
import torch
from bank import ROOT, WHOLE, look_at_all, submissions

from grader import submission
from grader.cli import assignments
from grader.diagnosis.finding import Finding
from grader.judge.context import import_solution
from grader.judge.examine import Made, Subject, examine
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.student import Student

SHARE = 0.8  # of the mistakes that are in a module: those whose module and hyper-parameter are named
FEW = 4  # an ordinary test run looks at every fourth mistake
BUILT = {"vgg16": ("vgg16", (4, 3, 32, 32)), "resnet50": ("ResNet50_layer4", (4, 3, 32, 32))}


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as started:
        yield started


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
def test_mistakes_of_the_bank(name: str) -> None:
    """The table is solutions/NAME/mistakes/diagnoses.toml, written from the headers; it is printed with -s."""
    table = tomllib.loads((ROOT / "solutions" / name / "mistakes" / "diagnoses.toml").read_text(encoding="utf-8"))
    assert set(table) == {file.stem for file in (ROOT / "solutions" / name / "mistakes").glob("*.py")}
    told_right, wrong, silent = [], [], []
    files = submissions(name, "mistakes")
    for file, found in look_at_all(name, files if WHOLE else files[::FEW]).items():
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
    build, shape = BUILT[name]
    chosen = assignments.load(name, ROOT, timeout=600)
    reference = import_solution(chosen)
    for file in submissions(name, "variants"):
        handed_in = submission.read(chosen, file)
        with closing(Session(workers, handed_in.files, import_seconds=600, watch=True)) as session:
            session.begin(600)
            student = Student(session)
            subject = Subject(getattr(student, build)(), "", torch.zeros(shape), "backward")
            found = examine(subject, Made(reference, student), frozenset(), time.monotonic() + 600)
        assert found is None or not found.confident, f"{file.stem}: {found}"
