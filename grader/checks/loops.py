"""Training loops: what a student's functions make of a model, a loader and an optimizer that they are given.

model = student.probe("model", 6, 4, shift, weights)
loss = with_gradients(student.train_one_epoch, model, loader, criterion, optimizer)
expect_weights(model, expected, weights, "train_one_epoch")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from grader import probes
from grader.checks.numerics import same
from grader.checks.values import expect_equal, expect_number, expect_numbers
from grader.language import gettext
from grader.student import CheckFailed, Remote, Student, call
from grader.student.remote import Path

# Largest difference allowed, relative to how far the weights have moved. float32 summed in another order stays below
# 1e-4 over the few steps of a check; what is done in another order, or left out, is above 1e-2.
TOLERANCE = 2e-3
# Of a mean loss, relative; summed in float32 it may lose some digits.
LOSS_TOLERANCE = 1e-4

Make = Callable[..., Any]


@dataclass(frozen=True)
class Plan:
    """Something to train: weights and data drawn from a seed, how they are batched, and by what they are trained.

    Attributes:
        count, batch_size: samples in all and in a batch; where they do not divide, the last batch is smaller.
        optimizer, options: a name in torch.optim, and what it is given beside the parameters and their ``rates``.
        criterion, criterion_options: a name in torch.nn, and what it is given.
    """

    seed: int
    count: int = 11
    batch_size: int = 4
    features: int = 5
    classes: int = 7
    rates: tuple[float, ...] = (0.1,)
    optimizer: str = "SGD"
    options: tuple[tuple[str, Any], ...] = (("momentum", 0.9),)
    criterion: str = "CrossEntropyLoss"
    criterion_options: tuple[tuple[str, Any], ...] = ()

    def draw(self, *shape: int, salt: int) -> torch.Tensor:
        """Normal numbers: float32, of ``shape``."""
        return torch.randn(*shape, generator=torch.Generator().manual_seed(self.seed * 100 + salt))

    def weights(self, salt: int = 0) -> dict[str, torch.Tensor]:
        """A state_dict for `probes.model`; another ``salt`` gives others. Not to be changed: they are kept."""
        return dict(self._weights(salt))

    @lru_cache(maxsize=8)  # noqa: B019  asked for again and again by one example, which is over soon
    def _weights(self, salt: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 100 + 50 + salt)
        state = probes.Model(self.features, self.classes, torch.zeros(2, self.classes)).state_dict()
        drawn = {}
        for key, value in state.items():
            if not value.is_floating_point():
                drawn[key] = value
            elif key == "norm.running_var":
                drawn[key] = 0.5 + torch.rand(value.shape, generator=generator)
            elif key == "norm.weight":
                drawn[key] = 1 + 0.2 * torch.randn(value.shape, generator=generator)
            else:
                drawn[key] = 0.5 * torch.randn(value.shape, generator=generator)
        return drawn

    @property
    def inputs(self) -> torch.Tensor:
        """(count, features), float32."""
        return self.draw(self.count, self.features, salt=0)

    @property
    def labels(self) -> torch.Tensor:
        """(count,), int64."""
        return self.draw(self.count, self.classes, salt=1).argmax(1)

    def model(self, make: Make, weights: Mapping[str, torch.Tensor] | None = None) -> Any:
        """A `probes.Model`; ``make`` is `probes.make` or a student's `probe`."""
        shift = 2 * self.draw(2, self.classes, salt=2)
        return make("model", self.features, self.classes, shift, dict(weights or self.weights()))

    def loader(self, make: Make) -> Any:
        return make("loader", self.inputs, self.labels, self.batch_size)

    def loss(self, make: Make) -> Any:
        return make("criterion", self.criterion, **dict(self.criterion_options))

    def optimizer_of(self, make: Make, model: Any) -> Any:
        return make("optimizer", model, self.optimizer, list(self.rates), **dict(self.options))

    def all(self, make: Make, weights: Mapping[str, torch.Tensor] | None = None) -> tuple[Any, Any, Any, Any]:
        """(model, loader, criterion, optimizer), as train_one_epoch takes them."""
        model = self.model(make, weights)
        return model, self.loader(make), self.loss(make), self.optimizer_of(make, model)


def with_gradients(path: Path, *args: Any, **kwargs: Any) -> Any:
    """Call a student's function with gradients enabled, as a program does."""
    return call(path, *args, grad=True, **kwargs).result


