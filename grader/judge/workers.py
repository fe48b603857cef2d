"""Start, watch and end worker processes: forks of a warm template where there is fork, fresh processes elsewhere."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, cast

import psutil

from grader.judge.sandbox import Sandbox
from grader.language import gettext
from grader.worker.confine import PROCESSES, SCRATCH
from grader.worker.control import BUFFER, CREDENTIALS, HELLO, REPLY, REQUEST, exactly

Reason = Literal["timeout", "out_of_memory", "output", "processes"]
POLL = 0.05  # seconds between two looks at a worker's memory and deadline
DRAIN_SECONDS = 0.2  # at most: code that goes on printing is not waited for
KEPT_OUTPUT = 20_000  # bytes of standard output and error kept, from the end
MAX_OUTPUT = 100 << 20  # bytes of it; code that prints more is ended
TEMPLATES = 4  # started in a row before starting workers is given up: each may have been ended from outside
_COMMAND = [sys.executable, "-P", "-m", "grader.worker"]


def can_fork() -> bool:
    """Whether workers are forked; GRADER_NO_FORK=1 says no."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds") and os.environ.get("GRADER_NO_FORK") != "1"


class Worker:
    """One running worker. A guard thread ends it at its deadline or above its memory, and notes why.

    ``wait`` waits for the end of the killed process and gives its exit code, or minus the signal, where that is known.
    ``folder``, if there is one outside the sandbox, is removed with the worker.
    """

    def __init__(
        self,
        process: psutil.Process,
        reader: BinaryIO,
        writer: BinaryIO,
        channel: socket.socket | None,
        output: BinaryIO,
        folder: Path | None,
        memory_mb: int,
        wait: Callable[[], int | None],
    ) -> None:
        self.process, self.reader, self.writer, self.channel = process, reader, writer, channel
        self.folder = folder
        self.deadline = float("inf")  # time.monotonic()
        self.reason: Reason | None = None
        self.survived = False
        self._output, self._wait = output, wait
        self.memory_limit_mb = memory_mb
        self._baseline = _resident(process)
        self._processes = 1
        self._shares_again = 0.0  # time.monotonic()
        self._ended = threading.Event()
        self._printed = bytearray()
        self._reading = threading.Lock()  # held while what was read is added to the above
        self.printed_total = 0
        self._drainer = threading.Thread(target=self._drain, daemon=True)
        self._drainer.start()
        threading.Thread(target=self._guard, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return not _ended(self.process)

    def drain(self) -> None:
        """Wait a moment for what it has printed so far: that has been written, but perhaps not been read yet."""
        until = time.monotonic() + DRAIN_SECONDS
        with contextlib.suppress(OSError, ValueError):
            while time.monotonic() < until:
                with self._reading:
                    if not _readable(self._output, 0):
                        return
                time.sleep(0.001)

    def printed(self) -> str:
        """The end of what the student's code has printed."""
        return bytes(self._printed[-KEPT_OUTPUT:]).decode(errors="replace")

    def kill(self, patience: float = 0) -> int | None:
        """End the worker and everything in its session; returns its wait status where that is known.

        A positive number is an exit code, a negative one the signal. It may be on its way out by itself: for
        ``patience`` seconds its own status is waited for. If that never comes, it has `survived` hanging up.
        """
        self._ended.set()
        if patience and self.reason is None:
            _wait_gone(self.process, patience)
            self.survived = not _ended(self.process)
        descendants = []
        if self.folder is not None:  # in a sandbox they end with it, faster than they can be listed
            with contextlib.suppress(psutil.Error):
                descendants = self.process.children(recursive=True)
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        for process in [self.process, *descendants]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        status = self._wait()
        if self.channel is not None:
            with contextlib.suppress(OSError):
                self.channel.shutdown(socket.SHUT_RDWR)
        self._drainer.join(timeout=0.5)
        for stream in (self.reader, self.writer):
            with contextlib.suppress(OSError, ValueError):
                stream.close()
        if self.channel is not None:
            self.channel.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        return status

    def _drain(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while _readable(self._output, None):
                with self._reading:
                    chunk = os.read(self._output.fileno(), 1 << 16)
                    if not chunk:
                        break
                    self._printed += chunk
                    self.printed_total += len(chunk)
                    if len(self._printed) > 4 * KEPT_OUTPUT:
                        del self._printed[:-KEPT_OUTPUT]
        with contextlib.suppress(OSError):
            self._output.close()

    def _guard(self) -> None:
        while not self._ended.wait(POLL):
            if time.monotonic() > self.deadline:
                self.reason = "timeout"
            elif self._memory() > self.memory_limit_mb << 20:
                self.reason = "out_of_memory"
            elif self._processes > PROCESSES:  # the kernel's own limit does not hold for root
                self.reason = "processes"
            elif self.printed_total > MAX_OUTPUT:
                self.reason = "output"
            if self.reason is not None or _ended(self.process):  # a child it left behind may keep the channel open
                self._hang_up()
                return

    def _memory(self) -> int:
        """Bytes that the worker and the processes it has started hold beyond what a fresh worker does."""
        found = _resident(self.process) - self._baseline
        children = _descendants(self.process, PROCESSES)
        self._processes = len(children)
        with contextlib.suppress(psutil.Error):
            self._processes += self.process.num_threads()
        if children and self._processes <= PROCESSES:
            found += sum(max(0, _resident(child) - self._baseline) for child in children)  # if they are forks
            if time.monotonic() > self._shares_again:
                started = time.monotonic()
                with contextlib.suppress(psutil.AccessDenied, AttributeError):
                    found = max(found, sum(map(_share, [self.process, *children])) - self._baseline)
                # It takes some 20 ms for each fork: no more than a fifth of the time.
                self._shares_again = time.monotonic() + 4 * (time.monotonic() - started)
        return found

    def _hang_up(self) -> None:
        """Wake the judge, which waits for an answer: it sees the end of the stream, and `reason`."""
        with contextlib.suppress(psutil.Error):
            self.process.kill()
        if self.channel is not None:
            with contextlib.suppress(OSError):
                self.channel.shutdown(socket.SHUT_RDWR)


class Template:
    """A process that has imported torch and forks workers. Starting it returns at once; torch is imported meanwhile.

    With a ``sandbox`` it runs inside bubblewrap, and each worker in namespaces of its own within. With ``of_this`` it
    is a fork of this process: see `Workers`.
    """

    def __init__(self, sandbox: Sandbox | None = None, preload: Sequence[str] = (), of_this: bool = False) -> None:
        self.sandbox = sandbox
        ours, theirs = socket.socketpair()
        self.process: subprocess.Popen[bytes] | _Fork
        if of_this:
            self.process = _Fork(ours, theirs, preload)
        else:
            prefix, mode = ([], "template") if sandbox is None else (sandbox.command(), "sandboxed")
            self.process = subprocess.Popen(
                [*prefix, *_COMMAND, mode, str(theirs.fileno()), *preload],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # the judge's belongs to the report
                start_new_session=True,
            )
        theirs.close()
        self.control = ours

    def start(self, folder: Path | None, memory_mb: int) -> Worker:
        """Fork a worker whose working directory is ``folder``; in a sandbox, a folder that is in there only.

        Raises:
            WorkerStartError: the template is gone, or the worker could not be confined.
        """
        channel, theirs = socket.socketpair()
        output_read, output_write = os.pipe()
        name = os.fsencode(folder or SCRATCH)
        said = b""
        try:
            if self.sandbox is not None:
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            try:
                request = REQUEST.pack(b"F", memory_mb, len(name))
                socket.send_fds(self.control, [request], [theirs.fileno(), output_write])
                self.control.sendall(name)
                (pid,) = REPLY.unpack(exactly(self.control, REPLY.size))
            finally:
                theirs.close()
                os.close(output_write)
            process = psutil.Process(pid if self.sandbox is None else _who_says_hello(channel))
        except (OSError, EOFError, psutil.Error) as error:
            channel.close()
            with contextlib.suppress(OSError):
                os.set_blocking(output_read, False)
                said = os.read(output_read, KEPT_OUTPUT)
            os.close(output_read)
            raise WorkerStartError(
                gettext("The process that runs student code could not be started")
                + (
                    f" ({said.decode(errors='replace').strip()})."
                    if said
                    else gettext(" (exit {poll}).").format(poll=self.process.poll())
                )
                + gettext(" See the messages above; is memory or disk full?")
            ) from error
        reader, writer = _streams(channel)
        output = os.fdopen(output_read, "rb", 0)
        return Worker(process, reader, writer, channel, output, folder, memory_mb, partial(self.wait_for, pid))

    def wait_for(self, pid: int) -> int | None:
        """The exit code (or minus the signal) of a worker that was killed or has ended."""
        try:
            self.control.sendall(REQUEST.pack(b"W", pid, 0))
            (status,) = REPLY.unpack(exactly(self.control, REPLY.size))
        except (OSError, EOFError):
            return None
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End the template and whatever it forked."""
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2)
        self.process.kill()
        self.process.wait()


class _Fork:
    """A template that is a fork of this process, with what a `subprocess.Popen` of one is asked for."""

    def __init__(self, ours: socket.socket, theirs: socket.socket, preload: Sequence[str]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            try:
                from grader.worker.__main__ import forked

                ours.close()
                forked(theirs, preload)
            finally:
                os._exit(1)
        self._process = psutil.Process(self.pid)
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or minus the signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it did not come within ``timeout`` seconds.
        """
        if self._status is None:
            try:
                self._status = int(self._process.wait(timeout) or 0)
            except psutil.TimeoutExpired as error:
                raise subprocess.TimeoutExpired("template", timeout or 0) from error
        return self._status

    def kill(self) -> None:
        """End it, unless it has ended."""
        if self.poll() is None:
            self._process.kill()


class WorkerStartError(Exception):
    """No worker can be started: a fault of the machine, not of the submission."""


class Workers:
    """Starts workers, one after the other; close it to leave no process behind.

    Where they are forked, the modules ``preload`` are imported once for all of them, beside torch. With ``of_this`` the
    template is a fork of this process, so that torch is imported once and not twice at the same time. For that, this
    process has imported torch, but not torchvision, has no threads and has not computed with torch yet; what it knows
    by then student code could find, too. Elsewhere than on Linux, and in a sandbox, the template is one like any other.
    """

    def __init__(
        self,
        memory_mb: int = 4_000,
        sandbox: Sandbox | None = None,
        preload: Iterable[str] = (),
        of_this: bool = False,
    ) -> None:
        self.memory_mb, self.sandbox, self.preload = memory_mb, sandbox, sorted(set(preload))
        self.folder: Path | None = None
        if sandbox is None:  # in a sandbox, workers' folders are in there
            # Every worker's folder is in this one, so that nothing is left however a run ends.
            self.folder = Path(tempfile.mkdtemp(prefix="grader-")).resolve()
        try:
            forks = can_fork() or sandbox is not None
            of_this = of_this and sandbox is None and sys.platform == "linux"
            self.template = Template(sandbox, self.preload, of_this) if forks else None
        except BaseException:
            self._remove_folder()
            raise

    def start(self) -> Worker:
        """A fresh worker in a private, empty folder.

        Raises:
            WorkerStartError: none can be started, with new templates either.
        """
        for _ in range(TEMPLATES - 1):
            try:
                return self._start()
            except WorkerStartError:
                if self.template is None:
                    raise
                self.template.close()  # it was ended from outside, perhaps in the middle of this
        return self._start()

    def _start(self) -> Worker:
        if self.template is not None and self.template.process.poll() is not None:
            self.template.close()
            self.template = Template(self.sandbox, self.preload)
        if self.template is not None and self.sandbox is not None:
            return self.template.start(None, self.memory_mb)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            return self._spawn(folder) if self.template is None else self.template.start(folder, self.memory_mb)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _spawn(self, folder: Path) -> Worker:
        arguments = [str(folder), str(self.memory_mb)]
        if os.name == "posix":
            channel, theirs = socket.socketpair()
            process = subprocess.Popen(
                [*_COMMAND, "single", str(theirs.fileno()), *arguments],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            theirs.close()
            reader, writer = _streams(channel)
            assert process.stdout is not None
            output = cast(BinaryIO, process.stdout)
            return Worker(
                psutil.Process(process.pid), reader, writer, channel, output, folder, self.memory_mb, process.wait
            )
        process = subprocess.Popen(
            [*_COMMAND, "single", "-", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        incoming, outgoing = cast(BinaryIO, process.stdout), cast(BinaryIO, process.stdin)
        output = cast(BinaryIO, process.stderr)
        return Worker(
            psutil.Process(process.pid), incoming, outgoing, None, output, folder, self.memory_mb, process.wait
        )

    def close(self) -> None:
        """End the template; workers end with it."""
        if self.template is not None:
            self.template.close()
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _streams(channel: socket.socket) -> tuple[BinaryIO, BinaryIO]:
    return cast(BinaryIO, channel.makefile("rb", BUFFER)), cast(BinaryIO, channel.makefile("wb", BUFFER))


def _who_says_hello(channel: socket.socket) -> int:
    """The pid, as this process counts, of whoever writes `HELLO` into the other end: the kernel's word for it."""
    hello, ancillary, _, _ = channel.recvmsg(len(HELLO), socket.CMSG_SPACE(CREDENTIALS.size))
    for level, kind, data in ancillary:
        if hello == HELLO and level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return int(CREDENTIALS.unpack(data[: CREDENTIALS.size])[0])
    raise EOFError


def _readable(stream: BinaryIO, milliseconds: int | None) -> bool:
    """Whether something (the end, too) can be read without waiting, or after so long; where one cannot know, yes."""
    if not hasattr(select, "poll"):
        return milliseconds is None
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    return bool(poll.poll(milliseconds))


def _descendants(process: psutil.Process, most: int) -> list[psutil.Process]:
    """What ``process`` has started and what that has started; no more than some beyond ``most``.

    Where the kernel lists a thread's children, this is cheap however many other processes there are.
    """
    if not Path(f"/proc/self/task/{threading.get_native_id()}/children").exists():
        with contextlib.suppress(psutil.Error):
            return process.children(recursive=True)
        return []
    found: list[psutil.Process] = []
    waiting = [process.pid]
    while waiting and len(found) <= most:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{waiting.pop()}/task").iterdir():
                for number in (thread / "children").read_text().split():
                    waiting.append(int(number))
                    with contextlib.suppress(psutil.Error):
                        found.append(psutil.Process(int(number)))
    return found


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _share(process: psutil.Process) -> int:
    """Resident memory, of what is shared with other processes the due share only: added up, a page counts once."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def _ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _wait_gone(process: psutil.Process, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not _ended(process):
        time.sleep(0.005)
