"""canvas.csv: for Canvas, Gradebook, Import."""

from __future__ import annotations

from collections.abc import Sequence

from grader.exports.cells import cell, csv_bytes
from grader.exports.text import number
from grader.gradebook import Entry


def table(entries: Sequence[Entry], *, title: str, max_score: float) -> bytes:
    """A gradebook of one assignment ("How do I import grades in the Gradebook?", Canvas Instructor Guide).

    Canvas finds a student by ID, else by SIS User ID or SIS Login ID; so the login is the email address where the
    upload tells one. Students with neither are listed all the same: Canvas asks for each whose they are. No byte
    order mark: this file is for a program, and the first column's name must be "Student".

    >>> from grader.result import Result, Summary
    >>> result = Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100))
    >>> entry = Entry("alice", result, identifiers={"canvas_id": "71"})
    >>> print(table([entry], title="A", max_score=100).decode(), end="")
    Student,ID,SIS User ID,SIS Login ID,Section,A
        Points Possible,,,,,100
    alice,71,,,,35
    """
    header = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", cell(title))
    rows = [["    Points Possible", "", "", "", "", number(max_score)]]
    for entry in entries:
        known = entry.identifiers
        login = cell(known.get("email", ""))
        rows.append(
            [cell(entry.student), cell(known.get("canvas_id", "")), "", login, "", number(entry.result.score)],
        )
    return csv_bytes(header, rows)


def unknown(entries: Sequence[Entry]) -> int:
    """How many students Canvas will have to ask about."""
    return sum(not (entry.identifiers.get("canvas_id") or entry.identifiers.get("email")) for entry in entries)
