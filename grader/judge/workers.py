"""Start, watch and end worker processes: forks of a warm template where there is fork, fresh processes elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import BinaryIO, Literal, cast

import psutil

from grader.worker.control import REPLY, REQUEST, exactly

Reason = Literal["timeout", "out_of_memory"]
POLL = 0.05  # seconds between two looks at a worker's memory and deadline
KEPT_OUTPUT = 20_000  # bytes of standard output and error kept, from the end
_COMMAND = [sys.executable, "-P", "-m", "grader.worker"]


def can_fork() -> bool:
    """Whether workers are forked; GRADER_NO_FORK=1 says no."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds") and os.environ.get("GRADER_NO_FORK") != "1"


class Worker:
    """One running worker. A guard thread ends it at its deadline or above its memory, and notes why."""

    def __init__(
        self,
        process: psutil.Process,
        reader: BinaryIO,
        writer: BinaryIO,
        channel: socket.socket | None,
        output: BinaryIO,
        folder: Path,
        memory_mb: int,
        reap: object,
    ) -> None:
        self.process, self.reader, self.writer, self.channel = process, reader, writer, channel
        self.folder = folder
        self.deadline = float("inf")  # time.monotonic()
        self.reason: Reason | None = None
        self._output, self._reap = output, reap
        self.memory_limit_mb = memory_mb
        self._baseline = _resident(process)
        self._ended = threading.Event()
        self._printed = bytearray()
        self.printed_total = 0
        self._drainer = threading.Thread(target=self._drain, daemon=True)
        self._drainer.start()
        threading.Thread(target=self._guard, daemon=True).start()

    def printed(self) -> str:
        """The end of what the student's code has printed."""
        return bytes(self._printed[-KEPT_OUTPUT:]).decode(errors="replace")

    def kill(self) -> int | None:
        """End the worker and everything in its session; returns its wait status where that is known.

        A positive number is an exit code, a negative one the signal.
        """
        self._ended.set()
        descendants = []
        with contextlib.suppress(psutil.Error):
            descendants = self.process.children(recursive=True)
        status: int | None = None
        if isinstance(self._reap, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._reap.wait(timeout=0.05 if self.reason is None else 0)
        elif self.reason is None:
            _wait_gone(self.process, 0.05)  # it may be on its way out by itself: then its own status counts
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        for process in [self.process, *descendants]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if isinstance(self._reap, subprocess.Popen):
            status = self._reap.wait()
        elif isinstance(self._reap, Template):
            status = self._reap.wait_for(self.process.pid)
        if self.channel is not None:
            with contextlib.suppress(OSError):
                self.channel.shutdown(socket.SHUT_RDWR)
        self._drainer.join(timeout=0.5)
        for stream in (self.reader, self.writer):
            with contextlib.suppress(OSError, ValueError):
                stream.close()
        if self.channel is not None:
            self.channel.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return status

    def _drain(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._output.fileno(), 1 << 16):
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
            elif _resident(self.process) - self._baseline > self.memory_limit_mb << 20:
                self.reason = "out_of_memory"
            if self.reason is not None or _ended(self.process):  # a child it left behind may keep the channel open
                self._hang_up()
                return

    def _hang_up(self) -> None:
        """Wake the judge, which waits for an answer: it sees the end of the stream, and `reason`."""
        with contextlib.suppress(psutil.Error):
            self.process.kill()
        if self.channel is not None:
            with contextlib.suppress(OSError):
                self.channel.shutdown(socket.SHUT_RDWR)


class Template:
    """A process that has imported torch and forks workers. Starting it returns at once; torch is imported meanwhile."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [*_COMMAND, "template", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the judge's belongs to the report
            start_new_session=True,
        )
        theirs.close()
        self.control = ours

    def start(self, folder: Path, memory_mb: int) -> Worker:
        """Fork a worker whose working directory is ``folder``.

        Raises:
            WorkerStartError: the template is gone.
        """
        channel, theirs = socket.socketpair()
        output_read, output_write = os.pipe()
        name = os.fsencode(folder)
        try:
            socket.send_fds(self.control, [REQUEST.pack(b"F", memory_mb, len(name))], [theirs.fileno(), output_write])
            self.control.sendall(name)
            (pid,) = REPLY.unpack(exactly(self.control, REPLY.size))
            process = psutil.Process(pid)
        except (OSError, EOFError, psutil.Error) as error:
            channel.close()
            os.close(output_read)
            raise WorkerStartError(
                "The process that runs student code could not be started "
                f"(exit status {self.process.poll()}). See the messages above; is memory or disk full?"
            ) from error
        finally:
            theirs.close()
            os.close(output_write)
        reader, writer = _streams(channel)
        return Worker(process, reader, writer, channel, os.fdopen(output_read, "rb", 0), folder, memory_mb, self)

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


class WorkerStartError(Exception):
    """No worker can be started: a fault of the machine, not of the submission."""


class Workers:
    """Starts workers, one after the other; close it to leave no process behind."""

    def __init__(self, memory_mb: int = 4_000) -> None:
        self.memory_mb = memory_mb
        # Every worker's folder is in this one, so that nothing is left however a run ends.
        self.folder = Path(tempfile.mkdtemp(prefix="grader-")).resolve()
        try:
            self.template = Template() if can_fork() else None
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def start(self, files: dict[str, bytes]) -> Worker:
        """A fresh worker whose private folder holds ``files``."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for name, content in files.items():
            (folder / name).write_bytes(content)
        try:
            if self.template is None:
                return self._spawn(folder)
            if self.template.process.poll() is not None:
                self.template.close()
                self.template = Template()
            return self.template.start(folder, self.memory_mb)
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
            return Worker(psutil.Process(process.pid), reader, writer, channel, output, folder, self.memory_mb, process)
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
        return Worker(psutil.Process(process.pid), incoming, outgoing, None, output, folder, self.memory_mb, process)

    def close(self) -> None:
        """End the template; workers end with it."""
        if self.template is not None:
            self.template.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _streams(channel: socket.socket) -> tuple[BinaryIO, BinaryIO]:
    return cast(BinaryIO, channel.makefile("rb")), cast(BinaryIO, channel.makefile("wb"))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
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
