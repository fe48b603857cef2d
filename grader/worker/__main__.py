"""Start a worker: `template` imports torch once and forks a worker on request, `single` is one worker by itself.

python -m grader.worker template CONTROL_FD
python -m grader.worker single CHANNEL_FD FOLDER MEMORY_MB      (CHANNEL_FD "-": standard input and output)
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from grader.worker.control import REPLY, REQUEST, exactly


def template(control: socket.socket) -> None:
    """Fork a worker per request "F"; tell its wait status per request "W"; end all workers when the judge is gone."""
    import grader.worker.server  # noqa: F401  (and torch: before the first request, so that the forks are warm)

    children: set[int] = set()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, REQUEST.size, 2, socket.MSG_WAITALL)
        if len(request) < REQUEST.size:
            break
        kind, number, length = REQUEST.unpack(request)
        if kind == b"F":
            folder = os.fsdecode(exactly(control, length))
            channel, output = descriptors
            pid = os.fork()
            if pid == 0:
                control.close()
                _become_worker(channel, output)
                _run(channel, folder, number)
            os.close(channel)
            os.close(output)
            children.add(pid)
            control.sendall(REPLY.pack(pid))
        else:
            _, status = os.waitpid(number, 0)
            children.discard(number)
            control.sendall(REPLY.pack(status))
    for pid in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _become_worker(channel: int, output: int) -> None:
    """Own session; no standard input; standard output and error into the pipe the judge drains."""
    os.setsid()
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    _die_with_parent()


def _die_with_parent() -> None:
    """On Linux: be killed when the template is, so that nothing is left running after it."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1  # linux/prctl.h
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _limit_memory(megabytes: int) -> None:
    """Let data grow by ``megabytes``: an allocation above that raises in the student's code.

    Address space is no measure here (importing torch maps tens of GB of it); the judge also watches resident memory.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = Path("/proc/self/status")
    if status.exists():
        used = next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmData"))
        limit = used + (megabytes << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _run(channel: int, folder: str, megabytes: int) -> None:
    from grader.worker.server import Server  # before the memory limit: what torch itself takes is not counted

    os.chdir(folder)
    _limit_memory(megabytes)
    with open(channel, "rb", closefd=False) as reader, open(channel, "wb", closefd=False) as writer:
        try:
            Server(reader, writer, Path(folder)).serve()
        except BrokenPipeError:
            pass  # the judge is gone or has given this worker up
        finally:
            sys.stdout.flush()
            os._exit(0)


def main() -> None:
    """Entry point of ``python -m grader.worker``."""
    mode = sys.argv[1]
    if mode == "template":
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the judge's to handle
        template(socket.socket(fileno=int(sys.argv[2])))
        return
    channel_argument, folder, megabytes = sys.argv[2:5]
    if channel_argument == "-":  # no descriptor can be inherited by number: take standard input and output
        reader, writer = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        from grader.worker.server import Server

        _limit_memory(int(megabytes))
        os.chdir(folder)
        with os.fdopen(reader, "rb") as incoming, os.fdopen(writer, "wb") as outgoing:
            Server(incoming, outgoing, Path(folder)).serve()
        return
    _die_with_parent()
    _run(int(channel_argument), folder, int(megabytes))


if __name__ == "__main__":
    main()
