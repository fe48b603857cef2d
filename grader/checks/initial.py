"""Initial weights: which law they were drawn from.

expect_normal(state["conv.weight"], 0.01, "conv.weight")
expect_value(state["conv.bias"], 0, "conv.bias")
"""

from __future__ import annotations

from typing import Any

import torch

from grader.checks.architecture import expect_tensor
from grader.language import gettext
from grader.student import CheckFailed


def expect_normal(value: Any, std: float, what: str) -> None:
    """``value`` (of at least some thousand numbers) can have been drawn from a normal law with mean 0 and ``std``.

    Mean and standard deviation may be off by seven standard errors: std / sqrt(n) and std / sqrt(2 n) for n numbers.
    Beyond 2.5 std lies 1.24 % of a normal law; three times as much is refused, and a third.

    Raises:
        CheckFailed: it cannot.

    >>> expect_normal(torch.randn(10_000) * 0.01, 0.01, "fc.weight")
    >>> expect_normal(torch.zeros(10_000), 0.01, "fc.weight")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: fc.weight: the weights have mean 0.0000 and std 0.0000.
    """
    numbers = expect_tensor(value, what).double()
    mean, actual = numbers.mean().item(), numbers.std().item()
    error = 7 * std / numbers.numel() ** 0.5
    if not (abs(actual - std) <= error / 2**0.5 and abs(mean) <= error):
        raise CheckFailed(
            gettext("{what}: the weights have mean {mean:.4f} and std {actual:.4f}.").format(
                what=what, mean=mean, actual=actual
            ),
            expected=gettext("mean 0, std {std:.4f}").format(std=std),
            actual=gettext("mean {mean:.4f}, std {actual:.4f}").format(mean=mean, actual=actual),
        )
    beyond = (numbers.abs() > 2.5 * std).double().mean().item()
    if not 0.004 < beyond < 0.037:
        raise CheckFailed(
            gettext("{what}: the weights are not normally distributed.").format(what=what),
            expected=gettext("a normal distribution"),
        )


def expect_uniform(value: Any, bound: float, what: str, drawn: int | None = None) -> None:
    """``value`` (of at least some thousand numbers) can have been drawn uniformly from within ``bound`` of 0.

    The standard deviation of such numbers is bound / sqrt(3); that of n of them may be off by seven standard errors of
    0.45 / sqrt(n) of it each. The largest is within 1 % of the bound: of 5,000 numbers it is beyond with probability
    1 - 0.99 ** 5000.

    Args:
        drawn: how many numbers were drawn at most, and then repeated (see `grader.student.call`); by default all.

    Raises:
        CheckFailed: it cannot.

    >>> expect_uniform(torch.rand(10_000) * 2 - 1, 1.0, "fc.weight")
    >>> expect_uniform(torch.zeros(10_000), 1.0, "fc.weight")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: fc.weight: std 0.0000, largest 0.0000: the weights are not as asked for.
    """
    numbers = expect_tensor(value, what).double()
    largest, actual, std = numbers.abs().max().item(), numbers.std().item(), bound / 3**0.5
    error = 7 * 0.45 * std / min(numbers.numel(), drawn or numbers.numel()) ** 0.5
    if not (0.99 < largest / bound < 1.0001 and abs(actual - std) <= error):
        raise CheckFailed(
            gettext("{what}: std {actual:.4f}, largest {largest:.4f}: the weights are not as asked for.").format(
                what=what, actual=actual, largest=largest
            ),
            expected=gettext("uniform, std {std:.4f}, the largest {largest:.4f}").format(std=std, largest=bound),
        )


def expect_value(value: Any, number: float, what: str) -> None:
    """``value`` holds ``number`` everywhere.

    Raises:
        CheckFailed: it does not.

    >>> expect_value(torch.zeros(3), 0, "fc.bias")
    """
    tensor: torch.Tensor = expect_tensor(value, what)
    if not (tensor == number).all():
        raise CheckFailed(
            gettext("{what} is not {number} everywhere.").format(what=what, number=number), expected=str(number)
        )
