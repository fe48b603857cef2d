"""One submission's conversation with its workers: requests, deadlines, replacement of a worker that is lost."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any, TypeVar

from grader import protocol
from grader.judge.workers import MAX_OUTPUT, Worker, Workers
from grader.language import gettext
from grader.protocol import Handle, ProtocolError
from grader.student.outcomes import Frame, MissingName, StudentError, WorkerLost, by_worker
from grader.worker.confine import PROCESSES

Answer = TypeVar("Answer")
STARTUP_SECONDS = 300.0  # for a worker to import torch, which the submission's own limits do not count
ASKED = 40  # requests of a check that are remembered, the last
PATIENCE = 1.0  # seconds that a worker which has hung up may take to end
# What taking apart an answer of the wrong form raises.
_NONSENSE = (ProtocolError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)

# Inside the sandbox student code cannot send SIGKILL to its own worker. One that dies of it, and not of our own, was
# killed by someone outside or for want of memory: that says nothing about the submission, so it is done again.
DISTURBED = 3  # times in all


class Session:
    """Imports the submission's ``files`` in a worker and sends requests to it.

    With ``watch`` its modules say by which lines of the first file they were made (`grader.tracing.note_lines`).

    After a worker is lost every request raises the same `WorkerLost` until `begin` is called for the next check, which
    gets a fresh worker.
    """

    def __init__(
        self,
        workers: Workers,
        files: dict[str, bytes],
        *,
        threads: int = 1,
        import_seconds: float = 60,
        withheld: Sequence[str] = (),
        watch: bool = False,
    ) -> None:
        self.workers, self.files, self.withheld, self.watch = workers, files, list(withheld), watch
        self.file = next(iter(files))
        self.threads, self.import_seconds = threads, import_seconds
        self.printed = ""
        self.disturbed = False  # a worker was killed, by none of ours
        self.ready_at = float("inf")  # time.monotonic(): when its last worker had started, and imported nothing yet
        self.kept: dict[str, Any] = {}  # objects in the worker that outlive a check, by name; gone with the worker
        self.asked: deque[tuple[str, dict[str, Any]]] = deque(maxlen=ASKED)  # by this check: requests, and of what
        self._asked_at: deque[int] = deque(maxlen=ASKED)  # their numbers
        self.aside: Callable[[], None] | None = None  # what can be done here while the worker builds a network
        self._unheard: dict[int, str] = {}  # requests nobody has waited for, by number: what they were doing
        self._worker: Worker | None = None
        self._lost: WorkerLost | None = None
        self._number = 0
        self._seconds = 0.0
        self._printed_before = 0
        self._exchanged = False
        self._full = False  # the worker has no memory left, or had none

    @property
    def killed_from_outside(self) -> bool:
        """Whether a worker was, as far as one can know. What it was doing is done again, `DISTURBED` times in all."""
        return self.disturbed and self.workers.sandbox is not None

    def begin(self, seconds: float) -> None:
        """Start a check that may take ``seconds`` (wall clock), in a fresh worker if the last one was lost.

        Raises:
            StudentError, WorkerLost: the submission cannot be imported.
        """
        self._lost = None
        self.asked.clear()
        self._asked_at.clear()
        if self._worker is not None and (self._full or not self._worker.alive):
            # What an earlier check has taken, or a thread it left behind, is no fault of the check that begins.
            self.close()
        if self._worker is None:
            self._full = False
            self.kept.clear()
            self._printed_before = 0
            self._worker = self.workers.start()
            self._import()
        else:
            if self._exchanged:
                self.kept.clear()
            self._deadline(seconds)
            try:
                self.request("release", gettext("Tidying up"), keep=list(self.kept.values()))
            except WorkerLost:
                self.begin(seconds)
                return
            if self._exchanged:
                self._import()
        self._exchanged = False
        self._printed_before = self._worker.printed_total
        self._deadline(seconds)

    def exchange(self, files: dict[str, bytes]) -> None:
        """Be about other ``files`` of these names from the next `begin` on, in the worker that there is.

        Whatever the old ones have changed there, outside their module, the new ones find changed.
        """
        self.files, self._exchanged = files, True

    def extend(self, seconds: float) -> None:
        """Give what goes on ``seconds`` from now; nothing is released."""
        if self._worker is not None:
            self._deadline(seconds)

    def end(self) -> str:
        """End a check; returns what the student's code printed during it."""
        with contextlib.suppress(StudentError, WorkerLost):  # of a check that has failed meanwhile
            self.settle()
        worker = self._worker
        if worker is None:
            return self.printed
        worker.deadline = float("inf")
        worker.drain()
        return self._new_output(worker)

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def request(
        self,
        kind: str,
        doing: str,
        read: Callable[[Any], Answer] = lambda value: value,
        meanwhile: Callable[[], None] | None = None,
        **body: Any,
    ) -> Answer:
        """Send one request and wait for its answer; ``doing`` describes it in the student's terms.

        ``read`` takes the answer apart; where it cannot, the worker talks nonsense. ``meanwhile`` is called while the
        worker is at work; it makes no requests.

        Raises:
            StudentError: the student's code raised.
            WorkerLost: no answer, or one that makes no sense.
        """
        worker = self._send(kind, doing, body)
        try:
            worker.writer.flush()
            self._work(meanwhile)
            most = worker.memory_limit_mb << 20  # nobody honest sends more than he may hold
            number, answer, value = protocol.receive(worker.reader, lambda handle: handle, most)
            if number != self._number or answer not in ("value", "error"):
                raise ProtocolError("an answer to nothing that was asked")
            unheard, self._unheard = self._unheard, {}
            if answer == "value":
                return read(value)
            raised = value["number"]
            while self._asked_at and self._asked_at[-1] > raised:  # the worker has left these out
                self._asked_at.pop()
                self.asked.pop()
            error = _student_error(value, {**unheard, number: doing}[raised], self.files)
            self._full |= error.status == "out_of_memory"
        except (EOFError, OSError, *_NONSENSE) as cause:
            raise self._lose(worker, doing, cause) from None
        raise error

    def _work(self, meanwhile: Callable[[], None] | None) -> None:
        if meanwhile is not None:
            try:
                meanwhile()
            except BaseException:
                self.close()  # or the next request would be given this one's answer
                raise

    def soon(self, kind: str, doing: str, **body: Any) -> None:
        """Send a request that nobody waits for: what it raises, the next one raises in its own place.

        Raises:
            WorkerLost: it cannot be sent.
        """
        self._send("soon", doing, {"kind": kind, "body": body})
        self._unheard[self._number] = doing

    def settle(self) -> None:
        """Wait for what nobody has waited for yet.

        Raises:
            StudentError, WorkerLost: as `request` does.
        """
        if self._unheard:
            self.request("settle", list(self._unheard.values())[-1])

    def _send(self, kind: str, doing: str, body: dict[str, Any]) -> Worker:
        """Write a request. What has no tensors stays in the buffer: it goes with the next one that is waited for."""
        if self._lost is not None:
            raise self._lost
        worker = self._worker
        assert worker is not None, "begin() first"
        self._number += 1
        asked = (body["kind"], body["body"]) if kind == "soon" else (kind, body)
        if asked[0] != "call" or asked[1]["path"] != "load_state_dict":  # whose weights need not be kept
            self.asked.append(asked)
            self._asked_at.append(self._number)
        try:
            if protocol.send(worker.writer, self._number, kind, body, _only_handles, shorten=True):
                worker.writer.flush()  # there is something to do
        except (OSError, *_NONSENSE) as cause:
            raise self._lose(worker, doing, cause) from None
        return worker

    def _import(self) -> None:
        name = PurePath(self.file).stem
        self._deadline(STARTUP_SECONDS)
        self.request("configure", gettext("Starting up"), threads=self.threads)  # without fork, it imports torch first
        self.ready_at = time.monotonic()
        self._deadline(self.import_seconds)
        if self.watch:
            self.request("watch", gettext("Starting up"), file=self.file)
        try:
            self.request(
                "import",
                gettext("Importing {file}").format(file=self.file),
                name=name,
                file=self.file,
                files=self.files,
                withheld=self.withheld,
            )
        except StudentError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """End the current worker: what it was asked to import did not import."""
        worker = self._current()
        worker.kill()
        self.printed = worker.printed()
        self._worker = None

    def _new_output(self, worker: Worker) -> str:
        """The end of what was printed since the check began."""
        new = worker.printed_total - self._printed_before
        return worker.printed()[-new:] if new else ""

    def _current(self) -> Worker:
        assert self._worker is not None
        return self._worker

    def _deadline(self, seconds: float) -> None:
        self._seconds = seconds
        self._current().deadline = time.monotonic() + seconds

    def _lose(self, worker: Worker, doing: str, cause: Exception) -> WorkerLost:
        self._unheard.clear()
        status = worker.kill(0 if isinstance(cause, _NONSENSE) else PATIENCE)
        self.printed = self._new_output(worker)
        self._worker = None
        reason = worker.reason
        if reason == "timeout":
            lost = WorkerLost(
                "timeout",
                gettext("{doing} did not finish within {seconds:g} s. Is there an endless loop?").format(
                    doing=doing, seconds=self._seconds
                ),
            )
        elif reason == "out_of_memory":
            limit = worker.memory_limit_mb
            lost = WorkerLost(
                "out_of_memory",
                gettext("{doing} took more memory than this assignment may use ({limit:,} MB).").format(
                    doing=doing, limit=limit
                ),
            )
        elif reason == "output":
            lost = WorkerLost(
                "crashed",
                gettext("{doing} printed more than {limit} MB and was ended.").format(
                    doing=doing, limit=MAX_OUTPUT >> 20
                ),
            )
        elif reason == "processes":
            lost = WorkerLost(
                "crashed",
                gettext("{doing} started more than {limit} processes or threads and was ended.").format(
                    doing=doing, limit=PROCESSES
                ),
            )
        elif isinstance(cause, _NONSENSE):
            lost = WorkerLost(
                "crashed",
                gettext("{doing} disturbed the grader's connection to your code ({cause}).").format(
                    doing=doing, cause=cause
                ),
            )
        elif worker.survived and status == -9:
            lost = WorkerLost(
                "crashed", gettext("{doing} closed the grader's connection to your code.").format(doing=doing)
            )
        elif status is None or status < 0:
            self.disturbed |= status in (None, -9)
            often = gettext("; often the machine has run out of memory") if status == -9 else ""
            name = gettext("cause unknown") if status is None else _signal_name(-status)
            lost = WorkerLost(
                "crashed",
                gettext("{doing} crashed the Python process ({name}{often}).").format(
                    doing=doing, name=name, often=often
                ),
            )
        else:
            lost = WorkerLost(
                "crashed",
                gettext("{doing} ended the Python process (exit code {status}). Does it call os._exit()?").format(
                    doing=doing, status=status
                ),
            )
        self._lost = lost
        return lost


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return gettext("signal {number}").format(number=number)


