"""Start a worker: `template` imports torch once and forks a worker on request, `single` is one worker by itself.

python -m grader.worker template CONTROL_FD [MODULE ...]
python -m grader.worker sandboxed CONTROL_FD [MODULE ...]       (a template inside bubblewrap)
python -m grader.worker single CHANNEL_FD FOLDER MEMORY_MB      (CHANNEL_FD "-": standard input and output)
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from grader.worker import confine, withheld
from grader.worker.control import BUFFER, HELLO, REPLY, REQUEST, exactly


def template(control: socket.socket, sandboxed: bool, preload: Sequence[str]) -> None:
    """Fork a worker per request "F"; tell its wait status per request "W"; end all workers when the judge is gone.

    ``sandboxed``: each one in namespaces of its own, which hide its number, so that it says HELLO in its channel: the
    kernel tells the judge who wrote that. ``preload``: modules that workers are to have imported.
    """
    import torch

    import grader.worker.server  # noqa: F401  (and torch: before the first request, so that the forks are warm)

    for name in preload:
        importlib.import_module(name)
    gc.freeze()  # what is there stays, and is not looked through in every fork
    torch.backends.cpu.get_cpu_capability()  # reads /proc/cpuinfo, which workers in a sandbox do not have
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
                try:
                    _become_worker(channel, output)
                    _confine(channel, number, sandboxed)
                    _run(channel, folder)
                except OSError as error:
                    os.write(2, str(error).encode())
                finally:
                    os._exit(1)  # never back into the template's loop
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


def forked(control: socket.socket, preload: Sequence[str]) -> NoReturn:
    """Be a template in a fork of the judge, and the same to student code as one that was started afresh."""
    _reset_signals()
    os.setsid()
    with Path(os.devnull).open("r+") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    if not sys.flags.safe_path and sys.path[0] in ("", str(Path.cwd()), str(Path(sys.argv[0]).resolve().parent)):
        del sys.path[0]
    sys.argv = [__file__]
    this = sys.modules[__name__]
    this.__name__ = "__main__"
    sys.modules["__main__"] = this
    withheld.install()
    template(control, sandboxed=False, preload=preload)
    os._exit(0)


def _reset_signals() -> None:
    """As where nothing was inherited (nohup ignores SIGHUP); but Ctrl-C is the judge's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _become_worker(channel: int, output: int) -> None:
    """Own session; no standard input; standard output and error into the pipe the judge drains."""
    os.setsid()
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def _confine(channel: int, memory_mb: int, sandboxed: bool) -> None:
    if sandboxed:
        confine.enter(channel, memory_mb)
        os.write(channel, HELLO)
    else:
        confine.die_with_parent()
        confine.limit(memory_mb)


def _run(channel: int, folder: str) -> None:
    from grader.worker.server import Server

    gc.freeze()  # where nothing forks; in a fork there is little to add
    os.chdir(folder)
    with (
        open(channel, "rb", BUFFER, closefd=False) as reader,
        open(channel, "wb", BUFFER, closefd=False) as writer,
        # By lines: what is printed is to be seen however the worker ends.
        open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False) as sys.stdout,
    ):
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
    withheld.install()
    if mode in ("template", "sandboxed"):
        _reset_signals()
        template(socket.socket(fileno=int(sys.argv[2])), mode == "sandboxed", sys.argv[3:])
        os._exit(0)  # libraries would complain of what has not been collected
    from grader.worker.server import Server  # before the memory limit: what torch itself takes is not counted

    channel_argument, folder, megabytes = sys.argv[2:5]
    confine.limit(int(megabytes))
    if channel_argument == "-":  # no descriptor can be inherited by number: take standard input and output
        reader, writer = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        os.chdir(folder)
        with os.fdopen(reader, "rb") as incoming, os.fdopen(writer, "wb") as outgoing:
            Server(incoming, outgoing, Path(folder)).serve()
        return
    confine.die_with_parent()
    _run(int(channel_argument), folder)


if __name__ == "__main__":
    main()
