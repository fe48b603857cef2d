"""What a student handed in: the files an assignment asks for, as bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from grader.assignment import Assignment
from grader.language import gettext

MAX_FILE = 1 << 20  # bytes of Python source


class SubmissionError(Exception):
    """The submission cannot be read; the message says what is missing and where it was looked for."""


@dataclass(frozen=True)
class Submission:
    """What is graded.

    Attributes:
        path: where the module under test is, for people: it need not be there, nor be a file of its own (in a zip).
        files: the names that the assignment fixes, to their content; the first is the module under test.
    """

    path: Path
    files: dict[str, bytes]

    @property
    def file(self) -> Path:
        """Where the module under test is."""
        return self.path

    def sha256(self) -> str:
        """The hash of names and contents."""
        digest = hashlib.sha256()
        for name, content in self.files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()


def read(assignment: Assignment, path: Path | None = None) -> Submission:
    """Read the submission at ``path``: a folder with the assignment's files, or its (only) file under any name.

    Without ``path`` it is where students edit the stub: the assignment's own folder, or its released copy.

    Raises:
        SubmissionError: a file is missing, empty, too large, or cannot be read.
    """
    wanted = assignment.settings.files
    where = assignment.workplace if path is None else path.expanduser()
    if not where.exists():
        raise SubmissionError(
            gettext("There is no {where}. Give the file {wanted} or the folder it is in.").format(
                where=where, wanted=wanted[0]
            )
        )
    if where.is_dir():
        places = {name: where / name for name in wanted}
    elif len(wanted) == 1:
        places = {wanted[0]: where}
    else:
        raise SubmissionError(
            gettext("{name} consists of {wanted}: give the folder they are in, not {where}.").format(
                name=assignment.name, wanted=", ".join(wanted), where=where
            )
        )
    return Submission(places[wanted[0]], {name: _content(place, name) for name, place in places.items()})


def _content(place: Path, name: str) -> bytes:
    if not place.is_file():
        others = sorted(file.name for file in place.parent.glob("*.py") if file.is_file())[:5]
        there = (
            gettext(" The folder has {others}: rename yours to {name}, or give it with its name.").format(
                others=", ".join(others), name=name
            )
            if others
            else ""
        )
        raise SubmissionError(gettext("There is no file {place}.{there}").format(place=place, there=there))
    try:
        with place.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise SubmissionError(
            gettext("{place} cannot be read: {strerror}.").format(place=place, strerror=error.strerror)
        ) from None
    if len(content) > MAX_FILE:
        raise SubmissionError(
            gettext("{place} is larger than {size} MB. Hand in source code only, no data or weights.").format(
                place=place, size=MAX_FILE >> 20
            )
        )
    if not content.strip():
        raise SubmissionError(
            gettext("{place} is empty. Fetch the stub again, or restore your work.").format(place=place)
        )
    return content
