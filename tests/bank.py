"""Grade many submissions at once, for the tests that run a whole bank of them."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from grader.audit.bank import catchers
from grader.result import FAILURES, Result

ROOT = Path(__file__).resolve().parent.parent
LEAST = 8  # variants of each assignment that an ordinary test run grades; a mistake takes less time: all of them
_state: dict[str, Any] = {}


def submissions(name: str, kind: str) -> list[Path]:
    """The files of solutions/<name>/<kind>/, "mistakes" or "variants"; with WHOLE_BANK=1 all of these, too."""
    files = sorted((ROOT / "solutions" / name / kind).glob("*.py"))
    whole = kind == "mistakes" or os.environ.get("WHOLE_BANK") == "1"
    return files if whole else files[:: max(1, len(files) // LEAST)]


def grade_all(name: str, files: list[Path]) -> dict[Path, Result]:
    """Grade ``files`` as submissions of assignment ``name`` on the embedded digits, on all cores.

    A mistake has to be caught by a check that its file names. So of it only those are run, up to the first that does
    not pass, whatever the checks that they require would say.
    """
    context = multiprocessing.get_context("spawn")
    solution = ROOT / "solutions" / name / f"{name}.py"
    mistakes = [file for file in files if file.parent.name == "mistakes"]
    others = [solution, *(file for file in files if file != solution and file not in mistakes)]
    with ProcessPoolExecutor(os.cpu_count(), context, _start, (name,)) as pool:
        found = {file: pool.submit(_grade, file) for file in others}
        found |= {file: pool.submit(_grade, file, catchers(file)) for file in mistakes}
        return {file: found[file].result() for file in files}


def _start(name: str) -> None:
    from grader.cli import assignments
    from grader.judge.context import Kept
    from grader.judge.workers import Workers

    # None of them hangs. On a busy machine importing torchvision alone can take longer than an assignment allows.
    chosen = assignments.load(name, ROOT, timeout=600)
    _state.update(assignment=chosen, workers=Workers(preload=chosen.settings.preload), kept=Kept(chosen))


def _grade(file: Path, only: list[str] | None = None) -> Result:
    from grader import submission
    from grader.judge.grade import grade

    chosen, workers, kept = (_state[key] for key in ("assignment", "workers", "kept"))
    stop_after = () if only is None else FAILURES
    handed_in = submission.read(chosen, file)
    return grade(chosen, handed_in, workers, data=Path("digits"), only=only, stop_after=stop_after, kept=kept)
