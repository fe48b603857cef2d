"""What happens in a judge process: grade one task with a warm sandbox that outlives it.

The same function serves a process of the local pool and a worker of a dask cluster; submissions come as bytes.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import msgspec

from grader import __version__, assignment, datasets, language
from grader.assignment import Assignment, AssignmentError
from grader.class_run import fingerprint
from grader.datasets import DataError, Dataset
from grader.judge.context import Kept
from grader.judge.grade import grade, validate
from grader.judge.sandbox import Sandbox, SandboxError, find
from grader.judge.workers import Workers, WorkerStartError
from grader.language import gettext
from grader.result import Result, Status, Summary, TestResult
from grader.submission import Submission


class Conditions(msgspec.Struct, frozen=True):
    """How to grade; the same for every task of a run.

    Attributes:
        root: the folder that holds assignments/ and solutions/.
        data: as `grader.datasets.find` reads it.
        language: that feedback is written in.
        surroundings, checks: hashes (`grader.class_run.fingerprint`) that a judge on another machine must share.
        sandboxed: student code in bubblewrap.
        secret: folders that student code must not see beside the assignments and solutions.
        threads: for what takes much computing.
        preload: modules that workers are to have imported, beside the assignment's own.
    """

    root: str
    assignment: str
    data: str
    exact: bool
    sandboxed: bool
    secret: tuple[str, ...]
    threads: int
    language: str
    surroundings: str
    checks: dict[str, str]
    preload: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True):
    """One submission; ``known`` results of checks that need not be run again, drawn with ``seed``."""

    path: str
    files: dict[str, bytes]
    seed: int | None = None
    known: list[TestResult] = []


class Graded(msgspec.Struct, frozen=True):
    """What came of a task; ``log`` holds tracebacks of checks that broke by themselves."""

    result: Result
    log: str


class OtherChecksError(Exception):
    """This judge has other checks, solutions or another grader than the one that asks."""


@dataclass
class _Judge:
    conditions: Conditions
    assignment: Assignment
    dataset: Dataset
    workers: Workers
    kept: Kept

    def close(self) -> None:
        self.workers.close()
        self.kept.close()


_lock = threading.Lock()  # pytest and torch's settings are the process's: one task at a time
_judge: _Judge | None = None


def conditions_for(
    chosen: Assignment, root: Path, data: Path | None, exact: bool, sandboxed: bool, secret: list[Path], threads: int
) -> Conditions:
    """The conditions of a run on this machine.

    Raises:
        DataError: the data asked for cannot be used.
    """
    dataset = datasets.for_assignment(chosen, data)
    where = str(data or os.environ.get("GRADER_DATA") or "data")
    return Conditions(
        root=str(root),
        assignment=chosen.name,
        data="digits" if dataset.name == "digits" else str(Path("data" if where == "download" else where).resolve()),
        exact=exact,
        sandboxed=sandboxed,
        secret=tuple(map(str, secret)),
        threads=threads,
        language=language.current(),
        surroundings=fingerprint.surroundings(chosen, dataset.sha256(), exact),
        checks=fingerprint.checks(chosen),
    )


def grade_task(encoded_conditions: bytes, encoded_task: bytes) -> bytes:
    """Grade one `Task` (msgpack) under `Conditions` (msgpack); returns a `Graded` (msgpack).

    Raises:
        OtherChecksError, AssignmentError, BrokenCheck, DataError, SandboxError, WorkerStartError: not this
            submission's fault; no other one would fare better.
    """
    conditions = msgspec.msgpack.decode(encoded_conditions, type=Conditions)
    task = msgspec.msgpack.decode(encoded_task, type=Task)
    log: list[str] = []
    with _lock:
        judge = _ready(conditions)
        try:
            result = grade(
                judge.assignment,
                Submission(Path(task.path), task.files),
                judge.workers,
                data=judge.dataset,
                exact=conditions.exact,
                seed=task.seed,
                threads=conditions.threads,
                known=task.known,
                diagnosis=True,
                kept=judge.kept,
                on_broken=lambda name, said: log.append(f"{task.path}: {name}\n{said}"),
            )
        except (AssignmentError, DataError, SandboxError, WorkerStartError):
            raise
        except Exception as error:  # one hand-in, whatever is in it, does not stop the others
            log.append(f"{task.path}\n{''.join(traceback.format_exception(error))}")
            result = not_graded(
                judge.assignment, task.path, "error", gettext("The grader broke on this file. Tell your instructor.")
            )
    return msgspec.msgpack.encode(Graded(result, "\n".join(log)))


def not_graded(chosen: Assignment, path: str, status: Status, message: str) -> Result:
    """The result of what could not be graded: 0 points, and the sentence that says why."""
    settings = chosen.settings
    summary = Summary(
        chosen.name, chosen.title, path, status, settings.points, message=message, grader_version=__version__
    )
    return Result(0, 0, [], summary)


def _ready(conditions: Conditions) -> _Judge:
    """This process's judge: made at the first task, and again only when the conditions are others."""
    global _judge
    if _judge is not None and _judge.conditions == conditions:
        return _judge
    if _judge is not None:
        _judge.close()
        _judge = None
    root = Path(conditions.root)
    os.environ[language.VARIABLE] = conditions.language  # this machine may be set to another one
    chosen = assignment.load(conditions.assignment, root)
    dataset = datasets.for_assignment(chosen, Path(conditions.data))
    same = fingerprint.surroundings(chosen, dataset.sha256(), conditions.exact) == conditions.surroundings
    if not same or fingerprint.checks(chosen) != conditions.checks:
        raise OtherChecksError(
            f"{root} on {os.uname().nodename if hasattr(os, 'uname') else 'this machine'} has another version of "
            f"{chosen.name}, of the grader or of the data than the machine that asks. Bring it up to date, "
            "and start its judges anew."
        )
    sandbox: Sandbox | None = None
    if conditions.sandboxed:
        sandbox = find([root / "solutions", root / "assignments", *map(Path, conditions.secret)])
    validate(chosen)
    workers = Workers(chosen.settings.limits.memory_mb, sandbox, [*chosen.settings.preload, *conditions.preload])
    _judge = _Judge(conditions, chosen, dataset, workers, Kept(chosen))
    return _judge


@atexit.register
def _close() -> None:
    if _judge is not None:
        _judge.close()


def begin_process() -> None:
    """For a process of the local pool: Ctrl-C is its parent's to handle, and it ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):  # `grader.class_run.executors.warm_up` has blocked it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _leave)
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what pytest may say belongs nowhere
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)  # the sandbox ends with this process


def _leave(number: int, _: object) -> None:
    os._exit(128 + number)
