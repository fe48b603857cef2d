"""What a student handed in: the files an assignment asks for, as bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from grader.assignment import Assignment

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
        raise SubmissionError(f"There is no {where}. Give the file {wanted[0]} or the folder it is in.")
    if where.is_dir():
        places = {name: where / name for name in wanted}
    elif len(wanted) == 1:
        places = {wanted[0]: where}
    else:
        raise SubmissionError(
            f"{assignment.name} consists of {', '.join(wanted)}: give the folder they are in, not {where}."
        )
    return Submission(places[wanted[0]], {name: _content(place, name) for name, place in places.items()})


def _content(place: Path, name: str) -> bytes:
    if not place.is_file():
        others = sorted(file.name for file in place.parent.glob("*.py") if file.is_file())[:5]
        there = (
            f" The folder has {', '.join(others)}: rename yours to {name}, or give it with its name." if others else ""
        )
        raise SubmissionError(f"There is no file {place}.{there}")
    try:
        with place.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise SubmissionError(f"{place} cannot be read: {error.strerror}.") from None
    if len(content) > MAX_FILE:
        raise SubmissionError(
            f"{place} is larger than {MAX_FILE >> 20} MB. Hand in source code only, no data or weights."
        )
    if not content.strip():
        raise SubmissionError(f"{place} is empty. Fetch the stub again, or restore your work.")
    return content
