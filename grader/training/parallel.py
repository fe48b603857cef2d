"""Train with several processes: each computes the gradient on its share of every batch, and all make the same step.

Two processes with one thread each train these small networks half as fast again as one with two threads.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed


class Team:
    """The processes that train together; this one is number ``rank`` of ``size``. `ALONE` is a team of one."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def share(self, batch: torch.Tensor) -> torch.Tensor:
        """This process's part of ``batch`` (N, ...): every ``size``-th item.

        >>> Team(1, 2).share(torch.arange(5))
        tensor([1, 3])
        """
        return batch[self.rank :: self.size]

    def average(self, parameters: Iterable[torch.nn.Parameter], numbers: list[float]) -> list[float]:
        """Average the gradients of ``parameters`` (in place) and ``numbers`` over the team."""
        if self.size == 1:
            return numbers
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), torch.tensor(numbers)])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view(gradient.shape))
            start += gradient.numel()
        return [float(number) for number in flat[start:]]


ALONE = Team(0, 1)


@contextlib.contextmanager
def gathered(size: int, follow: Callable[..., None], *arguments: Any) -> Iterator[Team]:
    """A team of ``size``: this process is its first, the others run ``follow(team, *arguments)`` and end with it."""
    if size == 1:
        yield ALONE
        return
    with tempfile.TemporaryDirectory(prefix="grader-") as folder:
        meeting = Path(folder) / "meeting"
        spawn = multiprocessing.get_context("spawn")
        others: list[BaseProcess] = [
            spawn.Process(target=_join, args=(rank, size, meeting, follow, arguments), daemon=True)
            for rank in range(1, size)
        ]
        for other in others:
            other.start()
        try:
            with _joined(0, size, meeting) as team:
                yield team
        finally:
            for other in others:
                other.join(timeout=5)
                other.kill()


@contextlib.contextmanager
def _joined(rank: int, size: int, meeting: Path) -> Iterator[Team]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=size)
    try:
        yield Team(rank, size)
    finally:
        torch.distributed.destroy_process_group()
        torch.set_num_threads(threads)


def _join(rank: int, size: int, meeting: Path, follow: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the first process is told, and tells the others
    with _joined(rank, size, meeting) as team:
        follow(team, *arguments)
