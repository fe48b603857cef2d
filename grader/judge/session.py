"""One submission's conversation with its workers: requests, deadlines, replacement of a worker that is lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, TypeVar

from grader import protocol
from grader.judge.workers import Worker, Workers
from grader.protocol import Handle, ProtocolError
from grader.student.outcomes import Frame, MissingName, StudentError, WorkerLost

Answer = TypeVar("Answer")
STARTUP_SECONDS = 300.0  # for a worker to import torch, which the submission's own limits do not count
# What taking apart an answer of the wrong form raises.
_NONSENSE = (ProtocolError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


class Session:
    """Imports the submission's ``files`` in a worker and sends requests to it.

    After a worker is lost every request raises the same `WorkerLost` until `begin` is called for the next check, which
    gets a fresh worker.
    """

    def __init__(
        self, workers: Workers, files: dict[str, bytes], *, threads: int = 1, import_seconds: float = 60
    ) -> None:
        self.workers, self.files = workers, files
        self.file = next(iter(files))
        self.threads, self.import_seconds = threads, import_seconds
        self.printed = ""
        self.kept: dict[str, Any] = {}  # objects in the worker that outlive a check, by name; gone with the worker
        self._worker: Worker | None = None
        self._lost: WorkerLost | None = None
        self._number = 0
        self._seconds = 0.0
        self._printed_before = 0

    def begin(self, seconds: float) -> None:
        """Start a check that may take ``seconds`` (wall clock), in a fresh worker if the last one was lost.

        Raises:
            StudentError, WorkerLost: the submission cannot be imported.
        """
        self._lost = None
        if self._worker is None:
            self.kept.clear()
            self._worker = self.workers.start(self.files)
            self._import()
        else:
            self._deadline(seconds)
            self.request("release", "Tidying up", keep=list(self.kept.values()))
        self._printed_before = self._worker.printed_total
        self._deadline(seconds)

    def end(self) -> str:
        """End a check; returns what the student's code printed during it."""
        worker = self._worker
        if worker is None:
            return self.printed
        worker.deadline = float("inf")
        new = worker.printed_total - self._printed_before
        return worker.printed()[-new:] if new else ""

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def request(
        self, kind: str, doing: str, read: Callable[[Any], Answer] = lambda value: value, **body: Any
    ) -> Answer:
        """Send one request and wait for its answer; ``doing`` describes it in the student's terms.

        ``read`` takes the answer apart; where it cannot, the worker talks nonsense.

        Raises:
            StudentError: the student's code raised.
            WorkerLost: no answer, or one that makes no sense.
        """
        if self._lost is not None:
            raise self._lost
        worker = self._worker
        assert worker is not None, "begin() first"
        self._number += 1
        try:
            protocol.send(worker.writer, self._number, kind, body, _only_handles)
            number, answer, value = protocol.receive(worker.reader, lambda handle: handle)
            if number != self._number or answer not in ("value", "error"):
                raise ProtocolError("an answer to nothing that was asked")
            if answer == "value":
                return read(value)
            error = _student_error(value, doing)
        except (EOFError, OSError, *_NONSENSE) as cause:
            raise self._lose(worker, doing, cause) from None
        raise error

    def _import(self) -> None:
        name = PurePath(self.file).stem
        self._deadline(STARTUP_SECONDS)
        self.request("configure", "Starting up", threads=self.threads)  # without fork, it imports torch first
        self._deadline(self.import_seconds)
        try:
            self.request("import", f"Importing {self.file}", name=name, file=self.file)
        except StudentError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """End the current worker: what it was asked to import did not import."""
        worker = self._current()
        worker.kill()
        self.printed = worker.printed()
        self._worker = None

    def _current(self) -> Worker:
        assert self._worker is not None
        return self._worker

    def _deadline(self, seconds: float) -> None:
        self._seconds = seconds
        self._current().deadline = time.monotonic() + seconds

    def _lose(self, worker: Worker, doing: str, cause: Exception) -> WorkerLost:
        status = worker.kill()
        self.printed = worker.printed()
        self._worker = None
        if worker.reason == "timeout":
            lost = WorkerLost(
                "timeout", f"{doing} did not finish within {self._seconds:g} s. Is there an endless loop?"
            )
        elif worker.reason == "out_of_memory":
            limit = worker.memory_limit_mb
            lost = WorkerLost("out_of_memory", f"{doing} used more than {limit:,} MB of memory and was ended.")
        elif isinstance(cause, _NONSENSE):
            lost = WorkerLost("crashed", f"{doing} disturbed the grader's connection to your code ({cause}).")
        elif status is not None and status < 0:
            often = "; often the machine has run out of memory" if status == -9 else ""
            lost = WorkerLost("crashed", f"{doing} crashed the Python process ({_signal_name(-status)}{often}).")
        else:
            code = "" if status is None else f" (exit code {status})"
            lost = WorkerLost("crashed", f"{doing} ended the Python process{code}. Does it call os._exit()?")
        self._lost = lost
        return lost


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _only_handles(value: object) -> Handle:
    number = getattr(value, "_grader_handle", None)
    if isinstance(number, Handle):
        return number
    raise ProtocolError(f"a {type(value).__name__} cannot be sent to a worker")


def _student_error(value: Any, doing: str) -> Exception:
    """An "error" reply as an exception, bounded: it was made in the student's process."""
    if not isinstance(value, dict):
        raise ProtocolError("an error that is none")
    types, text, frames = value.get("types"), value.get("text"), value.get("frames")
    if not (isinstance(types, list) and isinstance(text, str) and isinstance(frames, list)):
        raise ProtocolError("an error without its parts")
    parsed = []
    for item in frames[:20]:
        if not (isinstance(item, list) and len(item) == 4 and isinstance(item[1], int)):
            raise ProtocolError("a frame that is none")
        parsed.append(Frame(str(item[0])[:200], item[1], str(item[2])[:200], str(item[3])[:300]))
    if "MissingName" in types:
        return MissingName(text[:500])
    return StudentError([str(name)[:100] for name in types[:10]], text[:4_000], parsed, doing)
