"""results/<student>.json: the whole result in Gradescope's schema. For instructors: hidden checks are in it."""

from __future__ import annotations

from typing import Any

import msgspec

from grader.gradebook import Entry
from grader.result import Result


def document(entry: Entry) -> bytes:
    """The result as JSON; what no Unicode text can hold (half a surrogate pair, as in some file names) becomes "?".

    >>> from grader.result import Summary
    >>> document(Entry("alice", Result(0, 0, [], Summary("a", "A", chr(0xDC80), "error", 100)))).count(b"?")
    1
    """
    try:
        return entry.result.to_json()
    except UnicodeEncodeError:
        return msgspec.convert(_with_text_only(msgspec.to_builtins(entry.result)), Result).to_json()


def _with_text_only(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {key: _with_text_only(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_text_only(item) for item in value]
    return value
