"""Collect what was handed in and have it graded, by nbgrader's own collect, zip_collect and autograde."""

from __future__ import annotations

import re
import secrets
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat.v4 import new_notebook
from nbgrader.utils import parse_utc

from grader.assignment import KIT, Assignment
from grader.nbgrader_course import CourseError
from grader.nbgrader_course.course import Course
from grader.nbgrader_course.zips import SECRET, TIMESTAMP

_IGNORED = (".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", KIT)  # nbgrader's own, and megabytes of ours
_LONGEST = 1_000  # bytes of a timestamp or a secret; nbgrader's own secrets have 128


def collect(chosen: Assignment, course: Course, *, zipped: bool, force: bool = False) -> Iterator[str]:
    """Collect ``chosen`` from the exchange, or ``zipped`` from downloaded/<assignment>/archive/; yields sentences.

    Raises:
        CourseError: there is no course, nothing to collect, or nbgrader failed.
    """
    course.check()
    if zipped:
        archive = course.root / "downloaded" / chosen.name / "archive"
        if not archive.is_dir() or not any(archive.iterdir()):
            raise CourseError(
                f"There is nothing in {archive}. Put there what was handed in, as alice.zip or in a folder named alice."
            )
        extracted = archive.with_name("extracted")
        if not force and extracted.is_dir() and any(extracted.iterdir()):
            raise CourseError(
                f"{archive} was collected before. To collect it again, in place of that: --force (FORCE=1)."
            )
        course.run("zip_collect", chosen.name, *(["--force"] if force else []))
    else:
        course.run("collect", chosen.name, "--update", *(f"--CourseDirectory.ignore={name}" for name in _IGNORED))
    count = 0
    for folder in submissions(chosen, course):
        complete(notebook(chosen), folder)
        count += 1
    yield f"{count} {'submission is' if count == 1 else 'submissions are'} in {course.root / 'submitted'}."


def autograde(
    chosen: Assignment, course: Course, *, student: str = "", listen: Callable[[str], None] = lambda line: None
) -> Iterator[str]:
    """Run nbgrader's autograde over all that was collected, or what ``student`` handed in; yields sentences.

    Always with nbgrader's --force: a submission collected by zip has no timestamp by which nbgrader could tell that it
    is new, and what costs time, the class run, knows by itself what has changed. Manual grades and comments stay.

    Args:
        listen: told the lines in which the class run says how far it is, and warnings.

    Raises:
        CourseError: there is no course, nothing was collected, or nbgrader failed.
    """
    course.check()
    found = submissions(chosen, course)
    if not found:
        raise CourseError(
            f"Nobody's {chosen.name} is in {course.root / 'submitted'}. First: grader collect {chosen.name}"
        )
    for folder in found:
        complete(notebook(chosen), folder)

    def hear(line: str) -> None:
        # Of what nbgrader logs only what a person waits for: how far the class run is, and what it warns of.
        if said := re.match(r"\[AutogradeApp \| [A-Z]+\] (submission [\d,]+/.*|\d+ unchanged.*|WARNING.*)", line):
            listen(said[1])

    course.run("autograde", chosen.name, "--force", *([f"--student={student}"] if student else []), listen=hear)
    count = 1 if student else len(found)
    yield f"{count} {'submission is' if count == 1 else 'submissions are'} graded. Next: nbgrader generate_feedback."


def submissions(chosen: Assignment, course: Course) -> list[Path]:
    """The folders submitted/<student>/<assignment>/ of the course."""
    return sorted(path for path in (course.root / "submitted").glob(f"*/{chosen.name}") if path.is_dir())


def notebook(chosen: Assignment) -> str:
    """The name of the notebook that nbgrader looks for."""
    return Path(chosen.settings.files[0]).with_suffix(".ipynb").name


def complete(notebook: str, folder: Path) -> None:
    """Add what nbgrader needs of the one submission in ``folder`` to give it a grade and feedback.

    nbgrader skips a submission without a ``notebook``: an empty one takes its place, which gets its grade cells when it
    is graded. It releases feedback only where there is a file with a secret. When a hand-in by zip came nobody knows,
    unless the file names tell (`named_regexp`): then there is no timestamp, which nbgrader takes for "not known" and
    not for late. One file that is no timestamp, an empty one too, or no secret, would stop nbgrader, or its formgrader,
    for the whole class.
    """
    folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
    for path in sorted(folder.rglob("*")):  # nbgrader follows links and stops at pipes
        if not stat.S_ISREG(path.lstat().st_mode) and not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
    for path in (folder / notebook, folder / SECRET, folder / TIMESTAMP):
        if path.is_dir():
            path.rename(_free(path))
    if not (folder / notebook).exists():
        nbformat.write(new_notebook(), folder / notebook)
    if not _short_text(folder / SECRET):
        (folder / SECRET).write_text(secrets.token_hex(64), encoding="ascii")
    if not _is_time(_short_text(folder / TIMESTAMP)):
        (folder / TIMESTAMP).unlink(missing_ok=True)


def _short_text(path: Path) -> str:
    """What is in the file, if that is text of a sensible length; else nothing."""
    try:
        with path.open("rb") as file:
            found = file.read(_LONGEST + 1)
        return found.decode("ascii").strip() if len(found) <= _LONGEST else ""
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _is_time(text: str) -> bool:
    try:
        return isinstance(parse_utc(text), datetime)
    except Exception:  # dateutil raises whatever it likes
        return False


def _free(path: Path) -> Path:
    number = 1
    while (candidate := path.with_name(f"{path.stem}_{number}")).exists():
        number += 1
    return candidate
