"""What a process that audits keeps from one case to the next: a warm worker's template, the oracle, the data."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from grader import datasets
from grader.assignment import Assignment
from grader.audit import oracle
from grader.checks.declare import CheckSpec
from grader.datasets import Dataset
from grader.judge.context import Kept
from grader.judge.grade import grade, validate
from grader.judge.plugin import by_prerequisites
from grader.judge.workers import Workers
from grader.result import FAILURES, Result
from grader.submission import Submission

_kept: dict[str, Warm] = {}


@dataclass
class Tried:
    """What running one check on wrong cases has cost and brought so far."""

    runs: int = 0
    caught: int = 0
    seconds: float = 0.0

    def promise(self) -> float:
        """Cases caught for a second of it, as far as one knows.

        >>> Tried(10, 9, 2.0).promise() > Tried(10, 9, 20.0).promise() > Tried(10, 1, 20.0).promise()
        True
        """
        each = self.seconds / self.runs if self.runs else 0.05
        return (self.caught + 1) / (self.runs + 2) / max(each, 0.005)


@dataclass
class Warm:
    """For one assignment. The solution and its edits are trusted code, so there is no sandbox."""

    assignment: Assignment
    tried: dict[str, Tried] = field(default_factory=dict)

    @staticmethod
    def of(assignment: Assignment) -> Warm:
        """This process's."""
        return _kept.setdefault(str(assignment.folder), Warm(assignment))

    @cached_property
    def oracle(self) -> oracle.Oracle:
        """What tells whether an edited solution is still right."""
        return oracle.load(self.assignment)

    @cached_property
    def _digits(self) -> Dataset:
        return datasets.for_assignment(self.assignment, Path("digits"))

    @cached_property
    def checks(self) -> dict[str, CheckSpec]:
        """The checks by name, each after those it requires; they are read, not run."""
        specs = {outcome.spec.name: outcome.spec for outcome in validate(self.assignment)}
        order = by_prerequisites({name: spec.requires for name, spec in specs.items()})
        return {name: specs[name] for name in order}

    @cached_property
    def _workers(self) -> Workers:
        workers = Workers(preload=self.assignment.settings.preload)
        atexit.register(workers.close)
        return workers

    @cached_property
    def _answers(self) -> Kept:
        kept = Kept(self.assignment)
        atexit.register(kept.close)
        return kept

    def told(self, caught: Sequence[str]) -> list[str]:
        """Those of the ``caught`` checks that fail in a student's report: nothing they require has failed there."""
        failed: set[str] = set()
        found = []
        for name, spec in self.checks.items():
            waits = not failed.isdisjoint(spec.requires)
            if waits or name in caught:
                failed.add(name)
            if name in caught and not waits:
                found.append(name)
        return found

    def promising(self) -> list[str]:
        """The checks, those first that are likely to catch a wrong case soon."""
        return sorted(self.checks, key=lambda name: -self.tried.setdefault(name, Tried()).promise())

    def grade(self, handed_in: Submission, **options: Any) -> Result:
        """`grader.judge.grade.grade`, on the embedded digits."""
        options |= {"data": self._digits, "threads": 1, "kept": self._answers}
        return grade(self.assignment, handed_in, self._workers, **options)

    def note(self, result: Result) -> None:
        """Learn from what became of a wrong case."""
        for test in result.tests:
            if test.extra_data.status != "blocked":
                tried = self.tried.setdefault(test.extra_data.check, Tried())
                tried.runs += 1
                tried.seconds += test.extra_data.seconds
                tried.caught += test.extra_data.status in FAILURES
