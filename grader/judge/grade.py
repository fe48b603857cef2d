"""Grade one submission: run its assignment's checks and put what became of them into a result."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from grader import __version__, datasets
from grader.assignment import Assignment
from grader.datasets import Dataset
from grader.judge.context import Context
from grader.judge.plugin import BrokenCheck, JudgePlugin, Outcome, run_checks
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.result import CheckDetail, Result, Status, Summary, TestResult
from grader.submission import Submission

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
    data: Path | None = None,
    exact: bool = False,
    seed: int | None = None,
    fail_fast: bool = False,
    announce: Callable[[str, int, int], None] = lambda title, done, total: None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Result:
    """Run every check of ``assignment`` on ``submission``.

    Args:
        workers: starts the processes that run the student's code.
        data: see `datasets.find`.
        exact: accuracy on every image.
        seed: of the checks' random choices; by default it follows from the contents of the submission and of the
            hidden checks: grading a file twice gives the same result, and without the latter nobody can foretell it.
        fail_fast: run no further check after one that did not pass; enough to know whether it gets full points.
        announce: told (title, checks done, checks in all) before each check.
        progress: told (what, done, total) during long steps.

    Raises:
        BrokenCheck: the assignment's checks are at fault.
        DataError: the data asked for cannot be used.
        AssignmentError: the checkpoint is missing or damaged.
        WorkerStartError: no worker can be started.
    """
    started = time.monotonic()
    mixed = hashlib.sha256(f"{submission.sha256()}{assignment.secret_sha256()}".encode()).hexdigest()
    chosen = int(mixed[:8], 16) if seed is None else seed
    found: list[Dataset] = []

    def dataset() -> Dataset:
        if not found:
            found.append(datasets.find(data))
        return found[0]

    if data is not None:
        dataset()  # a wrong path is said before anything is graded
    limits = assignment.settings.limits
    workers.memory_mb = limits.memory_mb
    session = Session(workers, submission.files, import_seconds=limits.import_seconds)
    context = Context(assignment, submission, dataset, chosen, exact, progress)
    threads = torch.get_num_threads()
    # The checks' computations are small; threads that wait for a busy core cost more than they give.
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plugin = run_checks(session, context, announce, fail_fast)
    finally:
        session.close()
        torch.set_num_threads(threads)
    seconds = time.monotonic() - started
    return _result(assignment, submission, plugin, chosen, found[0].source if found else "", seconds)


def _result(
    assignment: Assignment, submission: Submission, plugin: JudgePlugin, seed: int, data: str, seconds: float
) -> Result:
    tests = [_test(outcome) for outcome in plugin.outcomes.values()]
    points = sum(test.max_score for test in tests)
    left = round(assignment.settings.points - points, 6)
    if left < 0 or (left > 0 and assignment.secret is not None):
        raise BrokenCheck(
            f"The checks of {assignment.name} add up to {points:g} points; its assignment.toml says "
            f"{assignment.settings.points:g}."
        )
    score = sum(test.score for test in tests)
    statuses = {outcome.status for outcome in plugin.outcomes.values()}
    problem = plugin.import_error
    if problem is not None:
        statuses = {problem.status}
    status: Status = next((candidate for candidate in _MOST_TELLING if candidate in statuses), "passed")
    summary = Summary(
        assignment=assignment.name,
        title=assignment.settings.title,
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
    )
    return Result(score=score, execution_time=round(seconds, 3), tests=tests, extra_data=summary)


def _test(outcome: Outcome) -> TestResult:
    spec = outcome.spec
    passed = outcome.status == "passed"
    detail = CheckDetail(
        check=spec.name,
        status=outcome.status,
        message=outcome.message[:MAX_TEXT],
        hint="" if passed or outcome.status == "blocked" else spec.hint,
        expected=outcome.expected[:MAX_TEXT],
        actual=outcome.actual[:MAX_TEXT],
        frames=outcome.frames,
        printed=outcome.printed[-MAX_TEXT:],
        seconds=round(outcome.seconds, 3),
        hidden=outcome.hidden,
        **outcome.facts,
    )
    return TestResult(
        name=spec.title,
        score=spec.points if passed else 0,
        max_score=spec.points,
        status="passed" if passed else "failed",
        output="\n".join(line for line in (detail.message, detail.hint) if line),
        extra_data=detail,
        visibility="after_published" if outcome.hidden else "visible",
    )
