"""What a command costs: seconds, and the memory of all its processes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
EVERY = 10.0  # seconds between two looks at the memory: one of ten processes takes 150 ms of a core, and holds them up


@dataclass
class Cost:
    """Of one command over ``count`` submissions: wall-clock seconds, and the peak of the memory (bytes).

    ``startup`` are the seconds before, until it was ready: the solution graded once by each process.
    """

    what: str
    count: int
    seconds: float
    memory: float
    cores: int = 1
    startup: float = 0.0

    @property
    def each(self) -> float:
        """Seconds per submission and core."""
        return self.seconds * self.cores / self.count


def measured(what: str, command: list[str], count: int, cores: int = 1, **options: Any) -> tuple[Cost, str]:
    """Run it; its cost and what it printed.

    Raises:
        SystemExit: it failed.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, **options
    )
    peak = [0]
    done = threading.Event()
    watching = threading.Thread(target=watch, args=(psutil.Process(process.pid), peak, done))
    watching.start()
    printed, _ = process.communicate()
    seconds = time.monotonic() - started
    done.set()
    watching.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{printed}")
    return Cost(what, count, seconds, peak[0], cores), printed


def watch(process: psutil.Process, peak: list[int], done: threading.Event) -> None:
    """Note the most memory (bytes, PSS) that ``process`` and those below it hold at once, until ``done``."""
    pause = 1.0  # a short command is looked at, too
    while not done.wait(pause):
        pause, total = EVERY, 0
        with contextlib.suppress(psutil.Error):
            for each in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += each.memory_full_info().pss
        peak[0] = max(peak[0], total)
