"""The pytest plug-in that runs an assignment's checks against one submission and records what became of each."""

from __future__ import annotations

import os
import time
import traceback
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from grader.assignment import AssignmentError
from grader.checks.declare import ATTRIBUTE, CheckSpec
from grader.datasets import DataError
from grader.judge.context import Context
from grader.judge.session import Session
from grader.judge.workers import WorkerStartError
from grader.language import gettext
from grader.result import Status, TestResult
from grader.student import Student
from grader.student.outcomes import CheckFailed, MissingName, StudentError, WorkerLost

LEAST = 10.0  # seconds of a check, however many before it were too slow


class BrokenCheck(Exception):
    """A check is wrong: a fault of the assignment, not of the submission."""


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

    Code that hangs in one check hangs in most: a class would wait for the whole limit again and again. So each time
    halves it, down to `LEAST`, which is some times what a check takes.

    >>> [allowed(60, late) for late in range(5)]
    [60.0, 30.0, 15.0, 10.0, 10.0]
    >>> allowed(6, 3)
    6.0
    """
    return float(max(seconds / 2**late, min(seconds, LEAST)))


class JudgePlugin:
    """Give it to ``pytest.main``; afterwards `outcomes` holds every check's `Outcome`, in the order of the files."""

    def __init__(
        self,
        session: Session,
        context: Context,
        announce: Callable[[str, int, int], None],
        known: Iterable[TestResult] = (),
        on_broken: Callable[[str, str], None] | None = None,
        only: Sequence[str] | None = None,
        stop_after: Collection[Status] = (),
    ) -> None:
        self.only, self.stop_after, self.on_broken = only, stop_after, on_broken
        self.known = {test.extra_data.check: test for test in known}
        self.session, self.surroundings, self.announce = session, context, announce
        session.aside = context.prepare
        self.outcomes: dict[str, Outcome] = {}
        self.broken: list[str] = []
        self.broken_checks: list[str] = []
        self.import_error: Outcome | None = None
        self.stopped: BaseException | None = None
        self._done = 0  # checks
        self._student = Student(session)

    @pytest.fixture(scope="session")
    def student(self) -> Student:
        return self._student

    @pytest.fixture(scope="session")
    def context(self) -> Context:
        return self.surroundings

    @pytest.fixture(scope="session")
    def reference(self) -> ModuleType | None:
        return self.surroundings.reference

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        hidden_folder = self.surroundings.assignment.secret
        specs: dict[str, pytest.Item] = {}
        for item in items:
            spec = getattr(getattr(item, "obj", None), ATTRIBUTE, None)
            if spec is None:
                self.broken.append(f"{item.nodeid} is not a check: put @check(points=...) above it.")
                continue
            if spec.name in specs:
                self.broken.append(f"Two checks are named {spec.name}.")
            specs[spec.name] = item
            hidden = hidden_folder is not None and hidden_folder in Path(item.path).parents
            self.outcomes[spec.name] = Outcome(spec, hidden)
        for outcome in self.outcomes.values():
            unknown = [name for name in outcome.spec.requires if name not in specs]
            if unknown:
                self.broken.append(f"{outcome.spec.name} requires {unknown[0]}, and there is no such check.")
        if not self.broken:
            requires = {name: outcome.spec.requires for name, outcome in self.outcomes.items()}
            items[:] = [specs[name] for name in (by_prerequisites(requires) if self.only is None else self.only)]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(f"{report.nodeid} cannot be read:\n{report.longreprtext}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:  # what a check itself raises is dealt with in `run`: this is a fixture, or this plug-in
            self.broken.append(f"{report.nodeid} cannot be run:\n{report.longreprtext}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.stopped = self.stopped or excinfo.value  # pytest.main only returns a number

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        outcome = self.outcomes[getattr(pyfuncitem.obj, ATTRIBUTE).name]
        title = gettext(outcome.spec.title)
        self.announce(title, self._done, len(self.outcomes))
        names = pyfuncitem._fixtureinfo.argnames
        self.run(outcome, pyfuncitem.obj, {name: pyfuncitem.funcargs[name] for name in names})
        self._done += 1
        return True

    def run(self, outcome: Outcome, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
        """Run one check, unless something it needs has not passed, and write down what became of it."""
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
        limits = self.surroundings.assignment.settings.limits
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
        self.surroundings.note, self.surroundings.facts = "", {}
        started = time.monotonic()  # now that there is a worker: starting one takes as long as the machine likes
        original = function
        if hasattr(function, "hypothesis"):
            function = hypothesis.seed(self.surroundings.seed)(function)
        try:
            function(**arguments)
            self.session.settle()
            outcome.status, outcome.message = "passed", self.surroundings.note
            outcome.evidence = Evidence(original, arguments, [])
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except (AssignmentError, DataError) as error:
            self.stopped = error
            pytest.exit(str(error))
        except BaseException as error:
            self._record(outcome, error)
            outcome.evidence = Evidence(original, arguments, list(self.session.asked), error)
        outcome.facts = self.surroundings.facts
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


def run_checks(
    session: Session,
    context: Context,
    announce: Callable[[str, int, int], None] = lambda title, done, total: None,
    known: Iterable[TestResult] = (),
    on_broken: Callable[[str, str], None] | None = None,
    only: Sequence[str] | None = None,
    stop_after: Collection[Status] = (),
    collect_only: bool = False,
) -> JudgePlugin:
    """Run all checks of ``context.assignment`` through pytest, but for those whose result is ``known``.

    Those that break by themselves raise, or ``on_broken`` is told. ``only`` and ``stop_after``: see
    `grader.judge.grade.grade`.

    Raises:
        BrokenCheck: a check file cannot be read, or the checks contradict each other or assignment.toml.
        AssignmentError, DataError: the checkpoint or the data that a check needs cannot be used.
        WorkerStartError: no worker can be started.
        KeyboardInterrupt: Ctrl-C, or what a signal handler raised.
    """
    plugin = JudgePlugin(session, context, announce, known, on_broken, only, stop_after)
    folders = [str(folder) for folder in context.assignment.check_folders]
    if not folders:
        raise BrokenCheck(f"{context.assignment.name} has no checks ({context.assignment.folder / 'checks'}).")
    # pytest names a check file's module by its path from rootdir; from the very root that is a name of its own. Else
    # the second assignment with a checks/test_architecture.py would be given the first one's.
    home = context.assignment.folder
    arguments = ["-s", "-c", os.devnull, f"--rootdir={home.anchor}", f"--confcutdir={home}", "--import-mode=importlib"]
    arguments += ["--collect-only"] * collect_only
    arguments += [part for name in _UNUSED for part in ("-p", f"no:{name}")]
    autoload = os.environ.get(_AUTOLOAD)
    os.environ[_AUTOLOAD] = "1"
    profile = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.load_profile("grader")
    constants = providers._get_local_constants
    providers._get_local_constants = Constants
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = pytest.main([*arguments, *folders], plugins=[plugin])
    finally:
        hypothesis.settings.load_profile(profile)
        providers._get_local_constants = constants
        if autoload is None:
            del os.environ[_AUTOLOAD]
        else:
            os.environ[_AUTOLOAD] = autoload
    if plugin.stopped is not None:
        raise plugin.stopped
    if plugin.broken:
        raise BrokenCheck("\n".join(plugin.broken))
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise BrokenCheck(f"pytest could not run the checks of {context.assignment.name} ({status}).")
    return plugin


# pytest's own plug-ins that have no part in grading: it prints nothing, stores nothing, captures nothing.
_UNUSED = (
    "terminal",
    "cacheprovider",
    "warnings",
    "faulthandler",
    "logging",
    "doctest",
    "junitxml",
    "unraisableexception",
    "threadexception",
)
_AUTOLOAD = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"


# How properties are tried: the same examples for the same seed, nothing kept between runs. (So `run_checks` also keeps
# hypothesis from drawing the constants it finds in the source of whatever is imported outside site-packages: that
# depends on the process, takes half a second, and leaves a folder .hypothesis.) A check may say otherwise
# for itself with hypothesis.settings. pytest imports a check file once per process, and with it these settings.
hypothesis.settings.register_profile(
    "grader",
    database=None,
    deadline=None,
    print_blob=False,
    report_multiple_bugs=False,
    phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],  # nobody reads what it finds
    suppress_health_check=list(hypothesis.HealthCheck),
    max_examples=25,
)


def by_prerequisites(requires: Mapping[str, Iterable[str]]) -> list[str]:
    """The checks in their own order, each after those it requires; a circle is left in the given order."""
    order: list[str] = []

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in order or name in above:
            return
        for needed in requires[name]:
            add(needed, (*above, name))
        order.append(name)

    for name in requires:
        add(name, ())
    return order
