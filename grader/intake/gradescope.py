"""Gradescope's submission_metadata.yml: who handed in which folder of its export."""

from __future__ import annotations

import re
from dataclasses import dataclass

FILE = "submission_metadata.yml"
FOLDER = re.compile(r"submission_([0-9]+)")
MAX_SIZE = 64 << 20  # bytes; it holds every test's output, too

# Only the lines that are needed are read, by their exact place: the file is Ruby's YAML, always laid out like this, and
# a text in it (a test's output) is indented deeper than any of these.
_SUBMISSION = re.compile(r"submission_([0-9]+):\s*$")
_KEY = re.compile(r"  :?(\w+):(?: (.*))?$")
_FIELD = re.compile(r"  (?:- |  ):?(\w+):(?: (.*))?$")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")


@dataclass(frozen=True)
class Submitter:
    """One of those who handed a folder in."""

    name: str = ""
    email: str = ""
    sid: str = ""


@dataclass(frozen=True)
class Record:
    """One folder of the export; ``created`` sorts as text."""

    submitters: tuple[Submitter, ...]
    created: str = ""


def parse(text: str) -> dict[str, Record]:
    r"""What submission_metadata.yml says, by the number of the submission.

    >>> parse('''---
    ... submission_12:
    ...   :submitters:
    ...   - :name: Alice B
    ...     :sid: '007'
    ...     :email: alice@example.org
    ...   :created_at: 2024-10-04 21:59:00.000000000 Z
    ... ''')["12"].submitters
    (Submitter(name='Alice B', email='alice@example.org', sid='007'),)
    """
    found: dict[str, Record] = {}
    number, key = "", ""
    people: list[dict[str, str]] = []
    created = ""

    def finish() -> None:
        if number:
            known = (Submitter(*(person.get(part, "") for part in ("name", "email", "sid"))) for person in people)
            found[number] = Record(tuple(one for one in known if one != Submitter()), created)

    for line in text.split("\n"):
        line = line.rstrip("\r")
        if start := _SUBMISSION.match(line):
            finish()
            number, key, people, created = start[1], "", [], ""
        elif line.startswith("  -") or line.startswith("    "):
            if key == "submitters" and (pair := _FIELD.match(line)):
                if line.startswith("  -"):
                    people.append({})
                if people:
                    people[-1][pair[1]] = _scalar(pair[2] or "")
        elif pair := _KEY.match(line):
            key = pair[1]
            if key == "created_at":
                created = _scalar(pair[2] or "")
    finish()
    return found


def _scalar(text: str) -> str:
    r"""One plain or quoted value.

    >>> [_scalar(text) for text in ("Alice", "'O''Hara'", r'"Zo\xEB"', "null", "")]
    ['Alice', "O'Hara", 'Zoë', '', '']
    """
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPE.sub(_unescaped, text[1:-1])
    return "" if text in ("null", "~") else text


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is None:
        return {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "0": "\0"}.get(found[4], found[4])
    return chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else "\ufffd"
