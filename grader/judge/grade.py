"""Grade one submission: run its assignment's checks and put what became of them into a result."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import torch

from grader import __version__, datasets
from grader.assignment import Assignment
from grader.datasets import Dataset
from grader.judge.context import Context, Kept, forget
from grader.judge.diagnose import diagnose
from grader.judge.plugin import BrokenCheck, Checks, run_checks
from grader.judge.run import Outcome, Run
from grader.judge.session import DISTURBED, Session
from grader.judge.workers import Workers
from grader.language import gettext
from grader.result import CheckDetail, Result, Status, Summary, TestResult
from grader.submission import Submission
from grader.worker import memory

# Where several things went wrong, the submission has the status that explains most.
_MOST_TELLING: tuple[Status, ...] = (
    "timeout",
    "out_of_memory",
    "crashed",
    "error",
    "failed",
    "not_attempted",
    "blocked",
)
MAX_TEXT = 4_000  # characters of anything a submission can make longer


def grade(
    assignment: Assignment,
    submission: Submission,
    workers: Workers,
    *,
    data: Path | Dataset | None = None,
    exact: bool = False,
    seed: int | None = None,
    threads: int | None = None,
    known: Iterable[TestResult] = (),
    only: Sequence[str] | None = None,
    stop_after: Collection[Status] = (),
    shrink: bool = True,
    diagnosis: bool = False,
    kept: Kept | None = None,
    on_broken: Callable[[str, str], None] | None = None,
    announce: Callable[[str, int, int], None] = lambda title, done, total: None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Result:
    """Run every check of ``assignment`` on ``submission``.

    Args:
        workers: starts the processes that run the student's code.
        data: a data set, or where it is; see `datasets.for_assignment`.
        exact: accuracy on every image.
        seed: of the checks' random choices; by default it follows from the contents of the hidden checks: grading a
            file twice gives the same result, all of a class are asked the same, and nobody else can foretell it.
        threads: for what takes much computing; by default one for each core.
        known: what became of checks that need not be run again.
        only: run these checks alone, in this order, whether or not what they require has passed.
        stop_after: run no further check after one that ended in one of these statuses.
        shrink: make counterexamples small, for whoever reads them; it takes many calls.
        diagnosis: say of checks that fail where the mistake is likely to be, as bluntly as the assignment wants.
        kept: of the same assignment, where many submissions are graded: what is worked out for one serves the next.
        on_broken: told (check, traceback) of a check that breaks by itself, which is then an error of that check and
            named in the result. Without it, it raises.
        announce: told (title, checks done, checks in all) before each check.
        progress: told (what, done, total) during long steps.

    Raises:
        BrokenCheck: the assignment's checks are at fault.
        DataError: the data asked for cannot be used.
        AssignmentError: the checkpoint is missing or damaged.
        WorkerStartError: no worker can be started.
    """
    started = time.monotonic()
    assignment.speak()
    chosen = int(assignment.secret_sha256()[:8], 16) if seed is None else seed
    found: list[Dataset] = []

    def dataset() -> Dataset:
        if not found:
            found.append(data if isinstance(data, Dataset) else datasets.for_assignment(assignment, data))
        return found[0]

    if isinstance(data, Path):
        dataset()  # a wrong path is said before anything is graded
    limits = assignment.settings.limits
    workers.memory_mb = limits.memory_mb
    context = Context(
        assignment, submission, dataset, chosen, exact, threads or os.cpu_count() or 1, progress, kept=kept
    )
    memory.keep_freed()
    threads_before = torch.get_num_threads()
    # The checks' computations are small; threads that wait for a busy core cost more than they give.
    torch.set_num_threads(1)
    try:
        for _ in range(DISTURBED):
            opened = Session(
                workers,
                submission.files,
                import_seconds=limits.import_seconds,
                withheld=assignment.settings.withheld,
            )
            with closing(opened) as session:
                run = run_checks(Run(session, context, announce, known, on_broken, only, stop_after, shrink))
            if not session.killed_from_outside:
                break
        if diagnosis:
            diagnose(run, context, workers)
    finally:
        torch.set_num_threads(threads_before)
    seconds = time.monotonic() - started
    return _result(assignment, submission, run, chosen, found[0].source if found else "", seconds)


def validate(assignment: Assignment) -> list[Outcome]:
    """Read ``assignment``'s checks as they are now, without running any; they come back as not run.

    Raises:
        BrokenCheck: they cannot be read, contradict each other, or do not add up to the assignment's points.
    """
    forget(assignment)
    with closing(Checks(assignment)) as checks:
        outcomes = list(checks.outcomes().values())
    _points(assignment, [outcome.spec.points for outcome in outcomes])
    return outcomes


def _points(assignment: Assignment, points: list[float]) -> float:
    """What is left for checks that are not here."""
    left = round(assignment.settings.points - sum(points), 6)
    if left < 0 or (left > 0 and assignment.secret is not None):
        raise BrokenCheck(
            f"The checks of {assignment.name} add up to {sum(points):g} points; its assignment.toml says "
            f"{assignment.settings.points:g}."
        )
    return left


def _result(assignment: Assignment, submission: Submission, run: Run, seed: int, data: str, seconds: float) -> Result:
    tests = [_test(outcome) for outcome in run.outcomes.values()]
    points = sum(test.max_score for test in tests)
    left = _points(assignment, [test.max_score for test in tests])
    score = sum(test.score for test in tests)
    statuses = {outcome.status for outcome in run.outcomes.values()}
    problem = run.import_error
    if problem is not None:
        statuses = {problem.status}
    status: Status = next((candidate for candidate in _MOST_TELLING if candidate in statuses), "passed")
    summary = Summary(
        assignment=assignment.name,
        title=assignment.title,
        submission=str(submission.file),
        status=status,
        max_score=points,
        message=problem.message if problem else "",
        frames=problem.frames if problem else [],
        printed=problem.printed[-MAX_TEXT:] if problem else "",
        data=data,
        seed=seed,
        not_run_points=left,
        grader_version=__version__,
        broken_checks=run.broken_checks,
    )
    return Result(score=score, execution_time=round(seconds, 3), tests=tests, extra_data=summary)


def _test(outcome: Outcome) -> TestResult:
    spec = outcome.spec
    passed = outcome.status == "passed"
    if outcome.known is not None:
        return outcome.known
    detail = CheckDetail(
        check=spec.name,
        status=outcome.status,
        message=outcome.message[:MAX_TEXT],
        hint="" if passed or outcome.status == "blocked" else gettext(spec.hint),
        expected=outcome.expected[:MAX_TEXT],
        actual=outcome.actual[:MAX_TEXT],
        frames=outcome.frames,
        printed=outcome.printed[-MAX_TEXT:],
        seconds=round(outcome.seconds, 6),
        hidden=outcome.hidden,
        diagnosis=outcome.diagnosis[:MAX_TEXT],
        **outcome.facts,
    )
    likely = gettext("Likely: {diagnosis}").format(diagnosis=detail.diagnosis) if detail.diagnosis else ""
    return TestResult(
        name=gettext(spec.title),
        score=spec.points if passed else 0,
        max_score=spec.points,
        status="passed" if passed else "failed",
        output="\n".join(line for line in (detail.message, likely, detail.hint) if line),
        extra_data=detail,
        visibility="after_published" if outcome.hidden else "visible",
    )
