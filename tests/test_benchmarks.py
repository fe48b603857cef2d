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
    command = [sys.executable, "benchmarks/parts/in_process.py", "inception", "digits", str(mistake), str(solution)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    ready, wrong, right = map(json.loads, done.stdout.splitlines())
    assert ready["score"] == right["score"] == 100
    assert 0 < wrong["score"] < 100


def test_the_checks_of_a_notebook_s_cells_tell_right_from_wrong() -> None:
    """What nbgrader and otter run in a kernel, where nothing is imported by a worker."""
    program = """
import sys
from pathlib import Path

from parts import in_process

for path in sys.argv[1:]:
    source = Path(path).read_text()
    defined = {"In": [source]}
    exec(source, defined)
    notebook = in_process.Notebook("inception", "digits", defined)
    failed = 0
    for name in notebook.checks:
        try:
            notebook.check(name)
        except Exception:
            failed += 1
    print(failed, len(notebook.checks))
"""
    solution = ROOT / "solutions" / "inception" / "inception.py"
    mistake = next(iter(sorted((ROOT / "solutions" / "inception" / "mistakes").glob("*.py"))))
    done = subprocess.run(
        [sys.executable, "-c", program, str(solution), str(mistake)],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
        check=True,
    )
    (right, checks), (wrong, _) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert right == 0 < wrong < checks
