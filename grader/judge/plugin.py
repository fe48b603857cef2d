"""The pytest plug-in that reads an assignment's checks, and runs them against one submission after the other."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest
from _pytest.config import _prepareconfig  # what pytest.main has read it runs once
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from grader.assignment import Assignment
from grader.checks.declare import ATTRIBUTE, CheckSpec
from grader.judge.context import Context
from grader.judge.run import Outcome, Run
from grader.student import Student


class BrokenCheck(Exception):
    """A check is wrong: a fault of the assignment, not of the submission."""


class Checks:
    """An assignment's checks as they are now: read once, run against any number of submissions.

    Raises:
        BrokenCheck: a check file cannot be read, or the checks contradict each other.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.specs: dict[str, CheckSpec] = {}
        self._items: dict[str, pytest.Item] = {}
        self._broken: list[str] = []
        self._current: Run | None = None
        self._config: pytest.Config | None = None
        self._session: pytest.Session | None = None
        folders = [str(folder) for folder in assignment.check_folders]
        if not folders:
            raise BrokenCheck(f"{assignment.name} has no checks ({assignment.folder / 'checks'}).")
        # pytest names a check file's module by its path from rootdir; from the very root that is a name of its own.
        # Else the second assignment with a checks/test_architecture.py would be given the first one's.
        home = assignment.folder
        arguments = ["-s", "-c", os.devnull, f"--rootdir={home.anchor}", f"--confcutdir={home}"]
        arguments += ["--import-mode=importlib", "-o", "tmp_path_retention_policy=failed"]
        arguments += [part for name in _UNUSED for part in ("-p", f"no:{name}")]
        with _quiet():
            try:
                self._config = config = _prepareconfig([*arguments, *folders], [self])
                session = pytest.Session.from_config(config)
                config._do_configure()
                config.hook.pytest_sessionstart(session=session)
                self._session = session
                config.hook.pytest_collection(session=session)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a conftest.py that cannot be imported, exit() in a check file
                self._broken.append(f"pytest cannot read the checks of {assignment.name}: {error}")
        if self._broken:
            self.close()
            raise BrokenCheck("\n".join(self._broken))

    def close(self) -> None:
        """Have pytest end its session."""
        with _quiet():
            if self._session is not None:
                self._session.config.hook.pytest_sessionfinish(session=self._session, exitstatus=0)
            if self._config is not None:
                self._config._ensure_unconfigure()

    def outcomes(self) -> dict[str, Outcome]:
        """Those of a run that has not begun: by name, in the order of the files."""
        secret = self.assignment.secret
        return {
            name: Outcome(spec, secret is not None and secret in Path(self._items[name].path).parents)
            for name, spec in self.specs.items()
        }

    def run(self, run: Run) -> None:
        """Run all checks, each after those it requires, or those of ``run.only`` in that order; ``run`` is told.

        What any of these raises ends this object's use: `BrokenCheck` alone does not.

        Raises:
            BrokenCheck: a check, or what it needs, breaks by itself.
            AssignmentError, DataError: the checkpoint or the data that a check needs cannot be used.
            WorkerStartError: no worker can be started.
            KeyboardInterrupt: Ctrl-C, or what a signal handler raised.
        """
        run.outcomes = self.outcomes()
        requires = {name: spec.requires for name, spec in self.specs.items()}
        order = by_prerequisites(requires) if run.only is None else run.only
        items = [self._items[name] for name in order]
        self._current = run
        try:
            with _quiet():
                for item, following in zip(items, [*items[1:], None], strict=True):
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        except pytest.exit.Exception as error:
            raise run.stopped or BrokenCheck(str(error)) from error
        finally:
            self._current = None
        if run.broken:
            raise BrokenCheck("\n".join(run.broken))

    @property
    def _run(self) -> Run:
        assert self._current is not None
        return self._current

    @pytest.fixture(scope="session")
    def student(self) -> Student:
        return self._run.student

    @pytest.fixture(scope="session")
    def context(self) -> Context:
        return self._run.context

    @pytest.fixture(scope="session")
    def reference(self) -> ModuleType | None:
        return self._run.context.reference

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            spec = getattr(getattr(item, "obj", None), ATTRIBUTE, None)
            if spec is None:
                self._broken.append(f"{item.nodeid} is not a check: put @check(points=...) above it.")
                continue
            if spec.name in self.specs:
                self._broken.append(f"Two checks are named {spec.name}.")
            self.specs[spec.name], self._items[spec.name] = spec, item
        for spec in self.specs.values():
            unknown = [name for name in spec.requires if name not in self.specs]
            if unknown:
                self._broken.append(f"{spec.name} requires {unknown[0]}, and there is no such check.")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._broken.append(f"{report.nodeid} cannot be read:\n{report.longreprtext}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:  # what a check itself raises is dealt with in `Run`: this is a fixture, or this plug-in
            self._run.broken.append(f"{report.nodeid} cannot be run:\n{report.longreprtext}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        names = pyfuncitem._fixtureinfo.argnames
        outcome = self._run.outcomes[getattr(pyfuncitem.obj, ATTRIBUTE).name]
        self._run.check(outcome, pyfuncitem.obj, {name: pyfuncitem.funcargs[name] for name in names})
        return True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pytest without the plug-ins that happen to be installed, hypothesis with our settings, no warnings."""
    autoload = os.environ.get(_AUTOLOAD)
    os.environ[_AUTOLOAD] = "1"
    profile = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.load_profile("grader")
    constants = providers._get_local_constants
    providers._get_local_constants = Constants
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hypothesis.settings.load_profile(profile)
        providers._get_local_constants = constants
        if autoload is None:
            del os.environ[_AUTOLOAD]
        else:
            os.environ[_AUTOLOAD] = autoload


def run_checks(run: Run) -> Run:
    """Have the checks of ``run``'s assignment run, and return it; a judge that keeps anything keeps them, too.

    Raises:
        BrokenCheck, AssignmentError, DataError, WorkerStartError, KeyboardInterrupt: see `Checks`.
    """
    kept = run.context.kept
    checks = kept.checks if kept is not None and kept.checks is not None else Checks(run.context.assignment)
    used_up = kept is None
    try:
        checks.run(run)
    except BaseException as error:
        used_up = used_up or not isinstance(error, BrokenCheck)
        raise
    finally:
        if kept is not None:
            kept.checks = None if used_up else checks
        if used_up:
            checks.close()
    return run


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
