"""The floor that benchmarks compare with gives the scores that the grader gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_floor_grades_as_the_grader_does() -> None:
    solution = ROOT / "solutions" / "inception" / "inception.py"
    mistake = next(iter(sorted((ROOT / "solutions" / "inception" / "mistakes").glob("*.py"))))
    command = [sys.executable, "benchmarks/in_process.py", "inception", "digits", str(mistake), str(solution)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    ready, wrong, right = map(json.loads, done.stdout.splitlines())
    assert ready["score"] == right["score"] == 100
    assert 0 < wrong["score"] < 100
