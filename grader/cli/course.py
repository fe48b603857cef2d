"""``grader release``, ``collect`` and ``autograde``: an assignment through nbgrader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader import assignment, report
from grader.cli.common import OK, complain, exit_after, say, stoppable

COURSE = Path("course")


def release(
    name: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Which one.")],
    course: Annotated[
        Path, typer.Option(metavar="DIR", help="nbgrader's course folder; made if it is not there.")
    ] = COURSE,
    db: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="The gradebook, as SQLAlchemy names it; by default SQLite in the course. A password is better kept in "
            "~/.pgpass.",
        ),
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


def collect(
    name: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Which one.")],
    course: Annotated[Path, typer.Option(metavar="DIR", help="nbgrader's course folder.")] = COURSE,
    db: Annotated[str, typer.Option(metavar="URL", help="The gradebook, if not the one in the settings.")] = "",
    zipped: Annotated[
        bool,
        typer.Option("--zip", help="Not from the exchange, but from downloaded/ASSIGNMENT/archive/ in the course."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="With --zip: in place of what was collected before.")] = False,
) -> None:
    """For instructors: collect what was handed in, by nbgrader's collect or zip_collect.

    Without an exchange, put what your LMS gives you into downloaded/ASSIGNMENT/archive/: alice.zip, a folder alice/,
    alice_resnet50.py. Other names: c.Collector.named_regexp in nbgrader_config.py.

    \b
    grader collect resnet50
    grader collect resnet50 --zip
    """

    def work() -> int:
        chosen = assignment.load(name, assignment.find_root())
        from grader.nbgrader_course.collect import collect as run
        from grader.nbgrader_course.course import Course

        for line in run(chosen, Course(course.expanduser().resolve(), db), zipped=zipped, force=force):
            say(line)
        return OK

    exit_after(work)


def autograde(
    name: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Which one.")],
    course: Annotated[Path, typer.Option(metavar="DIR", help="nbgrader's course folder.")] = COURSE,
    db: Annotated[str, typer.Option(metavar="URL", help="The gradebook, if not the one in the settings.")] = "",
    student: Annotated[str, typer.Option(metavar="ID", help="Only this student's; by default everyone's.")] = "",
) -> None:
    """For instructors: grade what was collected, in the sandbox, into nbgrader's gradebook.

    Runs nbgrader autograde, whose grades come from a class run: what has been graded is kept in class_run/ASSIGNMENT of
    the course, and only what is new or changed is graded. Manual grades and comments stay.

    \b
    grader autograde resnet50
    """

    def work() -> int:
        chosen = assignment.load(name, assignment.find_root())
        from grader.nbgrader_course.collect import autograde as run
        from grader.nbgrader_course.course import Course

        with stoppable():
            for line in run(chosen, Course(course.expanduser().resolve(), db), student=student, listen=complain):
                say(line)
        return OK

    exit_after(work)
