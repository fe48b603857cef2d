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
from grader.exports.told import told
from grader.judge.context import Context
from grader.judge.diagnose import diagnose
from grader.judge.examine import Made, Subject, examine
from grader.judge.grade import grade
from grader.judge.plugin import run_checks
from grader.judge.run import Run
from grader.judge.session import Session
from grader.judge.workers import Worker, Workers
from grader.result import FAILURES
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


def findings(name: str, file: Path, workers: Workers) -> list[Finding]:
    """Of the first check that ``file``'s header names and that fails."""
    handed_in = submission.read(chosen(name), file)
    context = Context(chosen(name), handed_in, lambda: datasets.find(Path("digits")), 0, threads=1)
    workers.memory_mb = 4_000
    with closing(Session(workers, handed_in.files, import_seconds=600)) as session:
        run = run_checks(Run(session, context, only=catchers(file), stop_after=FAILURES))
    return list(diagnose(run, context, workers).values())


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
    told_right, wrong, silent = [], [], []
    for file in submissions(name, "mistakes"):
        found = findings(name, file, workers)
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


TOML = """
title = "One"
files = ["work.py"]
points = 3
diagnosis = "{bluntness}"
"""
PUBLIC = '''
import torch

from grader.checks import check
from grader.checks.architecture import expect_shape
from grader.checks.numerics import same
from grader.checks import CheckFailed

@check(points=1)
def test_shape(student):
    """Net halves the image"""
    expect_shape(student.Net()(torch.zeros(2, 3, 16, 16)), (2, 5, 8, 8), "Net()")

@check(points=1)
def test_area(student):
    """area is width times height"""
    if student.area(3, 4) != 12:
        raise CheckFailed("area(3, 4) is not 12.")
'''
HIDDEN = '''
import torch

from grader.checks import check
from grader.checks.numerics import expect_same_function
from grader.checks.weights import calibrate, give_weights

@check(points=1, requires=["shape"])
def test_function(student, reference):
    """Net computes the right function"""
    original = calibrate(reference.Net(), torch.randn(4, 3, 16, 16), 1)
    expect_same_function(give_weights(student.Net(), original), original, [torch.randn(2, 3, 16, 16)])
'''
SOLUTION = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, kernel_size=7, stride=2, padding=3)
        self.act = nn.LeakyReLU(0.37)

    def forward(self, x):
        return self.act(self.conv(x))

def area(width, height):
    return width * height
"""
SLOPE = SOLUTION.replace("0.37", "0.21")
PADDING = SOLUTION.replace("padding=3", "padding=5")
PRODUCT = SOLUTION.replace("width * height", "width + height")
FORWARD = SOLUTION.replace("return self.act(self.conv(x))", "return self.act(self.conv(x)).sigmoid()")


def course(folder: Path, bluntness: str, *, hidden: bool = True) -> Assignment:
    from grader import assignment

    public, secret = folder / "assignments" / "one", folder / "solutions" / "one"
    (public / "checks").mkdir(parents=True)
    (public / "assignment.toml").write_text(TOML.format(bluntness=bluntness))
    (public / "checks" / "test_public.py").write_text(PUBLIC)
    if hidden:
        (secret / "checks").mkdir(parents=True)
        (secret / "checks" / "test_hidden.py").write_text(HIDDEN)
        (secret / "work.py").write_text(SOLUTION)
    return assignment.load("one", folder)


def said(one: Assignment, code: str, workers: Workers) -> dict[str, str]:
    """What a student reads of each check that failed."""
    result = grade(one, submission.Submission(Path("work.py"), {"work.py": code.encode()}), workers, diagnosis=True)
    return {test.extra_data.check: told(test.extra_data).diagnosis for test in result.tests if test.status == "failed"}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine tries as many edits as any other."""
    monkeypatch.setattr("grader.judge.diagnose.SEARCH", 60)


@pytest.mark.parametrize(
    ("bluntness", "expected"),
    [
        ("none", ""),
        ("area", "act (LeakyReLU) of Net."),
        ("line", "the negative_slope of act (LeakyReLU) of Net, line 8."),
        (
            "full",
            "act (LeakyReLU) of Net: its negative_slope is 0.21; 0.37 is expected. "
            "With this one change the check passes: 0.37 instead of 0.21 in line 8.",
        ),
    ],
)
def test_bluntness_of_a_hidden_check(
    tmp_path: Path, workers: Workers, patient: None, bluntness: str, expected: str
) -> None:
    found = said(course(tmp_path, bluntness), SLOPE, workers)
    assert found == {"function": expected}
    assert bluntness == "full" or "0.37" not in str(found)


def test_shapes_side_by_side(tmp_path: Path, workers: Workers, patient: None) -> None:
    found = said(course(tmp_path, "full"), PADDING, workers)["shape"]
    assert "its padding is 5, which gives 10x10 where 8x8 is expected; 3 is expected." in found
    assert "padding=3 instead of padding=5 in line 7" in found
    assert found.splitlines()[1:] == [
        "module  yours           expected",
        "conv    (2, 5, 10, 10)  (2, 5, 8, 8)",
    ]


def test_an_edit_of_forward(tmp_path: Path, workers: Workers, patient: None) -> None:
    found = said(course(tmp_path, "full"), FORWARD, workers)["function"]
    assert found.startswith("Net: all that it calls does what it should")
    assert "self.act(self.conv(x)) instead of self.act(self.conv(x)).sigmoid() in line 11" in found


def test_a_function(tmp_path: Path, workers: Workers, patient: None) -> None:
    found = said(course(tmp_path, "line"), PRODUCT, workers)
    assert found == {"area": "perhaps area, line 14: one change there makes the check pass."}


def test_workers_that_start_slowly_cost_no_diagnosis(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a template has been killed and torch is imported anew, or where nothing forks."""
    monkeypatch.setattr("grader.judge.diagnose.SEARCH", 2)
    monkeypatch.setattr("grader.judge.diagnose.SLOW", 2)
    start = workers.start

    def slowly() -> Worker:
        time.sleep(2)
        return start()

    monkeypatch.setattr(workers, "start", slowly)
    found = said(course(tmp_path, "line"), PRODUCT, workers)
    assert found == {"area": "perhaps area, line 14: one change there makes the check pass."}


def test_without_the_solution(tmp_path: Path, workers: Workers, patient: None) -> None:
    """In a student's copy, public checks alone: the edits that mend them."""
    found = said(course(tmp_path, "line", hidden=False), PADDING, workers)
    assert found == {"shape": "perhaps Net, line 7: one change there makes the check pass."}


def test_a_name_that_carries_something_out_is_not_shown(tmp_path: Path, workers: Workers) -> None:
    carrying = SLOPE.replace("nn.LeakyReLU(0.21)", 'type("B" + str(7 * 11), (nn.LeakyReLU,), {})(0.21)')
    assert "B77" not in str(said(course(tmp_path, "full"), carrying, workers))


def test_what_the_check_said_stays(tmp_path: Path, workers: Workers) -> None:
    """With and without a diagnosis: the same statuses, messages and points."""
    one = course(tmp_path, "full")
    handed_in = submission.Submission(Path("work.py"), {"work.py": PADDING.encode()})
    plain, diagnosed = (grade(one, handed_in, workers, seed=1, diagnosis=each) for each in (False, True))
    assert [(test.score, test.extra_data.message) for test in plain.tests] == [
        (test.score, test.extra_data.message) for test in diagnosed.tests
    ]
