"""Hand an assignment out: its source folder, then nbgrader's generate_assignment and release_assignment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grader.assignment import Assignment
from grader.judge.grade import validate
from grader.nbgrader_course import source
from grader.nbgrader_course.config import CONFIG
from grader.nbgrader_course.course import Course


def release(chosen: Assignment, root: Path, course: Course, exchange: Path | None, *, force: bool) -> Iterator[str]:
    """Release ``chosen``; yields a sentence after each step.

    Args:
        root: the folder that holds assignments/.
        exchange: where students fetch and submit, for a course that is not there yet.
        force: make the source folder anew, and release once more what is released already.

    Raises:
        AssignmentError, StubError, BrokenCheck: the assignment is at fault.
        CourseError: the course or nbgrader is.
    """
    if course.set_up(exchange):
        yield f"{CONFIG} written: the course's settings, yours to change."
    target = course.root / "source" / chosen.name
    if target.exists() and not force:
        yield f"source/{chosen.name} is kept as it is (--force makes it anew)."
    else:
        checks = validate(chosen)
        source.write(chosen, checks, root, target)
        yield f"source/{chosen.name} made, with {len(checks)} checks."
    again = ["--force"] if force else []
    course.run("generate_assignment", chosen.name, *again)
    yield f"release/{chosen.name} made by nbgrader generate_assignment."
    course.run("release_assignment", chosen.name, *again)
    yield "Released to the exchange by nbgrader release_assignment."
