"""What the intake hands on: one hand-in per student."""

from __future__ import annotations

from dataclasses import dataclass, field

from grader.gradebook import Flag
from grader.submission import Submission


class IntakeError(Exception):
    """No hand-ins can be found at all; the message says where they were looked for and what to give instead."""


@dataclass(frozen=True)
class Handin:
    """What one student handed in.

    >>> Handin("alice", None, "alice is empty: hand in vgg16.py.", attempted=False).flags
    ()

    Attributes:
        student: the name that the upload gives, in NFC and without control characters; no two hand-ins share one.
        submission: what can be graded; its path is relative to the class folder and only for display. None where
            nothing can be graded.
        problem: why nothing can be graded: what, where, what to do.
        attempted: False where nothing at all, or only an empty file, was handed in.
        flags: sorted.
        notes: one sentence for each thing the student should know.
        identifiers: "email", "canvas_id", "moodle_id", "gradescope_id" (the number of the submission there), as far
            as the upload tells them.
    """

    student: str
    submission: Submission | None
    problem: str = ""
    attempted: bool = True
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()
    identifiers: dict[str, str] = field(default_factory=dict)
