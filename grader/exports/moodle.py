"""moodle.csv: for Moodle, Assignment, "Upload grading worksheet"."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from grader.exports.cells import cell, csv_bytes
from grader.exports.text import many, number, one_line
from grader.gradebook import Entry

# "Last modified (grade)" is one of the columns that the import looks for; "-" is what Moodle writes without a date.
HEADER = (
    "Identifier",
    "Full name",
    "Email address",
    "Grade",
    "Maximum Grade",
    "Last modified (grade)",
    "Feedback comments",
)


def table(entries: Sequence[Entry], *, max_score: float) -> bytes:
    """An offline grading worksheet. In Moodle, with English as its language, tick "Allow updating records that have
    been modified more recently in Moodle than in the spreadsheet".

    Moodle knows a student by "Participant 12345" alone, so those whose upload does not tell the number are left out;
    `left_out` counts them. The comment counts checks and names those that did not pass; what they say is in feedback/.

    >>> from grader.result import Result, Summary
    >>> result = Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100))
    >>> entries = [Entry("alice", result, identifiers={"moodle_id": "12345"}), Entry("bob", result)]
    >>> print(table(entries, max_score=100).decode().splitlines()[1:], left_out(entries))
    ['Participant 12345,alice,,35,100,-,'] 1
    """
    rows = [
        [
            f"Participant {participant}",
            cell(entry.student),
            cell(entry.identifiers.get("email", "")),
            number(entry.result.score),
            number(max_score),
            "-",
            _comment(entry),
        ]
        for entry in entries
        if (participant := _participant(entry))
    ]
    return csv_bytes(HEADER, rows)


def left_out(entries: Sequence[Entry]) -> int:
    """How many students are not in the table."""
    return sum(not _participant(entry) for entry in entries)


def _participant(entry: Entry) -> str:
    known = entry.identifiers.get("moodle_id", "").removeprefix("Participant").strip()
    return known if re.fullmatch(r"[0-9]{1,19}", known) else ""


def _comment(entry: Entry) -> str:
    """Of titles and statuses alone, nothing that a submission could have written. Moodle reads it as HTML."""
    tests = entry.result.tests
    others = [test for test in tests if test.extra_data.status != "passed"]
    sentences = [f"{len(tests) - len(others)} of {many(len(tests), 'check')} passed."] if tests else []
    if entry.result.extra_data.message:
        sentences.append("The hand-in could not be graded.")
    elif others:
        named = "; ".join(f"{one_line(test.name)} ({test.extra_data.status.replace('_', ' ')})" for test in others[:10])
        sentences.append(f"Not passed: {named}{'; ...' * (len(others) > 10)}.")
    return cell(html.escape(" ".join(sentences), quote=False))