def _only_handles(value: object) -> Handle:
    number = getattr(value, "_grader_handle", None)
    if isinstance(number, Handle):
        return number
    raise ProtocolError(f"a {type(value).__name__} cannot be sent to a worker")


def _student_error(value: Any, doing: str, files: dict[str, bytes]) -> StudentError | MissingName:
    """An "error" reply as an exception, bounded: it was made in the student's process.

    A frame's text is taken from ``files``, as is all that is shown of it: otherwise what a hidden check hands to the
    student's code could be carried out as names of functions or as lines of source.
    """
    if not isinstance(value, dict):
        raise ProtocolError("an error that is none")
    types, text, frames = value.get("types"), value.get("text"), value.get("frames")
    if not (isinstance(types, list) and isinstance(text, str) and isinstance(frames, list)):
        raise ProtocolError("an error without its parts")
    parsed = []
    for item in frames[:20]:
        if not (isinstance(item, list) and len(item) == 3 and isinstance(item[1], int)):
            raise ProtocolError("a frame that is none")
        name, line, function = item
        lines = _text(files.get(name, b"")).split("\n") if isinstance(name, str) else []
        if 0 < line <= len(lines):
            known = isinstance(function, str) and any(f"def {function}(" in each for each in lines)
            parsed.append(Frame(name, line, function if known else "", lines[line - 1].strip()[:200]))
    if "MissingName" in types:
        return MissingName(by_worker(text[:500]))
    return StudentError([str(name)[:100] for name in types[:10]], by_worker(text[:4_000]), parsed, doing)


def _text(source: bytes) -> str:
    try:
        return importlib.util.decode_source(source)
    except (SyntaxError, UnicodeDecodeError):
        return source.decode(errors="replace")
