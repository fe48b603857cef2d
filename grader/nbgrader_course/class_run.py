"""A class run beside nbgrader's own work: each result as soon as it is known."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from grader.class_run.store import Store
from grader.exports import stream
from grader.nbgrader_course import CourseError
from grader.nbgrader_course.cells import Answer, answer
from grader.nbgrader_course.following import follow
from grader.result import Result


class Found(NamedTuple):
    """What the class run knows of one student."""

    answer: Answer
    files: dict[str, str]  # that were graded, where it was not the notebook


class ClassRun:
    """``command`` is `grader grade --stream --out OUT`, and begins once an earlier one into ``out`` is over.

    At its end this process waits for it, so that the whole class is graded whatever becomes of the notebooks.

    Args:
        where: the folder it is run in.
        listen: told of each line that it says, in another thread.
    """

    _latest: ClassVar[dict[Path, threading.Thread]] = {}

    def __init__(self, command: Sequence[str], where: Path, out: Path, listen: Callable[[str], None]) -> None:
        self._out, self._listen = out, listen
        self._results: dict[str, Result] = {}
        self._files: dict[str, dict[str, str]] | None = None
        self._said: deque[str] = deque(maxlen=8)
        self._code: int | None = None  # once it has ended
        self._changed = threading.Condition()
        if out in self._latest:
            self._latest[out].join()
        # A daemon: `_wait` waits for it at the end of Python, and may be stopped with Ctrl-C.
        self._latest[out] = threading.Thread(target=self._follow, args=(command, where), daemon=True)
        self._latest[out].start()
        atexit.unregister(_wait)
        atexit.register(_wait)

    def found(self, student: str) -> Found | None:
        """What is known of ``student``, as soon as it is; None where the class run has gone through without.

        Raises:
            CourseError: the class run has not gone through.
        """
        with self._changed:
            self._changed.wait_for(lambda: student in self._results or self._code is not None)
        if student in self._results:
            if self._files is None:
                self._files = _files(self._out)
            return Found(answer(self._results[student]), self._files.get(student, {}))
        if self._code:
            raise CourseError("\n".join(["The class run did not go through. The last it said:", *self._said]))
        return None

    def _follow(self, command: Sequence[str], where: Path) -> None:
        code = 2
        try:
            code, _ = follow(command, where, self._hear)
        except OSError as error:
            self._said.append(f"{command[0]} cannot be started: {error.strerror}.")
        except Exception as error:  # whatever it is, nobody may wait for this thread for ever
            self._said.append(f"{type(error).__name__}: {error}")
        with self._changed:
            self._code = code
            self._changed.notify_all()

    def _hear(self, line: str) -> None:
        told = stream.read(line)
        if told is None:
            self._said.append(line)
            self._listen(line)
            return
        student, result = told
        with self._changed:
            self._results[student] = result
            self._changed.notify_all()


def _wait() -> None:
    with contextlib.suppress(KeyboardInterrupt):  # which the class runs were sent, too
        for thread in ClassRun._latest.values():
            thread.join()


def _files(out: Path) -> dict[str, dict[str, str]]:
    """The files that were graded, as text, of each student of whom it was not the notebook."""
    with Store(out, create=False) as store:
        return {
            handin.student: {
                name: content.decode("utf-8", "replace") for name, content in handin.submission.files.items()
            }
            for handin, _, _ in store.handins()
            if handin.submission is not None and handin.submission.path.suffix.lower() != ".ipynb"
        }
