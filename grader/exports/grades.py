"""grades.csv: one row per student."""

from __future__ import annotations

from collections.abc import Sequence

from grader.exports.cells import BOM, cell, csv_bytes
from grader.exports.text import number
from grader.gradebook import Entry

HEADER = ("student", "score", "max", "status", "flags", "previous")


def table(entries: Sequence[Entry], max_score: float) -> bytes:
    """Student, score, max, status, flags (separated by blanks), and the score before the last regrade, or nothing.

    It begins with a byte order mark: without one Excel reads UTF-8 as the system's old encoding, and Korean names
    become unreadable. Other programs skip it (Python: encoding "utf-8-sig").

    >>> from grader.result import Result, Summary
    >>> entry = Entry("=alice", Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100)), ("late",), previous=30)
    >>> print(table([entry], 100).decode("utf-8-sig"), end="")
    student,score,max,status,flags,previous
    '=alice,35,100,failed,late,30
    """
    rows = [
        [
            cell(entry.student),
            number(entry.result.score),
            number(max_score),
            entry.result.extra_data.status,
            " ".join(sorted(entry.flags)),
            "" if entry.previous is None else number(entry.previous),
        ]
        for entry in entries
    ]
    return BOM + csv_bytes(HEADER, rows)
