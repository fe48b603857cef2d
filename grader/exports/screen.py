"""What the instructor reads on the screen: the class, one student, what a regrade changed.

Made for 80 columns and without colour. Whoever prints it makes it encodable (`grader.report.encodable`) first.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from rich.cells import cell_len
from rich.text import Text

from grader.exports import canvas, moodle
from grader.exports.text import cut, excerpt, fold, many, number, one_line, padded
from grader.gradebook import FLAGS, Entry
from grader.report import NARROWEST, WIDEST, encodable, plain, report
from grader.result import STATUSES

BINS = 10
SLOWEST = 3
MOST_REFUSED = 20
_NAME = 40  # columns of a student's name in a table
Word = TypeVar("Word", bound=str)  # a status, or a flag


def summary(entries: Sequence[Entry], *, title: str, max_score: float, width: int = 80) -> str:
    """The class at a glance, in lines of at most ``width`` columns (40 to 100).

    >>> from grader.result import Result, Summary
    >>> entry = Entry("alice", Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100)))
    >>> print(summary([entry], title="A", max_score=100).splitlines()[0])
    A: 1 student
    """
    width = min(max(width, NARROWEST), WIDEST)
    lines = fold(f"{one_line(title)}: {many(len(entries), 'student')}", width)
    if not entries:
        return lines[0]
    entries = sorted(entries, key=lambda entry: entry.student)
    sections = [
        lines + _scores(entries, max_score, width),
        _distribution(entries, max_score, width),
        _checks(entries, width),
        _statuses(entries, width),
        _refused(entries, width),
        _slowest(entries, width),
        _lms(entries, width),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _scores(entries: Sequence[Entry], max_score: float, width: int) -> list[str]:
    scores = [entry.result.score for entry in entries]
    figures = {
        "mean": statistics.fmean(scores),
        "median": statistics.median(scores),
        "lowest": min(scores),
        "highest": max(scores),
    }
    listed = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    return fold(f"Score: {listed}, of {number(max_score)} points", width, indent=2)


def _distribution(entries: Sequence[Entry], max_score: float, width: int) -> list[str]:
    """Ten bins of equal width; a score on an edge counts above it, full points in the last bin."""
    counts = [0] * BINS
    for entry in entries:
        place = int(entry.result.score * BINS / max_score + 1e-9) if max_score > 0 else BINS - 1
        counts[min(max(place, 0), BINS - 1)] += 1
    edges = [number(round(max_score * place / BINS, 2)) for place in range(BINS + 1)]
    column, last = max(map(len, edges)), len(f"{max(counts)}")
    labels = [f"{low:>{column}} to {high:>{column}}" for low, high in pairwise(edges)]
    room = min(width - len(labels[0]) - last - 6, 50)
    # A bar of one per student where there is room; else the longest fills it, and no student is without a mark.
    scale = min(1.0, room / max(counts))
    bars = ["#" * max(round(count * scale), count > 0) for count in counts]
    rows = [f"  {label}  {count:>{last}}  {bar}" for label, count, bar in zip(labels, counts, bars, strict=True)]
    return ["Distribution", *(row.rstrip() for row in rows)]


def _checks(entries: Sequence[Entry], width: int) -> list[str]:
    """Each check's share of passes among the students whose hand-in has it, the lowest first."""
    titles: dict[str, str] = {}
    seen: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for entry in entries:
        for test in entry.result.tests:
            detail = test.extra_data
            titles.setdefault(detail.check, one_line(test.name) + " (hidden)" * detail.hidden)
            seen[detail.check] += 1
            passed[detail.check] += detail.status == "passed"
    if not titles:
        return []
    column = len(f"{max(seen.values())}")
    worst = sorted(titles, key=lambda check: passed[check] / seen[check])  # stable: else in the order of the checks
    rows = [
        f"  {passed[check] / seen[check]:>4.0%}  {passed[check]:>{column}} of {seen[check]:>{column}}  {titles[check]}"
        for check in worst
    ]
    return ["Checks, the least passed first", *(cut(row, width) for row in rows)]


def _statuses(entries: Sequence[Entry], width: int) -> list[str]:
    students = Counter(entry.result.extra_data.status for entry in entries)
    checks = Counter(test.extra_data.status for entry in entries for test in entry.result.tests)
    del checks["passed"]
    flags = Counter(flag for entry in entries for flag in entry.flags)
    once = sum(bool(entry.same_as) for entry in entries)
    lines = [
        _counted("Students by status", students, STATUSES, width),
        _counted("Checks not passed", checks, STATUSES, width),
        _counted("Flags", flags, FLAGS, width),
    ]
    if once:
        verb = "differs" if once == 1 else "differ"
        told = f"{many(once, 'hand-in')} {verb} from another only in comments and formatting: computed once."
        lines.append(fold(told, width, indent=2))
    return [line for part in lines for line in part]


