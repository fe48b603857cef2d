"""Charts of an assignment's own: its pictures.py asks a student's functions for numbers, and says how to show them.

Each function of pictures.py that takes ``student`` alone is a picture, named after it, and returns the charts in it:

    def rates(student):
        values = [number(student.learning_rate(0.9, epoch), "learning_rate") for epoch in range(60)]
        return [Chart("learning_rate(0.9, epoch)", "epoch", "learning rate", {"": (range(60), values)}, steps=True)]
"""

from __future__ import annotations

import importlib.util
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.assignment import Assignment
from grader.checks.values import expect_number
from grader.language import gettext
from grader.student import CheckFailed, Student

FILE = "pictures.py"  # beside assignment.toml; the instructor's, and public


@dataclass(frozen=True)
class Chart:
    """Lines by their names, each a pair of equally long (xs, ys).

    Attributes:
        most: where the y axis ends; it begins at 0.
        steps: a value holds until the next one.
        marks: points with their names.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    most: float
    steps: bool = False
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def number(value: Any, what: str) -> float:
    """What a student's function gives, where it can be drawn.

    Raises:
        CheckFailed: it is no number, or not a finite one.

    >>> number(3, "f()")
    3.0
    >>> number(float("nan"), "f()")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: f() gives nan; a finite number is expected.
    """
    found = expect_number(value, what)
    try:
        drawn = float(found)
    except OverflowError:
        drawn = math.inf
    if not math.isfinite(drawn):
        raise CheckFailed(gettext("{what} gives {drawn}; a finite number is expected.").format(what=what, drawn=drawn))
    return drawn


def of(assignment: Assignment) -> dict[str, Callable[[Student], list[Chart]]]:
    """The assignment's pictures by their names; none where it has no pictures.py."""
    path = assignment.folder / FILE
    if not path.is_file():
        return {}
    return {
        name: value
        for name, value in vars(_imported(path)).items()
        if inspect.isfunction(value) and list(inspect.signature(value).parameters) == ["student"]
    }


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"grader_pictures_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
