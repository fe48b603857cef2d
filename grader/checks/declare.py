"""`@check`: makes a pytest test function a check with points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
ATTRIBUTE = "__grader_check__"


@dataclass(frozen=True)
class CheckSpec:
    """What `check` was given; ``title`` is the docstring's first line."""

    name: str
    title: str
    points: float
    hint: str
    requires: tuple[str, ...]
    seconds: float | None


def check(
    points: float, *, hint: str = "", requires: Sequence[str] = (), seconds: float | None = None
) -> Callable[[Function], Function]:
    """Declare a check. Put it above ``@given`` where there is one.

    Args:
        points: what it is worth; all checks of an assignment add up to its ``points``.
        hint: what a student whose code fails may try.
        requires: names of checks (without ``test_``) that must pass first; else this one is blocked.
        seconds: its wall-clock limit, where the assignment's is not right.

    Raises:
        TypeError: the function has no docstring, or its name does not begin with ``test_``.

    >>> @check(points=5, hint="Count the channels.", requires=["shape"])
    ... def test_parameters(student):
    ...     "vgg16 has 14,983,498 parameters"
    >>> getattr(test_parameters, ATTRIBUTE).title
    'vgg16 has 14,983,498 parameters'
    """

    def declare(function: Function) -> Function:
        name = function.__name__
        if not name.startswith("test_"):
            raise TypeError(f"{name}: a check's name begins with test_")
        lines = (function.__doc__ or "").strip().splitlines()
        if not lines:
            raise TypeError(f"{name}: a check needs a docstring; its first line is what the student reads")
        spec = CheckSpec(name.removeprefix("test_"), lines[0].strip(), points, hint, tuple(requires), seconds)
        setattr(function, ATTRIBUTE, spec)
        return function

    return declare
