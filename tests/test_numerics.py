"""grader.checks.numerics: calibrated weights, tolerance, and the place where two functions part."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from live import student
from torch import nn

from grader.checks.architecture import expect_module
from grader.checks.numerics import (
    TOLERANCE,
    GradientDiffers,
    difference,
    expect_fresh,
    expect_gradients_in_training,
    expect_same_function,
    expect_same_gradient,
    nearby,
    parameter,
    same,
)
from grader.checks.weights import calibrate, give_weights
from grader.student import CheckFailed, Remote, Student

SOURCE = """
import torch
from torch import nn

def build(padding=1, pool=nn.MaxPool2d, norm=nn.BatchNorm2d, last=nn.Linear):
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=padding), norm(4), nn.ReLU(), pool(2), nn.Flatten(), last(64, 2)
    )

class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = build()

    def forward(self, x):
        return self.inner(x)

class Seeded(Wrapped):
    def __init__(self):
        torch.manual_seed(1)
        super().__init__()

ONE = build()

class Sharing(Wrapped):
    def __init__(self):
        super().__init__()
        self.inner = ONE

class Reset(Sharing):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        for layer in self.inner:
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()

class Bare(nn.Module):
    "A convolution of 3 x 3, its bias first, its weight as a matrix."
    def __init__(self, kernels=5):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(kernels))
        self.w = nn.Parameter(torch.zeros(kernels, 27))

    def forward(self, x):
        return nn.functional.conv2d(x, self.w.view(-1, 3, 3, 3), self.b)

class Crossed(Bare):
    def forward(self, x):
        return nn.functional.conv2d(x, self.w.view(-1, 3, 3, 3).transpose(2, 3), self.b)

class InPlace(Wrapped):
    def forward(self, x):
        return self.inner(x.add_(0))

class Cut(Wrapped):
    def forward(self, x):
        return self.inner[5](self.inner[:5](x).detach())

class NanGradient(Wrapped):
    def forward(self, x):
        return self.inner(x) + (self.inner[0].bias * 0).sqrt().sum() * 0

class Counting(Wrapped):
    calls = 0
    def forward(self, x):
        self.calls += 1
        return self.inner(x) * self.calls

class Nan(Wrapped):
    def forward(self, x):
        return self.inner(x) / 0 * 0

def reflecting():
    model = build()
    model[0].padding_mode = "reflect"
    model[0]._reversed_padding_repeated_twice = [1, 1, 1, 1]
    return model

def average():
    return build(pool=nn.AvgPool2d)

def momentum():
    return build(norm=lambda width: nn.BatchNorm2d(width, momentum=0.01))

def wide():
    return build(last=lambda old, new: nn.Linear(old, 3))

def double():
    return build().double()

def widened():
    return nn.Sequential(*build(), Widen())

class Widen(nn.Module):
    def forward(self, x):
        return x.double()

def scripted():
    return torch.jit.script(build())

class CutInTraining(Wrapped):
    def forward(self, x):
        x = self.inner[:5](x)
        return self.inner[5](x.detach() if self.training else x)

class NanInTraining(Wrapped):
    def forward(self, x):
        x = self.inner(x)
        return x + (self.inner[0].bias * 0).sqrt().sum() * 0 if self.training else x
