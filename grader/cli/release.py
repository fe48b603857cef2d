"""``grader release``: hand an assignment out through nbgrader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader import assignment, report
from grader.cli.common import OK, exit_after, say

COURSE = Path("course")


def release(
    name: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Which one.")],
    course: Annotated[
        Path, typer.Option(metavar="DIR", help="nbgrader's course folder; made if it is not there.")
    ] = COURSE,
    db: Annotated[
        str,
        typer.Option(metavar="URL", help="The gradebook, as SQLAlchemy names it; by default SQLite in the course."),
    ] = "",
    exchange: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The exchange of a new course; by default a folder in it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make source/ASSIGNMENT anew, and release it again.")] = False,
) -> None:
    """For instructors: hand an assignment out through nbgrader.

    Makes source/ASSIGNMENT in the course from assignments/ and solutions/, and runs nbgrader's generate_assignment and
    release_assignment. What is in the course already is kept: its settings (nbgrader_config.py) for good,
    source/ASSIGNMENT unless you say --force.

    \b
    grader release resnet50
    grader release resnet50 --course ~/dl2026 --db postgresql+psycopg://localhost/dl2026
    grader release resnet50 --force                after the assignment was changed
    """

    def work() -> int:
        root = assignment.find_root()
        chosen = assignment.load(name, root)
        from grader.nbgrader_course.course import Course
        from grader.nbgrader_course.release import release as run

        home = Course(course.expanduser().resolve(), db)
        for line in run(chosen, root, home, exchange, force=force):
            say(line)
        say(f"{name} is released. The course is in {report.short_path(str(home.root))}.")
        return OK

    exit_after(work)