def _counted(name: str, counts: Mapping[Word, int], order: Sequence[Word], width: int) -> list[str]:
    listed = ", ".join(f"{counts[key]:,} {key.replace('_', ' ')}" for key in order if counts.get(key))
    return fold(f"{name}: {listed}", width, indent=2) if listed else []


def _refused(entries: Sequence[Entry], width: int) -> list[str]:
    """Those of whom not even a check was tried, and why."""
    refused = [entry for entry in entries if "refused" in entry.flags or not entry.result.tests]
    lines = [f"Not graded: {many(len(refused), 'student')}"] if refused else []
    for entry in refused[:MOST_REFUSED]:
        reason = " ".join(excerpt(entry.result.extra_data.message, 2)) or " ".join(map(one_line, entry.notes[:1]))
        told = one_line(f"{cut(one_line(entry.student), _NAME)}: {reason or 'no reason is given.'}", 300)
        lines += fold(f"  {told}", width, indent=4)
    if len(refused) > MOST_REFUSED:
        lines.append(f"  ... and {len(refused) - MOST_REFUSED:,} more")
    return lines


def _slowest(entries: Sequence[Entry], width: int) -> list[str]:
    timed = sorted((entry for entry in entries if entry.result.execution_time > 0), key=_seconds)[:SLOWEST]
    rows = [f"  {entry.result.execution_time:>7,.1f} s  {one_line(entry.student)}" for entry in timed]
    return ["Slowest", *(cut(row, width) for row in rows)] if rows else []


def _seconds(entry: Entry) -> float:
    return -entry.result.execution_time


def _lms(entries: Sequence[Entry], width: int) -> list[str]:
    """Said only where it matters: where the upload tells the identifiers of some students and not of others."""
    lines: list[str] = []
    missing = moodle.left_out(entries)
    if 0 < missing < len(entries):
        lines += fold(f"moodle.csv leaves out {many(missing, 'student')} without a participant number.", width, 2)
    missing = canvas.unknown(entries)
    if missing and any("canvas_id" in entry.identifiers for entry in entries):
        lines += fold(f"Canvas will ask who {many(missing, 'student')} without an ID in canvas.csv may be.", width, 2)
    return lines


def show(entry: Entry, width: int = 80, encoding: str = "utf-8") -> Text:
    """What a class run knows of one student, and the report of the result, for the instructor.

    >>> from grader.result import Result, Summary
    >>> entry = Entry("bob", Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100)), ("late",), previous=30)
    >>> print(show(entry).plain.splitlines()[:3])
    ['Student: bob', 'Flags: late', 'Score: 30 -> 35 points']
    """
    width = min(max(width, NARROWEST), WIDEST)
    lines = [f"Student: {one_line(entry.student)}"]
    if entry.flags:
        lines.append(f"Flags: {', '.join(sorted(entry.flags))}")
    if entry.previous is not None:
        lines.append(f"Score: {number(entry.previous)} -> {number(entry.result.score)} points")
    if entry.same_as:
        lines.append(f"The code is {one_line(entry.same_as)}'s but for comments and formatting: computed once.")
    lines += [f"Note: {one_line(note)}" for note in entry.notes]
    head = [part for line in lines for part in fold(encodable(plain(line), encoding), width, indent=2)]
    return Text("\n".join([*head, "", ""])).append_text(report(entry.result, width=width, encoding=encoding))


def changes(entries: Sequence[Entry]) -> str:
    """Old and new scores side by side, of the students whose score a regrade changed, and how many others there are.

    "" where nobody has an old score.

    >>> from grader.result import Result, Summary
    >>> entry = Entry("bob", Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100)), previous=30)
    >>> print(changes([entry]))
    student       old       new    change
    bob            30        35        +5
    Unchanged: 0 students
    """
    known = sorted((entry for entry in entries if entry.previous is not None), key=lambda entry: entry.student)
    if not known:
        return ""
    rows = [(one_line(entry.student), entry.previous or 0.0, entry.result.score) for entry in known]
    changed = [row for row in rows if number(row[1]) != number(row[2])]
    lines = []
    if changed:
        column = min(max(len("student"), *(cell_len(name) for name, _, _ in changed)), _NAME)
        lines.append(f"{padded('student', column)}{'old':>10}{'new':>10}{'change':>10}")
    for name, old, new in changed:
        difference = number(new - old)
        sign = "" if difference.startswith("-") else "+"
        lines.append(f"{padded(name, column)}{number(old):>10}{number(new):>10}{sign + difference:>10}")
    lines.append(f"Unchanged: {many(len(rows) - len(changed), 'student')}")
    fresh = len(entries) - len(known)
    if fresh:
        lines.append(f"Without an old score: {many(fresh, 'student')}")
    return "\n".join(lines)
