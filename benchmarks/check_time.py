"""How long does grading one submission take, over the unavoidable import of torch? Run it alone on a quiet machine.

    .venv/bin/python benchmarks/check_time.py

For each assignment, in one run: the median time of `python -c "import torch"`, of `grader check` on the solution with
the embedded digits, and the difference. Target: at most 5 seconds above the import.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 3


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of ``command``.

    Raises:
        SystemExit: it failed.
    """
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.monotonic() - started


def main() -> None:
    """Print the table."""
    python = sys.executable
    seconds([python, "-c", "import torch"])  # once for the disk cache
    names = sorted(path.parent.name for path in (ROOT / "assignments").glob("*/assignment.toml"))
    print(f"{'assignment':12} {'import torch':>13} {'grader check':>13} {'above':>8}   median of {REPEATS}, seconds")
    for name in names:
        imports, checks = [], []
        for _ in range(REPEATS):
            imports.append(seconds([python, "-c", "import torch"]))
            command = [python, "-m", "grader", "check", name, "--submission", f"solutions/{name}", "--data", "digits"]
            checks.append(seconds(command))
        base, whole = statistics.median(imports), statistics.median(checks)
        print(f"{name:12} {base:13.1f} {whole:13.1f} {whole - base:+8.1f}")


if __name__ == "__main__":
    main()
