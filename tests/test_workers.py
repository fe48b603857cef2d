"""What starts workers: a process of its own, or a fork of the grader's, which student code cannot tell apart."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from grader.judge import sandbox
from grader.judge.workers import can_fork

ROOT = Path(__file__).resolve().parents[1]
linux = pytest.mark.skipif(sys.platform != "linux" or not can_fork(), reason="forks of the grader are for Linux")

# What a student's code finds around it, beside its own folder.
WORK = """
import os, signal, sys

def around():
    handled = [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    open_files = sorted(os.readlink(f"/proc/self/fd/{name}").split(":")[0] for name in os.listdir("/proc/self/fd")
                        if os.path.exists(f"/proc/self/fd/{name}"))
    main = sys.modules["__main__"]
    models = __import__("torchvision.models").models
    return [sys.path[1:], sys.argv[0], handled, open_files, main.__name__, main.__file__, str(main.__spec__.name),
            str(type(models)), os.getsid(0) == os.getpid(), sys.stdin.read()]
"""

# A program of the grader's, as `grader check` is one.
PROGRAM = """
import json, sys
import torch
from grader.judge.workers import Workers
from grader.student import Student
from grader.judge.session import Session

with Workers(of_this=sys.argv[1] == "fork") as workers:
    session = Session(workers, {"work.py": sys.stdin.buffer.read()})
    session.begin(120)
    print(json.dumps([Student(session).around(), workers.template.process.pid]), flush=True)
    if sys.argv[2:] == ["stay"]:
        session.begin(120)
        sys.stdin.close()
        import time
        time.sleep(120)
    session.close()
print(workers.template.process.poll() is not None)
"""


def program(kind: str, *more: str) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind, *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdin is not None
    started.stdin.write(WORK)
    started.stdin.close()
    return started


@linux
def test_a_fork_of_the_grader_is_like_a_process_of_its_own() -> None:
    said = []
    for kind in ("fork", "own"):
        with program(kind) as started:
            assert started.stdout is not None
            around, pid = json.loads(started.stdout.readline())
            assert started.stdout.readline() == "True\n"  # its template has ended
        assert not psutil.pid_exists(pid)
        said.append(around)
    assert said[0] == said[1]


@linux
def test_no_fork_outlives_the_grader() -> None:
    with program("fork", "stay") as started:
        assert started.stdout is not None
        _, pid = json.loads(started.stdout.readline())
        template = psutil.Process(pid)
        (worker,) = template.children()
        os.kill(started.pid, signal.SIGKILL)
    _, left = psutil.wait_procs([template, worker], timeout=10)
    assert not left


@linux
@pytest.mark.parametrize(("kills", "works"), [(sandbox.TRIES - 1, True), (sandbox.TRIES, False)])
def test_a_sandbox_that_is_killed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, works: bool
) -> None:
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\n"
        f'echo >> "{tmp_path}/tried"\n'
        f'[ $(wc -l < "{tmp_path}/tried") -gt {kills} ] || kill -9 $$\n'
        f'exec {shutil.which("bwrap")} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    sandbox._tried.cache_clear()
    try:
        if works:
            sandbox.find([])
        else:
            with pytest.raises(sandbox.SandboxError, match="does not work here"):
                sandbox.find([])
    finally:
        sandbox._tried.cache_clear()
