"""feedback/<student>.md: what became of each check, for the student to read.

Whatever a submission can influence stands in indented code blocks, the student's name in a code span: there no
Markdown, HTML, link or image takes effect, and unlike a fenced block an indented one cannot be closed by what is in it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from grader.exports.text import excerpt, number, one_line
from grader.exports.told import status, told
from grader.gradebook import Entry
from grader.language import gettext
from grader.report import frame_line, not_run_line
from grader.result import Status, TestResult

MARKS: dict[Status, str] = {"passed": "✓", "blocked": "-", "not_attempted": "-"}  # all others: ✗
_MESSAGE, _VALUE, _FRAMES, _PRINTED, _NOTES = 20, 10, 5, 10, 20  # lines
_COLUMNS = 100  # of a sentence in a code block, which no viewer wraps


def page(entry: Entry, *, title: str, max_score: float) -> bytes:
    """The page as UTF-8.

    >>> from grader.result import Result, Summary
    >>> entry = Entry("alice", Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100)), notes=("It came late.",))
    >>> print(page(entry, title="A", max_score=100).decode(), end="")
    # A
    <BLANKLINE>
    Student: `alice`
    <BLANKLINE>
    Score: **35 of 100 points**
    <BLANKLINE>
    Notes:
    <BLANKLINE>
        It came late.
    """
    result = entry.result
    score = gettext("Score: **{points} of {most} points**").format(points=number(result.score), most=number(max_score))
    if entry.previous is not None and number(entry.previous) != number(result.score):
        score += gettext(" (before the last regrade: {points})").format(points=number(entry.previous))
    parts = [f"# {escaped(title)}", gettext("Student: {name}").format(name=code_span(entry.student)), score]
    if result.extra_data.not_run_points:
        parts.append(escaped(not_run_line(result.extra_data.not_run_points)))
    summary = result.extra_data
    notes = [one_line(note) for note in entry.notes if note != summary.message]
    if len(notes) > _NOTES:
        notes[_NOTES:] = ["..."]
    parts += _block(gettext("Notes"), _wrapped(notes))
    parts += _block(gettext("What happened"), _wrapped(excerpt(summary.message, _MESSAGE)))
    parts += _block(gettext("Where"), _frames(summary.frames))
    parts += _block(gettext("Printed"), excerpt(summary.printed, _PRINTED, end=True))
    for place, test in enumerate(result.tests, 1):
        parts += _check(place, test)
    return ("\n\n".join(parts) + "\n").encode()


def _check(place: int, test: TestResult) -> list[str]:
    detail = told(test.extra_data)
    mark = MARKS.get(detail.status, "✗")
    points = gettext("{points} of {most} points").format(points=number(test.score), most=number(test.max_score))
    parts = [f"## {mark} {place}. {escaped(test.name)}", f"**{points}** ({status(detail)})"]
    label = gettext("Found") if detail.status == "passed" else gettext("What happened")
    parts += _block(label, _wrapped(excerpt(detail.message, _MESSAGE)))
    if detail.status == "passed":
        return parts
    parts += _block(gettext("Expected"), excerpt(detail.expected, _VALUE))
    parts += _block(gettext("Actual"), excerpt(detail.actual, _VALUE))
    parts += _block(gettext("Where"), _frames(detail.frames))
    parts += _block(gettext("Printed"), excerpt(detail.printed, _PRINTED, end=True))
    parts += _block(gettext("Likely"), _wrapped(excerpt(detail.diagnosis, _MESSAGE)))
    parts += _block(gettext("Try"), _wrapped(excerpt(detail.hint, _MESSAGE)))
    return parts


def _frames(frames: list[str]) -> list[str]:
    shown = [one_line(frame_line(frame)) for frame in frames[-_FRAMES:]]
    return ["...", *shown] if len(frames) > _FRAMES else shown


def _wrapped(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        found += textwrap.wrap(line, _COLUMNS, break_on_hyphens=False, replace_whitespace=False) or [""]
    return found


def _block(label: str, lines: list[str]) -> list[str]:
    """A label and ``lines`` as an indented code block; nothing without lines."""
    return [f"{label}:", "\n".join(f"    {line}".rstrip() for line in lines)] if any(lines) else []


# "_" and "!" only where they can mean something: names of functions are to be read in the source, too.
_MARKUP = re.compile(r"[\\`*\[\]~|#$]|://|(?<![^\W_])_|_(?![^\W_])")


def escaped(text: str) -> str:
    r"""``text`` in the middle of a line of Markdown, as text.

    >>> escaped("make_layers: __init__ <b> [x](http://x)")
    'make_layers: \\_\\_init\\_\\_ &lt;b&gt; \\[x\\](http\\://x)'
    """
    entities = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(lambda found: f"\\{found[0]}", entities)


def code_span(text: str) -> str:
    """``text`` between more backticks than it has itself in a row.

    >>> print(code_span("a"), code_span("`` b"))
    `a` ``` `` b ```
    """
    line = one_line(text) or gettext("(no name)")
    longest = max(map(len, re.findall("`+", line)), default=0)
    ticks, blank = "`" * (longest + 1), " " * bool(longest)
    return f"{ticks}{blank}{line}{blank}{ticks}"
