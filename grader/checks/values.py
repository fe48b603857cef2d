"""Values: plain numbers that a student's function returns, and what a network costs, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

from grader.language import gettext, ngettext
from grader.student import CheckFailed, Remote
from grader.tracing import Watching


def expect_number(value: Any, what: str) -> float:
    """``value`` as a number.

    Raises:
        CheckFailed: it is something else; a tensor, too.

    >>> expect_number(3, "f()"), expect_number(0.5, "f()")
    (3, 0.5)
    >>> expect_number("3", "f()")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: f() gives a str; a number is expected.
    """
    if type(value) in (int, float):
        return value  # type: ignore[no-any-return]
    if value is None:
        raise CheckFailed(
            gettext("{what} gives None. Is a return missing?").format(what=what),
            expected=gettext("a number"),
            actual="None",
        )
    kind = value.type if isinstance(value, Remote) else type(value).__name__
    remedy = gettext(" Take its .item().") if isinstance(value, torch.Tensor) else ""
    raise CheckFailed(
        gettext("{what} gives a {kind}; a number is expected.{remedy}").format(what=what, kind=kind, remedy=remedy),
        expected=gettext("a number"),
        actual=kind,
    )


def expect_numbers(value: Any, names: Sequence[str], what: str) -> list[float]:
    """``value`` as a tuple or list of numbers, one for each of ``names``.

    Raises:
        CheckFailed: another type or another length.

    >>> expect_numbers((1, 2), ["width", "height"], "size()")
    [1, 2]
    >>> expect_numbers([1], ["width", "height"], "size()")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: size() gives 1 value; 2 are expected: (width, height).
    """
    wanted = f"({', '.join(names)})"
    if not isinstance(value, (tuple, list)):
        kind = "None" if value is None else value.type if isinstance(value, Remote) else type(value).__name__
        raise CheckFailed(
            gettext("{what} gives {kind}; a tuple is expected: {wanted}.").format(what=what, kind=kind, wanted=wanted),
            expected=wanted,
            actual=kind,
        )
    if len(value) != len(names):
        count = ngettext("{count} value", "{count} values", len(value)).format(count=len(value))
        raise CheckFailed(
            gettext("{what} gives {count}; {expected} are expected: {wanted}.").format(
                what=what, count=count, expected=len(names), wanted=wanted
            ),
            expected=wanted,
        )
    return [expect_number(item, f"{what}: {name}") for item, name in zip(value, names, strict=True)]


def expect_equal(value: Any, expected: float, what: str, tolerance: float = 0.0) -> None:
    """``value`` is the number ``expected``, up to ``tolerance`` (absolute).

    Raises:
        CheckFailed: no number, or another one.

    >>> expect_equal(3.0, 3, "f()")
    >>> expect_equal(2_000, 3_000, "f()")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: f() gives 2,000; 3,000 is expected.
    """
    number = expect_number(value, what)
    if not abs(number - expected) <= tolerance:
        raise CheckFailed(
            gettext("{what} gives {number}; {expected} is expected.").format(
                what=what, number=_shown(number), expected=_shown(expected)
            ),
            expected=expected,
            actual=number,
        )


class _Counter(Watching):
    """Counts operations by torch's own formulas, as its FlopCounterMode does, which imports torch's compiler."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.count += formula(*args, **(kwargs or {}), out_val=output)
        return output


def cost(module: nn.Module, x: torch.Tensor) -> tuple[int, int]:
    """(multiply-adds, parameters) of the trusted ``module``, the former counted in a forward run on ``x``.

    torch counts two operations for each multiply-add, and none for biases and activations.

    >>> cost(nn.Conv2d(3, 8, 5, padding=2), torch.zeros(1, 3, 10, 10))
    (60000, 608)
    """
    with _Counter() as counter, torch.no_grad():
        module(x)
    return counter.count // 2, sum(parameter.numel() for parameter in module.parameters())


def _shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"
