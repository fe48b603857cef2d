"""What the diagnosis tells students, how bluntly, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import submission
from grader.assignment import Assignment
from grader.cli import assignments
from grader.exports.told import told
from grader.judge.grade import grade
from grader.judge.workers import Worker, Workers
from tests.bank import ROOT


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as started:
        yield started


def test_a_right_submission_has_no_diagnosis_and_costs_none(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.judge.diagnose._Looking", None)
    chosen = assignments.load("vgg16", ROOT, timeout=600)
    handed_in = submission.read(chosen, ROOT / "solutions" / "vgg16" / "vgg16.py")
    result = grade(chosen, handed_in, workers, data=Path("digits"), diagnosis=True)
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
