"""Grade many submissions at once, for the tests that run a whole bank of them."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from grader.audit.bank import catchers
from grader.diagnosis.finding import Finding
from grader.result import FAILURES, Result

ROOT = Path(__file__).resolve().parent.parent
LEAST = 8  # variants of each assignment that an ordinary test run grades; a mistake takes less time: all of them
WHOLE = os.environ.get("WHOLE_BANK") == "1"
FEW = 4  # diagnoses: every fourth file, but for DIAGNOSES=all
_state: dict[str, Any] = {}


def submissions(name: str, kind: str) -> list[Path]:
    """The files of solutions/<name>/<kind>/, "mistakes" or "variants"; with WHOLE_BANK=1 all of these, too."""
    files = sorted((ROOT / "solutions" / name / kind).glob("*.py"))
    return files if WHOLE or kind == "mistakes" else files[:: max(1, len(files) // LEAST)]


def some(files: list[Path]) -> list[Path]:
    """Those that a test run diagnoses."""
    return files if os.environ.get("DIAGNOSES") == "all" else files[::FEW]


def grade_all(name: str, files: list[Path]) -> dict[Path, Result]:
    """Grade ``files`` as submissions of assignment ``name`` on the embedded digits, on all cores.

    A mistake has to be caught by a check that its file names. So of it only those are run, up to the first that does
    not pass, whatever the checks that they require would say.
    """
    solution = ROOT / "solutions" / name / f"{name}.py"
    mistakes = [file for file in files if file.parent.name == "mistakes"]
    only = {file: catchers(file) for file in mistakes}  # a wrong header is said before anything is graded
    others = [solution, *(file for file in files if file != solution and file not in mistakes)]
    with pool(name) as judges:
        found = {file: judges.submit(_grade, file) for file in others}
        found |= {file: judges.submit(_grade, file, checks) for file, checks in only.items()}
        return {file: found[file].result() for file in files}


def look_at_all(name: str, files: list[Path]) -> dict[Path, list[Finding]]:
    """What the diagnosis finds in mistakes: of the first check that each names and that fails, on all cores."""
    with pool(name) as judges:
        found = {file: judges.submit(_look, file) for file in files}
        return {file: found[file].result() for file in files}


def compare_all(name: str, files: list[Path], maker: str, shape: tuple[int, ...]) -> dict[Path, Finding | None]:
    """What the diagnosis finds between the solution's model and each file's, looked for in all it can tell.

    Both are what ``maker`` returns; they are given a batch of ``shape``.
    """
    with pool(name) as judges:
        found = {file: judges.submit(_compare, file, maker, shape) for file in files}
        return {file: found[file].result() for file in files}


def pool(name: str) -> ProcessPoolExecutor:
    """As many judges of an assignment as there are cores."""
    return ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), _start, (name,))


def _start(name: str) -> None:
    import torch

    from grader.cli import assignments
    from grader.judge.context import Kept
    from grader.judge.workers import Workers

    torch.set_num_threads(1)  # as a judge and its workers have it
    # None of them hangs. On a busy machine importing torchvision alone can take longer than an assignment allows.
    chosen = assignments.load(name, ROOT, timeout=600)
    _state.update(assignment=chosen, workers=Workers(preload=chosen.settings.preload), kept=Kept(chosen))


def _grade(file: Path, only: list[str] | None = None) -> Result:
    from grader import submission
    from grader.judge.grade import grade

    chosen, workers, kept = (_state[key] for key in ("assignment", "workers", "kept"))
    stop_after = () if only is None else FAILURES
    handed_in = submission.read(chosen, file)
    return grade(
        chosen,
        handed_in,
        workers,
        data=Path("digits"),
        only=only,
        stop_after=stop_after,
        shrink=only is None,
        kept=kept,
    )


def _look(file: Path) -> list[Finding]:
    from grader import datasets, submission
    from grader.judge.context import Context
    from grader.judge.diagnose import diagnose
    from grader.judge.plugin import run_checks
    from grader.judge.run import Run
    from grader.judge.session import Session

    chosen, workers, kept = (_state[key] for key in ("assignment", "workers", "kept"))
    handed_in = submission.read(chosen, file)
    context = Context(chosen, handed_in, lambda: datasets.find(Path("digits")), 0, threads=1, kept=kept)
    with closing(Session(workers, handed_in.files, import_seconds=600)) as session:
        run = run_checks(Run(session, context, only=catchers(file), stop_after=FAILURES))
    return list(diagnose(run, context, workers).values())


def _compare(file: Path, maker: str, shape: tuple[int, ...]) -> Finding | None:
    import torch

    from grader import submission
    from grader.judge.context import import_solution
    from grader.judge.examine import Made, Subject, examine
    from grader.judge.session import Session
    from grader.student import Student, StudentError

    chosen, workers, _ = (_state[key] for key in ("assignment", "workers", "kept"))
    handed_in = submission.read(chosen, file)
    with closing(Session(workers, handed_in.files, import_seconds=600, watch=True)) as session:
        session.begin(600)
        student = Student(session)
        subject = Subject(getattr(student, maker)(), "", torch.zeros(shape), "backward")
        try:
            return examine(subject, Made(import_solution(chosen), student), frozenset(), time.monotonic() + 600)
        except StudentError as error:
            if "not supported on ScriptModules" in error.text:  # torch lets nobody look into these
                return None
            raise
