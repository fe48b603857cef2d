"""What a class run knows of one student: the hand-in, and the result it got."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from grader.result import Result

Flag = Literal["late", "resubmitted", "renamed", "notebook", "encoding", "duplicate", "refused", "regraded"]
FLAGS: tuple[Flag, ...] = get_args(Flag)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the gradebook.

    Attributes:
        student: how the upload names the student: a folder's or file's name, or the name in an LMS's bulk download.
        result: what the checks found. Of a hand-in that cannot be graded at all it has no tests, score 0, status
            "error" or "not_attempted", and the sentence in ``extra_data.message``.
        flags: what an instructor may want to filter by, sorted.
        notes: one sentence for each thing the student should know: "Two files were handed in; the later one counts."
        identifiers: what the upload tells of the student beside the name, for the LMS's import: "email", "canvas_id",
            "moodle_id", "gradescope_id"; absent where it tells nothing.
        previous: the score before the last regrade; None where there was none.
        same_as: the student whose code differs only in comments and formatting, so that it was computed once; or "".
    """

    student: str
    result: Result
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()
    identifiers: dict[str, str] = {}
    previous: float | None = None
    same_as: str = ""
