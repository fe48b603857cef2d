"""One run of an assignment's checks against one submission: what became of each."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import pytest

from grader.assignment import AssignmentError
from grader.checks.declare import CheckSpec
from grader.datasets import DataError
from grader.judge.context import Context
from grader.judge.session import Session
from grader.judge.workers import WorkerStartError
from grader.language import gettext
from grader.result import Status, TestResult
from grader.student import Student
from grader.student.outcomes import CheckFailed, MissingName, StudentError, WorkerLost

LEAST = 5.0  # seconds of a check, however many before it were too slow; or a sixth of its own, if that is more


@dataclass
class Outcome:
    """What became of one check."""

    spec: CheckSpec
    hidden: bool
    status: Status = "blocked"
    message: str = ""
    expected: str = ""
    actual: str = ""
    frames: list[str] = field(default_factory=list)
    printed: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    known: TestResult | None = None
    evidence: Evidence | None = None
    diagnosis: str = ""


@dataclass(frozen=True)
class Evidence:
    """Of a check that was run: itself, what it was given; where it failed, what it last asked of the student's code."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    asked: list[tuple[str, dict[str, Any]]]
    error: BaseException | None = None


def allowed(seconds: float, late: int) -> float:
    """The time limit of a check, where the assignment's is ``seconds`` and ``late`` checks before it were out of time.

    Code that hangs in one check hangs in most: a class would wait for the whole limit again and again. So it is a third
    of it after the first time, and from then on a sixth, or `LEAST`, which is some times what a check takes.

    >>> [allowed(60, late) for late in range(4)], [allowed(30, late) for late in range(4)]
    ([60.0, 20.0, 10.0, 10.0], [30.0, 10.0, 5.0, 5.0])
    >>> allowed(4, 3)
    4.0
    """
    return float(max(seconds / (1, 3, 6)[min(late, 2)], min(seconds, LEAST)))


class Run:
    """`outcomes` holds every check's `Outcome`, in the order of the files; `BrokenCheck`s are in `broken`."""

    def __init__(
        self,
        session: Session,
        context: Context,
        announce: Callable[[str, int, int], None] = lambda title, done, total: None,
        known: Iterable[TestResult] = (),
        on_broken: Callable[[str, str], None] | None = None,
        only: Sequence[str] | None = None,
        stop_after: Collection[Status] = (),
        shrink: bool = True,
    ) -> None:
        self.only, self.stop_after, self.on_broken, self.shrink = only, stop_after, on_broken, shrink
        self.known = {test.extra_data.check: test for test in known}
        self.session, self.context, self.announce = session, context, announce
        self.student = Student(session)
        self.outcomes: dict[str, Outcome] = {}
        self.broken: list[str] = []
        self.broken_checks: list[str] = []
        self.import_error: Outcome | None = None
        self.stopped: BaseException | None = None
        self._done = 0  # checks
        session.aside = context.prepare

    def check(self, outcome: Outcome, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
        """Run one check, unless something it needs has not passed, and write down what became of it."""
        self.announce(gettext(outcome.spec.title), self._done, len(self.outcomes))
        self._done += 1
        spec = outcome.spec
        if spec.name in self.known:
            outcome.known = self.known[spec.name]
            outcome.status = outcome.known.extra_data.status
            return
        required = spec.requires if self.only is None else ()
        waiting = [name for name in required if self.outcomes[name].status != "passed"]
        if self.import_error is not None or waiting:
            names = ", ".join(f"“{gettext(self.outcomes[name].spec.title)}”" for name in waiting)
            missing = gettext("Not run: first {checks}.").format(checks=names)
            outcome.message = missing if names else gettext("Not run: your file cannot be imported.")
            outcome.facts = {"waits_for": waiting}
            return
        if any(done.status in self.stop_after for done in self.outcomes.values()):
            outcome.message = gettext("Not run: an earlier check did not pass.")
            return
        limits = self.context.assignment.settings.limits
        late = sum(done.status == "timeout" for done in self.outcomes.values())
        try:
            self.session.begin(allowed(spec.seconds or limits.check_seconds, late))
        except (StudentError, MissingName, WorkerLost) as error:
            self.import_error = Outcome(spec, outcome.hidden)
            self._record(self.import_error, error)
            self.import_error.printed = self.session.printed
            outcome.message = gettext("Not run: your file cannot be imported.")
            return
        except WorkerStartError as error:
            self.stopped = error
            pytest.exit(str(error))
        self.context.note, self.context.facts = "", {}
        started = time.monotonic()  # now that there is a worker: starting one takes as long as the machine likes
        try:
            call_check(function, self.context.seed, arguments, shrink=self.shrink)
            self.session.settle()
            outcome.status, outcome.message = "passed", self.context.note
            outcome.evidence = Evidence(function, arguments, [])
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except (AssignmentError, DataError) as error:
            self.stopped = error
            pytest.exit(str(error))
        except BaseException as error:
            self._record(outcome, error)
            outcome.evidence = Evidence(function, arguments, list(self.session.asked), error)
        outcome.facts = self.context.facts
        outcome.printed = self.session.end()
        outcome.seconds = time.monotonic() - started

    def _record(self, outcome: Outcome, error: BaseException) -> None:
        if isinstance(error, (CheckFailed, MissingName, WorkerLost, StudentError)):
            outcome.status, outcome.message = error.status, error.message
            if isinstance(error, CheckFailed):
                outcome.expected = "" if error.expected is None else str(error.expected)
                outcome.actual = "" if error.actual is None else str(error.actual)
            if isinstance(error, StudentError):
                outcome.frames = [str(frame) for frame in error.frames]
        elif isinstance(error, hypothesis.errors.Flaky):
            outcome.status = "failed"
            outcome.message = gettext(
                "The same call gave different outcomes: the code keeps state, or is random where it may not be."
            )
        else:
            outcome.status = "error"
            outcome.message = gettext(
                "This check broke by itself; that is not your code's fault. Tell your instructor."
            )
            said = "".join(traceback.format_exception(error))
            if self.on_broken is not None:
                self.broken_checks.append(outcome.spec.name)
                self.on_broken(outcome.spec.name, said)
            else:
                self.broken.append(f"{outcome.spec.name}:\n{said}")


def call_check(function: Callable[..., Any], seed: int, arguments: dict[str, Any], *, shrink: bool) -> None:
    """Run a check; its property, if it is one, on examples that follow from ``seed``.

    Without ``shrink`` the first counterexample will do, which need not be small.
    """
    if not hasattr(function, "hypothesis"):
        function(**arguments)
        return
    attribute = "_hypothesis_internal_use_settings"
    kept = getattr(function, attribute)
    phases = [phase for phase in kept.phases if phase is not hypothesis.Phase.shrink]
    setattr(function, attribute, kept if shrink else hypothesis.settings(kept, phases=phases))
    try:
        hypothesis.seed(seed)(function)(**arguments)
    finally:
        setattr(function, attribute, kept)
