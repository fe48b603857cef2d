"""grader.checks.architecture: what a wrong model is told, in the order in which it helps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from live import student

from grader.checks.architecture import (
    expect_module,
    expect_parameter_count,
    expect_shape,
    expect_state,
    expect_steps,
    expect_tensor,
)
from grader.student import CheckFailed, Remote, Student

SOURCE = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))

def frozen():
    model = net()
    model[0].weight.requires_grad = False
    return model

def nothing():
    pass

def pair(x):
    return x, x
"""
STATE = {
    "0.weight": (4, 3, 3, 3),
    "0.bias": (4,),
    "1.weight": (4,),
    "1.bias": (4,),
    "1.running_mean": (4,),
    "1.running_var": (4,),
    "1.num_batches_tracked": (),
    "4.weight": (2, 16),
    "4.bias": (2,),
}
X = torch.zeros(1, 3, 4, 4)


@pytest.fixture(scope="module")
def work() -> Iterator[Student]:
    with student(SOURCE) as started:
        yield started


@pytest.fixture(scope="module")
def net(work: Student) -> Remote:
    return expect_module(work.net(), "net()")


def said(caught: pytest.ExceptionInfo[CheckFailed]) -> str:
    return caught.value.message


def test_a_right_model_passes(net: Remote) -> None:
    expect_parameter_count(net, 154)
    expect_state(net, STATE)
    expect_steps(net.eval(), X, {"0": (1, 4, 2, 2), "3": (1, 16), "4": (1, 2), "": (1, 2)})
    assert expect_shape(net(X), (1, 2), "net()").dtype == torch.float32


def test_what_is_no_module_or_no_tensor(work: Student) -> None:
    with pytest.raises(CheckFailed, match=r"nothing\(\) gives None; an nn.Module is expected") as caught:
        expect_module(work.nothing(), "nothing()")
    assert caught.value.actual == "None"
    with pytest.raises(CheckFailed, match=r"gives a tuple; an nn.Module is expected"):
        expect_module(work.pair(1), "pair(1)")
    with pytest.raises(CheckFailed, match=r"returned None\. Is a return missing"):
        expect_tensor(work.nothing(), "nothing()")
    with pytest.raises(CheckFailed, match="returned a tuple; a tensor is expected"):
        expect_shape(work.pair(X), (1, 3, 4, 4), "pair")
    with pytest.raises(CheckFailed, match="returned a Sequential; a tensor is expected"):
        expect_tensor(work.net(), "net()")


@pytest.mark.parametrize(("count", "apart"), [(150, "+4"), (1154, "-1,000")])
def test_the_number_of_parameters(net: Remote, count: int, apart: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        expect_parameter_count(net, count)
    assert said(caught) == f"net() has 154 parameters; {count:,} are expected ({apart})."


def test_parameters_that_are_not_trained(work: Student) -> None:
    with pytest.raises(CheckFailed, match=r"0\.weight is not trained"):
        expect_parameter_count(expect_module(work.frozen(), "frozen()"), 154)


def test_missing_and_surplus_keys(net: Remote) -> None:
    renamed = {key.replace("4.", "fc."): shape for key, shape in STATE.items()}
    with pytest.raises(CheckFailed) as caught:
        expect_state(net, renamed)
    assert "has no fc.weight, fc.bias and has 4.weight, 4.bias, which should not be there" in said(caught)
    with pytest.raises(CheckFailed) as caught:
        expect_state(net, {})
    assert "0.weight, 0.bias, 1.weight and 6 more, which" in said(caught)
    with pytest.raises(CheckFailed, match=r"4\.weight of net\(\) has shape \(2, 16\); \(2, 64\) is expected"):
        expect_state(net, STATE | {"4.weight": (2, 64)})


def test_the_first_wrong_step_is_named(net: Remote) -> None:
    with pytest.raises(CheckFailed) as caught:
        expect_steps(net, X, {"0": (1, 4, 2, 2), "3": (1, 64), "4": (1, 5)})
    assert said(caught) == "net().3 (Flatten) turns (1, 4, 2, 2) into (1, 16); (1, 64) is expected."


def test_steps_that_are_not_reached(net: Remote) -> None:
    expect_steps(net, X, {"5": (1, 2)})  # never called: its forward may have been, or its weights used without it
    with pytest.raises(CheckFailed, match=r"net\(\)\.4 gives no output: .*shapes cannot be multiplied"):
        expect_steps(net, torch.zeros(1, 3, 9, 9), {"3": (1, 196), "4": (1, 2)})
