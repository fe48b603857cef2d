"""grader.probes in a real worker: the same things on either side, and what a student's function does with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from live import student

from grader import probes
from grader.checks.loops import (
    Plan,
    expect_loss,
    expect_modes,
    expect_recording,
    expect_weights,
    state_of,
    with_gradients,
)
from grader.student import CheckFailed, Student, StudentError

SOURCE = """
import numpy as np
import torch

def train(model, loader, criterion, optimizer):
    model.train()
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.mean(losses)

def off():
    torch.set_grad_enabled(False)

def recorded():
    return torch.is_grad_enabled()

def numbers():
    return {"float": np.float32(0.5), "int": np.int64(3), "bool": np.bool_(True), "long": np.longdouble(1)}
"""


@pytest.fixture(scope="module")
def work() -> Iterator[Student]:
    with student(SOURCE) as started:
        yield started


def test_both_sides_train_alike(work: Student) -> None:
    plan = Plan(1, rates=(0.1, 0.01))
    mine, ours = plan.all(work.probe), plan.all(probes.make)
    loss = with_gradients(work.train, *mine)
    losses = []
    ours[0].train()
    for x, y in ours[1]:
        ours[3].zero_grad()
        value = ours[2](ours[0](x), y)
        value.backward()
        ours[3].step()
        losses.append(value.item())
    expect_loss(loss, sum(losses) / len(losses), "train")
    expect_weights(mine[0], ours[0].state_dict(), plan.weights(), "train")
    expect_modes(work, mine[0], True, "train")
    assert work.probe("rates", mine[3]) == [0.1, 0.01]
    with pytest.raises(CheckFailed, match=r"train: the model's first\.weight is not what it should be now"):
        expect_weights(mine[0], plan.weights(), ours[0].state_dict(), "train")
    with pytest.raises(CheckFailed, match="so that it is in train mode"):
        expect_modes(work, mine[0], False, "train")
    with pytest.raises(CheckFailed, match=r"train gives .*; 0 is expected"):
        expect_loss(loss, 0.0, "train")


def test_weights_that_nobody_touched(work: Student) -> None:
    plan = Plan(2)
    model = plan.model(work.probe)
    assert state_of(model).keys() == plan.weights().keys()
    moved = {key: value + 1 if value.is_floating_point() else value for key, value in plan.weights().items()}
    with pytest.raises(CheckFailed, match="it is what it was"):
        expect_weights(model, moved, plan.weights(), "nothing")
    with pytest.raises(CheckFailed, match="leaves the model without its other"):
        expect_weights(model, {"other": torch.zeros(1)}, {"other": torch.ones(1)}, "nothing")


def test_the_logits_tell_whether_gradients_are_recorded(work: Student) -> None:
    plan = Plan(3)
    model = plan.model(work.probe)
    model.eval()
    x = plan.inputs
    apart = with_gradients(model.forward, x) - model.forward(x)
    assert torch.allclose(apart, apart[:1].expand_as(apart), atol=1e-5)
    assert apart.abs().min() > 1e-3


def test_in_turn_keeps_what_is_left_behind_and_then_restores_it(work: Student) -> None:
    calls = [[work.recorded.value(), []], [work.off.value(), []], [work.recorded.value(), []]]
    assert work.probe("in_turn", calls) == [True, None, False]
    assert work.probe("in_turn", calls[:1]) == [True]


def test_gradients_left_off_are_seen(work: Student) -> None:
    expect_recording(work, work.recorded, [])
    with pytest.raises(CheckFailed, match="After off gradients are no longer recorded"):
        expect_recording(work, work.off, [])


def test_gradients_are_set_and_read(work: Student) -> None:
    model = work.probe("linear", torch.ones(1, 2))
    assert work.probe("gradients", model) == {"weight": None}
    work.probe("set_gradients", model, {"weight": torch.tensor([[3.0, 4.0]])})
    assert work.probe("gradients", model)["weight"].tolist() == [[3, 4]]


def test_an_interruption(work: Student) -> None:
    plan = Plan(4, count=8, batch_size=4)
    model, _, criterion, optimizer = plan.all(work.probe)
    loader = work.probe("interrupted_loader", plan.inputs, plan.labels, 4, 3)
    with_gradients(work.train, model, loader, criterion, optimizer)
    with pytest.raises(StudentError, match="interrupted here, on purpose") as caught:
        with_gradients(work.train, model, loader, criterion, optimizer)
    assert "Interrupted" in caught.value.types


def test_what_there_is_not(work: Student) -> None:
    with pytest.raises(StudentError, match="KeyError: 'rocket'"):
        work.probe("rocket")
    with pytest.raises(StudentError, match=r"^training a rocket raised|KeyError") as caught:
        work.probe("rocket", doing="training a rocket")
    assert caught.value.doing == "training a rocket"
    assert work.probe("exists", "nothing.pt") is False


def test_numbers_of_numpy_are_numbers(work: Student) -> None:
    found = work.numbers()
    assert (found["float"], found["int"], found["bool"]) == (0.5, 3, True)
    assert [type(found[key]) for key in ("float", "int", "bool")] == [float, int, bool]
    assert found["long"].type == "longdouble"  # no number of Python's: it stays there