"""
X = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def original() -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 2)
    )
    calibrate(model, X, 1)
    return model


@pytest.fixture(scope="module")
def work() -> Iterator[Student]:
    with student(SOURCE) as started:
        yield started


def made(work: Student, name: str) -> Remote:
    """A model of the student's with the original's weights."""
    return give_weights(expect_module(getattr(work, name)(), f"{name}()"), original())


def test_calibrated_activations_neither_vanish_nor_explode() -> None:
    layers = [layer for _ in range(20) for layer in (nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())]
    model = nn.Sequential(nn.Conv2d(3, 8, 3), *layers, nn.Flatten(), nn.Linear(8 * 36, 10))
    found = calibrate(model, X, 3)
    assert found is model
    assert not model.training
    for step in range(1, len(model)):
        assert 0.1 < model[:step](X).std() < 10, step


def test_running_statistics_are_those_of_the_batch() -> None:
    model = original()
    before_norm = model[0](X)
    assert torch.allclose(model[1].running_mean, before_norm.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(model[1].running_var, before_norm.var((0, 2, 3)), atol=1e-5)
    after = model[1](before_norm)
    assert torch.allclose(after.mean((0, 2, 3)), model[1].bias, atol=1e-4)
    assert torch.allclose(after.std((0, 2, 3)), model[1].weight, atol=1e-3)
    assert model[1].momentum == 0.1


def test_every_layer_matters_under_calibrated_weights() -> None:
    model = original()
    assert all(value.abs().max() > 0.01 for value in model.parameters())
    assert (model[1].running_mean.abs() > 1e-3).all()
    expected = model(X)
    for name, value in model.named_parameters():
        kept = value.detach().clone()
        value.data *= 1.1
        assert not same(model(X), expected), name
        value.data = kept


def test_the_seed_decides_and_torchs_own_numbers_go_on_undisturbed() -> None:
    def weights(seed: int) -> torch.Tensor:
        model = calibrate(nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.BatchNorm1d(3)), torch.randn(9, 4), seed)
        return model[0].weight.detach()

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    model = nn.Sequential(nn.Dropout(), nn.Linear(4, 3))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    calibrate(model, torch.zeros(2, 4), 1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("scale", [1e-3, 1, 1e6])
def test_the_tolerance_is_relative_to_the_spread(scale: float) -> None:
    expected = torch.randn(1000, generator=torch.Generator().manual_seed(1)) * scale
    assert same(expected + 0.5 * TOLERANCE * scale, expected)
    assert not same(expected + 2 * TOLERANCE * scale, expected)


def test_what_is_never_the_same() -> None:
    expected = torch.tensor([1.0, 2.0])
    for actual in (None, [1.0, 2.0], torch.tensor([1, 2]), torch.tensor([[1.0, 2.0]]), torch.tensor([1.0, 2.0, 3.0])):
        assert not same(actual, expected)
    assert difference(torch.tensor([1.0, float("inf")]), expected) == float("inf")
    assert difference(torch.tensor([1.0, float("nan")]), expected) == float("inf")
    assert difference(torch.empty(0, 3), torch.empty(0, 3)) == 0
    assert same(torch.ones(3), torch.ones(3))  # no spread at all
    assert not same(torch.ones(3) + 1e-3, torch.ones(3))
    assert same(expected.double(), expected)


@pytest.mark.parametrize("name", ["build", "Wrapped"])
@pytest.mark.parametrize("training", [False, True])
def test_the_same_function_under_other_names(work: Student, name: str, training: bool) -> None:
    model = made(work, name)
    expect_same_gradient(model, original(), X, training=training)
    expect_same_function(model, original(), [X, X[:2]], training=training)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("average", "3 (AvgPool2d) is the first module whose output differs: look at its type"),
        ("reflecting", "0 (Conv2d) is the first module whose output differs: its padding_mode is reflect"),
        ("InPlace", "changes its input in place"),
        ("Counting", "gives another output when it is called again"),
        ("Nan", "gives nan or infinity"),
    ],
)
def test_another_function(work: Student, name: str, said: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        expect_same_function(made(work, name), original(), [X])
    assert said in caught.value.message


def test_other_running_statistics(work: Student) -> None:
    model = made(work, "momentum")
    expect_same_function(model, original(), [X])
    with pytest.raises(CheckFailed, match=r"1\.running_mean of .* is not what batch normalisation keeps"):
        expect_same_function(model, original(), [2 * X + 1], training=True)


def test_a_cut_gradient(work: Student) -> None:
    model = made(work, "Cut")
    expect_same_function(model, original(), [X])
    with pytest.raises(CheckFailed, match=r"gradient of .* at its input is missing: something cuts the graph"):
        expect_same_gradient(model, original(), X)


def test_a_gradient_that_is_nan(work: Student) -> None:
    model = made(work, "NanGradient")
    expect_same_function(model, original(), [X])
    with pytest.raises(CheckFailed, match=r"gradient of .* is nan or infinite"):
        expect_same_gradient(model, original(), X)


def test_weights_that_do_not_correspond(work: Student) -> None:
    with pytest.raises(CheckFailed, match=r"the parameter 5\.weight has shape \(3, 64\); \(2, 64\) is expected"):
        made(work, "wide")
    with pytest.raises(CheckFailed, match="has 6 parameter tensors; 4 are expected"):
        give_weights(expect_module(work.build(), "build()"), original()[:2])


@pytest.mark.parametrize(
    ("failing", "asked", "passes"),
    [
        ((), 1, True),
        ((0,), 3, True),
        ((0, 2), 4, True),
        ((0, 1, 2, 3, 4), 7, True),
        ((0, 1, 2, 3, 4, 5), 6, False),
        ((0, 1, 3, 4, 5, 6), 7, False),
    ],
)
def test_gradients_may_differ_where_a_relu_is_at_its_kink(failing: tuple[int, ...], asked: int, passes: bool) -> None:
    inputs: list[torch.Tensor] = []

    def compare(x: torch.Tensor) -> None:
        inputs.append(x)
        if len(inputs) - 1 in failing:
            raise GradientDiffers("another gradient")

    if passes:
        nearby(compare, torch.zeros(3))
    else:
        with pytest.raises(GradientDiffers):
            nearby(compare, torch.zeros(3))
    assert len(inputs) == asked
    assert len({tuple(x.tolist()) for x in inputs}) == asked


@pytest.mark.parametrize("at", [0, 1, 2])
def test_whatever_else_is_wrong_is_wrong_at_once(at: int) -> None:
    asked = []

    def compare(x: torch.Tensor) -> None:
        asked.append(x)
        if len(asked) - 1 == at:
            raise CheckFailed("another output")
        if len(asked) == 1:
            raise GradientDiffers("another gradient")

    with pytest.raises(CheckFailed, match="another output"):
        nearby(compare, torch.zeros(3))
    assert len(asked) == at + 1


def test_a_difference_is_measured_on_the_scale_of_what_is_compared() -> None:
    """Of one value, or of equal ones, the standard deviation is 0: float32 rounds them by more than 0."""
    rounded = torch.tensor([0.3]) * (1 + 2**-20)
    assert same(rounded, torch.tensor([0.3]))
    assert not same(torch.tensor([0.3001]), torch.tensor([0.3]))
    assert not same(torch.tensor([1e-5, -1e-5]), torch.tensor([2e-5, -2e-5]))
    assert same(torch.tensor([1e-7]), torch.tensor([0.0]), scale=1.0)
    assert not same(torch.tensor([1e-2]), torch.tensor([0.0]), scale=1.0)


def test_the_same_start_is_no_sharing(work: Student) -> None:
    key = "inner.0.weight"
    expect_fresh(work.Wrapped(), work.Wrapped(), [key])
    expect_fresh(work.Seeded(), work.Seeded(), [key], drawn=False)
    with pytest.raises(CheckFailed, match="set no seed"):
        expect_fresh(work.Seeded(), work.Seeded(), [key])
    for build in (work.Sharing, work.Reset):
        with pytest.raises(CheckFailed, match="share their"):
            expect_fresh(build(), build(), [key], drawn=False)


def test_weights_in_another_order_and_form(work: Student) -> None:
    x = torch.randn(2, 3, 6, 7)
    convolution = calibrate(nn.Conv2d(3, 5, 3), x, 1)
    bare = give_weights(work.Bare(), convolution)
    expect_same_function(bare, convolution, [x])
    expect_same_gradient(bare, convolution, x)
    with pytest.raises(CheckFailed, match="Crossed"):
        expect_same_function(give_weights(work.Crossed(), convolution), convolution, [x])
    with pytest.raises(CheckFailed, match="has shape"):
        give_weights(work.Bare(4), convolution)


def test_an_output_of_another_precision(work: Student) -> None:
    reference = original()
    mine = give_weights(expect_module(work.widened(), "widened()"), reference)
    with pytest.raises(CheckFailed, match=r"float64; torch\.float32 is expected"):
        expect_same_function(mine, reference, [X])


def test_another_output_the_second_time(work: Student) -> None:
    """It is asked for unless the check leaves it to another."""
    reference = original()
    mine = give_weights(expect_module(work.Counting(), "Counting()"), reference)
    with pytest.raises(CheckFailed, match="again with the same input"):
        expect_same_function(mine, reference, [X])
    mine = give_weights(expect_module(work.Counting(), "Counting()"), reference)
    expect_same_function(mine, reference, [X], again=False)


def test_gradients_in_train_mode(work: Student) -> None:
    expect_gradients_in_training(expect_module(work.Wrapped(), "Wrapped()"), X, 2)
    for name, said in (("CutInTraining", r"inner\.0\.weight .*no gradient"), ("NanInTraining", r"inner\.0\.bias")):
        mine = expect_module(getattr(work, name)(), name)
        with pytest.raises(CheckFailed, match=f"In train mode {said}"):
            expect_gradients_in_training(mine, X, 2)


def test_what_is_frozen_needs_no_gradient_in_train_mode(work: Student) -> None:
    mine = expect_module(work.CutInTraining(), "CutInTraining()")
    mine.inner.requires_grad_(False)
    mine.inner.get_submodule("5").requires_grad_(True)
    expect_gradients_in_training(mine, X, 2)


def test_parameters_of_scripted_networks(work: Student) -> None:
    """Which have no get_parameter."""
    for name in ("build", "scripted"):
        assert parameter(expect_module(getattr(work, name)(), name), "0.weight").shape == (4, 3, 3, 3)
