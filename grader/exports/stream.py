r"""Results while a class is graded, one line each: a JSON text sequence (RFC 7464).

\x1e{"student": "alice", "result": {...}}

Only ASCII is in it, so that any encoding of standard output will do; and nothing else that is printed begins with \x1e.
"""

from __future__ import annotations

import json

import msgspec

from grader.exports import results
from grader.gradebook import Entry
from grader.result import Result

_BEGIN = "\x1e"


def line(entry: Entry) -> str:
    r"""The entry's student and result, as `results.document` has it.

    >>> from grader.result import Summary
    >>> told = line(Entry("alice", Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100))))
    >>> told[:20], "\n" in told, read(told)[1].score
    ('\x1e{"student": "alice"', False, 35.0)
    """
    result = json.loads(results.document(entry))
    return _BEGIN + json.dumps({"student": entry.student, "result": result})


def read(text: str) -> tuple[str, Result] | None:
    """What `line` has written; None for any other line.

    >>> read("3 unchanged, 4 to grade.")
    """
    if not text.startswith(_BEGIN):
        return None
    found = json.loads(text.removeprefix(_BEGIN))
    return found["student"], msgspec.convert(found["result"], Result)
