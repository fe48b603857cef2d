"""Where tasks run: a pool of judge processes here, or a dask cluster; both shaped like `concurrent.futures`."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import forkserver, resource_tracker
from typing import Any, TypeVar

from grader.judge.sandbox import ALLOCATOR

Answer = TypeVar("Answer")
STARTS = 4  # of the process that judges are forked from: each may have been ended from outside
_KILLED = (EOFError, ConnectionError)  # what asking that process raises, if it is ended meanwhile


class SchedulerError(Exception):
    """The cluster cannot be used; the message says why."""


def warm_up() -> None:
    """Where judges are forked: start the process they are forked from, which imports torch meanwhile."""
    if sys.platform == "linux":
        multiprocessing.set_forkserver_preload(["grader.class_run.judging"])
        for name, value in ALLOCATOR.items():
            os.environ.setdefault(name, value)
        resource_tracker.ensure_running()  # would be started below, and leave SIGINT unblocked
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is this process's to handle
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        atexit.unregister(_end_forks)
        atexit.register(_end_forks)


def _end_forks(wait: bool = False) -> None:
    """End the process that judges are forked from, which would take seconds to end torch, and holds our output open.

    With ``wait`` until it has ended: one that is just ending still passes for running, and answers nobody.
    """
    pid = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            if wait:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # its status is multiprocessing's to take


def _nothing() -> None:
    pass


class _Pool(ProcessPoolExecutor):
    """One that says it is broken where the process its own are forked from was killed just then."""

    def submit(self, fn: Callable[..., Answer], /, *args: Any, **kwargs: Any) -> Future[Answer]:
        try:
            return super().submit(fn, *args, **kwargs)
        except _KILLED as error:
            raise BrokenExecutor("no judge can be forked") from error


@contextlib.contextmanager
def local(jobs: int) -> Iterator[tuple[Executor, int]]:
    """``jobs`` judge processes, and how many tasks to have under way; they are ended at once, whatever they do.

    Where the system can, they are forks of one process that has imported torch.

    Raises:
        SchedulerError: none can be started.
    """
    from grader.class_run.judging import begin_process  # torch: not before `warm_up`

    method: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    _wait_for_forks(method)
    pool = _Pool(jobs, mp_context=method, initializer=begin_process)
    try:
        yield pool, jobs
    finally:
        processes = list((getattr(pool, "_processes", None) or {}).values())
        for process in processes:  # first: one that is just starting would miss what the pool takes away
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.join(timeout=5)


def _wait_for_forks(method: Any) -> None:
    """Until judges can be forked, so that Ctrl-C finds nothing begun that would complain of being left alone."""
    for left in reversed(range(STARTS)):
        warm_up()
        first = method.Process(target=_nothing)
        try:
            first.start()
        except _KILLED as error:
            if not left:
                raise SchedulerError(
                    "The processes that grade cannot be started: they are ended at once. Is memory full?"
                ) from error
            _end_forks(wait=True)
        else:
            first.join()
            return


@contextlib.contextmanager
def cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """The dask cluster whose scheduler is at ``address`` ("tcp://host:8786"), and how many tasks to have under way.

    A task whose worker dies is given to another one, by dask.

    Raises:
        SchedulerError: dask.distributed is missing, or there is no scheduler, or no worker.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SchedulerError(
            "--scheduler needs dask.distributed: pip install 'torch-grader[cluster]', here and there."
        ) from None
    try:
        connect: Any = Client
        client = connect(address, timeout=20, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SchedulerError(f"No dask scheduler answers at {address} ({error}).") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise SchedulerError(f"The scheduler at {address} has no workers. Start one with: dask worker {address}")
        # pure=False: a submission that is graded again is graded again, not looked up.
        yield client.get_executor(pure=False, retries=2), 2 * threads  # no worker waits for its next
