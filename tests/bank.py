"""Grade many submissions at once, for the tests that run a whole bank of them."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from grader.result import Result

ROOT = Path(__file__).resolve().parent.parent
LEAST = {"mistakes": 26, "variants": 16}  # how many of each an ordinary test run grades
_state: dict[str, object] = {}


def submissions(name: str, kind: str) -> list[Path]:
    """The files of solutions/<name>/<kind>/ ("mistakes" or "variants"): all with WHOLE_BANK=1, else every few."""
    files = sorted((ROOT / "solutions" / name / kind).glob("*.py"))
    least = LEAST[kind]
    return files if os.environ.get("WHOLE_BANK") == "1" else files[:: max(1, len(files) // least)]


def grade_all(name: str, files: list[Path]) -> dict[Path, Result]:
    """Grade ``files`` as submissions of assignment ``name`` on the embedded digits, on all cores."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, _start) as pool:
        return dict(zip(files, pool.map(_grade, [(name, file) for file in files]), strict=True))


def _start() -> None:
    from grader.judge.workers import Workers

    _state["workers"] = Workers()


def _grade(job: tuple[str, Path]) -> Result:
    from grader import assignment, submission
    from grader.judge.grade import grade
    from grader.judge.workers import Workers

    name, file = job
    workers = _state["workers"]
    assert isinstance(workers, Workers)
    chosen = assignment.load(name, ROOT)
    return grade(
        chosen, submission.read(chosen, file), workers, data=Path("digits"), fail_fast=file.parent.name == "mistakes"
    )
