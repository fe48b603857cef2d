"""A class run that is stopped or killed, or parts of it, here and on a cluster: nothing is lost or graded twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import course
import psutil
import pytest
from course import grades, hand_in, results

from grader.class_run import executors


def many(count: int, seconds: float = 0) -> dict[str, str]:
    """Submissions that all differ, right and wrong ones; each takes ``seconds`` to import."""
    slow = f"import time\n\ntime.sleep({seconds})\n" if seconds else ""
    found = {}
    for number in range(count):
        factor = 3 if number % 3 else 2
        found[f"s{number:04}"] = (
            f"{slow}NUMBER = {number}\n\n\ndef double(x):\n    return 2 * x\n\n\n"
            f"def triple(x):\n    return {factor} * x\n"
        )
    return found


@contextlib.contextmanager
def running(root: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    with (root / "run.log").open("ab") as log:
        process = subprocess.Popen(
            course.command(*arguments),
            cwd=root,
            env=course.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def stored(out: Path) -> int:
    try:
        with contextlib.closing(sqlite3.connect(out / "results.sqlite")) as database:
            return int(database.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.Error:
        return 0


def kind_of(process: psutil.Process) -> str:
    """What a process below a run is."""
    line = " ".join(process.cmdline())
    if "forkserver" in line:
        return "judge"
    return "sandbox" if "grader.worker" in line else "other"


def disturb(root: Path, arguments: tuple[object, ...], out: Path, total: int, kills: int) -> set[psutil.Process]:
    """Run to the end, killing the run, its judges, templates or workers ``kills`` times on the way.

    Returns:
        Every process that was seen below the run.
    """
    choose = random.Random(1)
    marks = sorted(choose.sample(range(1, total * 3 // 4), kills))  # all of them before the end
    seen: set[psutil.Process] = set()
    deadline = time.monotonic() + 1_800
    while True:
        with running(root, *arguments) as process:
            while process.poll() is None:
                assert time.monotonic() < deadline, (root / "run.log").read_text()[-2_000:]
                time.sleep(0.02)
                if not marks or stored(out) < marks[0]:
                    continue
                with contextlib.suppress(psutil.Error):
                    below = psutil.Process(process.pid).children(recursive=True)
                    seen.update(below)
                    kind = choose.choice(["run", "judge", "sandbox", "sandbox"])
                    victims = (
                        [psutil.Process(process.pid)] if kind == "run" else [p for p in below if kind_of(p) == kind]
                    )
                    if victims:
                        choose.choice(victims).kill()
                        marks.pop(0)
            if process.returncode == 0:
                assert not marks, "it was not disturbed as often as it should have been"
                return seen
            assert process.returncode == -signal.SIGKILL, (root / "run.log").read_text()[-2_000:]


def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    count, kills = (1_000, 10) if os.environ.get("WHOLE_CLASS") == "1" else (60, 5)
    root = course.make(tmp_path / "course")
    hand_in(root / "class", many(count))
    assert course.run(root, "grade", "class", "-a", "multiples", "--out", "undisturbed").returncode == 0
    seen = disturb(root, ("grade", "class", "-a", "multiples", "--out", "out"), root / "out", count, kills)
    assert stored(root / "out") == count
    assert (root / "out" / "grades.csv").read_bytes() == (root / "undisturbed" / "grades.csv").read_bytes()
    assert results(root / "out") == results(root / "undisturbed")
    assert seen
    assert not psutil.wait_procs(seen, timeout=20)[1]


def ended_while_asked() -> threading.Thread:
    """The process that judges are forked from: it takes the next request and is killed before it answers."""
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGSTOP)

    def end() -> None:
        time.sleep(2)  # by then it is asked, on a busy machine, too
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=end)
    thread.start()
    return thread


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere judges are not forked")
def test_what_judges_are_forked_from_may_be_killed_at_any_moment() -> None:
    executors.warm_up()
    ending = ended_while_asked()
    with executors.local(1) as (pool, _):  # it has started another one
        ending.join()
        ending = ended_while_asked()
        with pytest.raises(BrokenExecutor):
            pool.submit(os.getpid)
        ending.join()
    with executors.local(1) as (pool, _):
        assert pool.submit(os.getpid).result() != os.getpid()


def test_ctrl_c_keeps_what_is_graded_and_two_runs_do_not_mix(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    hand_in(root / "class", many(40, seconds=0.7))
    arguments = ("grade", "class", "-a", "multiples", "--out", "out")
    with running(root, *arguments) as process:
        while stored(root / "out") < 3:
            assert process.poll() is None, (root / "run.log").read_text()
            time.sleep(0.02)
        second = course.run(root, *arguments)
        assert second.returncode == 2
        assert "Another run is grading into" in second.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert "They are kept" in (root / "run.log").read_text()
    kept = stored(root / "out")
    assert 3 <= kept < 40
    done = course.run(root, *arguments)
    assert done.returncode == 0
    assert f"{kept} unchanged, {40 - kept} to grade." in done.stdout
    assert len(grades(root / "out")) == 40


@pytest.mark.parametrize("seconds", [1.5, 3, 5])
def test_ctrl_c_at_the_start_is_one_sentence(tmp_path: Path, seconds: float) -> None:
    root = course.make(tmp_path / "course")
    hand_in(root / "class", {"alice": course.RIGHT, "bob": "while True: pass"})
    with running(root, "grade", "class", "-a", "multiples", "--out", "out", "--jobs", "1") as process:
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.wait(timeout=60) == 130
    log = (root / "run.log").read_text()
    assert log.endswith("Stopped.\n")
    assert "Traceback" not in log
    assert "File" not in log


@contextlib.contextmanager
def dask_cluster(root: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real scheduler and ``workers`` worker processes; its address, and the workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    plain = ["--no-dashboard", "--host", "127.0.0.1"]
    with (root / "dask.log").open("ab") as log, contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{arguments[0]}", *arguments[1:], *plain],
                cwd=root,
                env=course.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        start("dask_scheduler", "--port", address.rpartition(":")[2])
        yield (
            address,
            [start("dask_worker", address, "--nthreads", "1", "--no-nanny", "--name", f"w{i}") for i in range(workers)],
        )


def test_a_dask_cluster_grades_the_same_and_survives_a_worker(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    hand_in(root / "class", many(40))
    arguments = ("grade", "class", "-a", "multiples", "--out", "out")
    assert course.run(root, *arguments[:-1], "here").returncode == 0
    with dask_cluster(root, 2) as (address, workers):
        wait_for_workers(address, 2)
        with running(root, *arguments, "--scheduler", address) as process:
            while stored(root / "out") < 5:
                assert process.poll() is None, (root / "run.log").read_text()
                time.sleep(0.02)
            workers[0].kill()
            assert process.wait(timeout=600) == 0, (root / "run.log").read_text()
    assert (root / "out" / "grades.csv").read_bytes() == (root / "here" / "grades.csv").read_bytes()
    assert results(root / "out") == results(root / "here")


def wait_for_workers(address: str, count: int) -> None:
    from distributed import Client

    connect: Any = Client
    with connect(address, timeout=120, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=120)