def state_of(model: Remote) -> dict[str, torch.Tensor]:
    """The state_dict of a model that was given to the student's code.

    Raises:
        CheckFailed: it is no dictionary of tensors any more.
    """
    state = model.state_dict()
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckFailed(gettext("The model's state_dict is not one of tensors any more."))
    return state


def expect_weights(
    model: Remote, expected: Mapping[str, torch.Tensor], before: Mapping[str, torch.Tensor], what: str
) -> None:
    """The model's weights and statistics are ``expected``, up to a small part of their way from ``before``.

    Raises:
        CheckFailed: naming the first that is not.
    """
    state = state_of(model)
    for key, wanted in expected.items():
        actual = state.get(key)
        if actual is None or actual.shape != wanted.shape or actual.dtype != wanted.dtype:
            raise CheckFailed(gettext("{what} leaves the model without its {key}.").format(what=what, key=key))
        allowed = TOLERANCE * (wanted - before[key]).abs().max().item() if wanted.is_floating_point() else 0.0
        found = (actual - wanted).abs().max().item()
        if not found <= allowed + 1e-6:
            moved = (
                gettext("it is what it was")
                if torch.equal(actual, before[key])
                else gettext("it has become something else")
            )
            raise CheckFailed(
                gettext("{what}: the model's {key} is not what it should be now; {moved}.").format(
                    what=what, key=key, moved=moved
                ),
                actual=key,
            )


def expect_modes(student: Student, model: Remote, training: bool, what: str) -> None:
    """All of the model is in train mode, or all of it in eval mode.

    Raises:
        CheckFailed: some module is not.
    """
    modes = student.probe("modes", model)
    wrong = [name for name, mode in modes.items() if mode is not training] if isinstance(modes, dict) else [""]
    if wrong:
        mode, other = ("train", "eval") if training else ("eval", "train")
        if wrong[0]:
            said = gettext("{what} leaves the model so that its {part} is in {other} mode; {mode} mode is expected.")
        else:
            said = gettext("{what} leaves the model so that it is in {other} mode; {mode} mode is expected.")
        raise CheckFailed(said.format(what=what, part=wrong[0], other=other, mode=mode))


def expect_rates(student: Student, optimizer: Remote, expected: list[float], what: str) -> None:
    """The learning rates of the optimizer's groups are ``expected``.

    Raises:
        CheckFailed: another rate, or other groups.
    """
    rates = student.probe("rates", optimizer)
    found = expect_numbers(
        rates, [gettext("group {number}").format(number=number) for number in range(len(expected))], what
    )
    for actual, wanted in zip(found, expected, strict=True):
        expect_equal(actual, wanted, what, tolerance=1e-6 * wanted)


def expect_recording(student: Student, function: Path, args: list[Any]) -> None:
    """After ``function(*args)`` gradients are recorded, if they were before (`probes.recorder`).

    Raises:
        CheckFailed: they are not.
    """
    off = torch.rand(1).item()
    on = off + 1
    recorder = student.probe("recorder", torch.tensor([off, on]))
    found = student.probe("in_turn", [[function.value(), args], [recorder, []]], doing=str(function))
    if not isinstance(found, list) or not same(found[-1], torch.tensor(on)):
        said = gettext("After {function} gradients are no longer recorded: use `with torch.no_grad():`.")
        raise CheckFailed(said.format(function=function))


def expect_object(value: Any, what: str) -> Remote:
    """``value`` as an object of the student's, of whatever class.

    Raises:
        CheckFailed: it is plain data, or None.
    """
    if isinstance(value, Remote):
        return value
    if value is None:
        said = gettext("{what} gives None. Is a return missing?")
    else:
        said = gettext("{what} gives a {kind}.")
    raise CheckFailed(said.format(what=what, kind=type(value).__name__), actual=type(value).__name__)


def expect_loss(value: Any, expected: float, what: str) -> None:
    """``value`` is the mean loss ``expected``.

    Raises:
        CheckFailed: no number, or another one.
    """
    number = expect_number(value, what)
    if not abs(number - expected) <= LOSS_TOLERANCE * max(1.0, abs(expected)):
        raise CheckFailed(
            gettext("{what} gives {number:.6g}; {expected:.6g} is expected.").format(
                what=what, number=number, expected=expected
            ),
            expected=expected,
            actual=number,
        )
