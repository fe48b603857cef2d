"""What a process that audits keeps from one case to the next: a warm worker's template, the oracle, the data."""

from __future__ import annotations

import atexit
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from grader import datasets
from grader.assignment import Assignment
from grader.audit import oracle
from grader.datasets import Dataset
from grader.judge.grade import grade, validate
from grader.judge.workers import Workers
from grader.result import Result, TestResult
from grader.submission import Submission

_kept: dict[str, Warm] = {}


@dataclass
class Warm:
    """For one assignment. The solution and its edits are trusted code, so there is no sandbox."""

    assignment: Assignment

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

    def check_names(self) -> list[str]:
        """The names of the checks; they are read, not run."""
        return [outcome.spec.name for outcome in validate(self.assignment, _workers())]

    def grade(self, handed_in: Submission, known: Iterable[TestResult], **options: Any) -> Result:
        """`grader.judge.grade.grade`, on the embedded digits."""
        return grade(self.assignment, handed_in, _workers(), data=self._digits, threads=1, known=known, **options)


@cache
def _workers() -> Workers:
    workers = Workers()
    atexit.register(workers.close)
    return workers
