"""What a grade cell shows and is worth: HTML for the student, and a plain float for nbgrader.

``python -m grader.nbgrader_course.cells ASSIGNMENT FOLDER ANSWER`` grades the hand-in in FOLDER without a sandbox, for
a grade cell that is run in a kernel, and writes the cells into ANSWER as JSON.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from grader.exports.text import excerpt, number, one_line
from grader.exports.told import status, told
from grader.language import gettext
from grader.report import encodable, frame_line
from grader.result import Result, TestResult

_COLOURS = {"passed": "#1a7f37", "blocked": "#6e7781", "not_attempted": "#9a6700"}  # all others: red


class Cell(msgspec.Struct, frozen=True):
    """One grade cell: what it is worth, and what it shows."""

    points: float
    html: str


class Answer(msgspec.Struct, frozen=True):
    """The cells by their check; ``other`` stands for checks that are not here, if anything can be said of them.

    ``hidden`` is what a hidden check says in a student's kernel.
    """

    checks: dict[str, Cell]
    other: Cell | None
    hidden: str


def answer(result: Result, notes: Iterable[str] = ()) -> Answer:
    """The grade cells of ``result``; the first of them also shows ``notes`` and why nothing could be graded.

    >>> from grader.result import CheckDetail, Summary
    >>> test = TestResult("A shape", 2, 3, "failed", "", CheckDetail("shape", "failed", "It is <b>."))
    >>> cell = answer(Result(2, 0.1, [test], Summary("a", "A", "a.py", "failed", 3))).checks["shape"]
    >>> cell.points, "It is &lt;b&gt;." in cell.html
    (2.0, True)
    """
    hidden = gettext("This check is hidden: your instructor runs it when your work is graded.")
    summary = result.extra_data
    about = _lines(gettext("Note"), [one_line(note) for note in notes if note != summary.message][:20])
    about += _lines(gettext("What happened"), excerpt(summary.message, 20))
    about += _lines(gettext("Where"), [one_line(frame_line(frame)) for frame in summary.frames[-5:]])
    about += _lines(gettext("Printed"), excerpt(summary.printed, 10, end=True))
    if not result.tests:
        return Answer(
            {}, Cell(0.0, about or _lines(gettext("What happened"), [gettext("Nothing could be graded.")])), hidden
        )
    cells = {}
    for test in result.tests:
        points = min(max(float(test.score), 0.0), float(test.max_score))
        cells[test.extra_data.check] = Cell(points, about + _check(test))
        about = ""
    return Answer(cells, None, hidden)


def _check(test: TestResult) -> str:
    detail = told(test.extra_data)
    colour = _COLOURS.get(detail.status, "#cf222e")
    mark = "✓" if detail.status == "passed" else "–" if detail.status in _COLOURS else "✗"
    worth = gettext("{points} of {most} points").format(points=number(test.score), most=number(test.max_score))
    head = f"{mark} {_text(test.name)}: {worth} ({status(detail)})"
    parts = [f'<div style="color:{colour};font-weight:bold">{head}</div>']
    passed = detail.status == "passed"
    parts.append(_lines(gettext("Found") if passed else gettext("What happened"), excerpt(detail.message, 20)))
    if not passed:
        parts.append(_lines(gettext("Expected"), excerpt(detail.expected, 10)))
        parts.append(_lines(gettext("Actual"), excerpt(detail.actual, 10)))
        parts.append(_lines(gettext("Where"), [one_line(frame_line(frame)) for frame in detail.frames[-5:]]))
        parts.append(_lines(gettext("Printed"), excerpt(detail.printed, 10, end=True)))
        parts.append(_lines(gettext("Likely"), excerpt(detail.diagnosis, 20)))
        parts.append(_lines(gettext("Try"), excerpt(detail.hint, 20)))
    return "".join(parts)


def _lines(label: str, lines: list[str]) -> str:
    """A label and ``lines`` in which no markup takes effect; nothing without lines."""
    if not any(lines):
        return ""
    text = _text("\n".join(lines))
    return f'<div>{label}:<pre style="margin:0 0 0.5em 1.5em;white-space:pre-wrap">{text}</pre></div>'


def _text(text: str) -> str:
    return html.escape(encodable(text, "utf-8"))


def main(arguments: list[str]) -> int:
    """Grade one hand-in and write its `Answer`; 0, or 2 and a sentence on standard error."""
    name, folder, target = arguments
    from grader import assignment
    from grader.class_run.judging import not_graded
    from grader.intake import collect_named
    from grader.judge.grade import grade
    from grader.judge.workers import Workers

    try:
        chosen = assignment.load(name, assignment.find_root())
        (handin,) = collect_named({Path(folder).name: Path(folder)}, chosen)
        if handin.submission is None:
            result = not_graded(chosen, "", "error" if handin.attempted else "not_attempted", handin.problem)
        else:
            with Workers(preload=chosen.settings.preload) as workers:
                result = grade(
                    chosen, handin.submission, workers, diagnosis=True, on_broken=lambda check, said: print(said)
                )
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    Path(target).write_bytes(msgspec.json.encode(answer(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
