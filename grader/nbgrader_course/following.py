"""Runs a program and follows what it says, line by line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def follow(
    command: Sequence[str], where: Path, listen: Callable[[str], None], environment: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Run ``command`` in the folder ``where``: its exit code, and its lines, of which ``listen`` is told at once.

    >>> import sys
    >>> follow([sys.executable, "-c", "print(1); print(2); raise SystemExit(3)"], Path.cwd(), print)
    1
    2
    (3, ['1', '2'])
    """
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.rstrip())
            listen(said[-1])
    return process.returncode, said
