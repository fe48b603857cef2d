"""The terminal text of a result: what passed, what did not and why, and what to do next. Made from a `Result` alone.

Every sentence that a person reads is made in this module, by functions that return it as a plain string. It is laid out
for 80 columns; it says in words what it says in colour; what the terminal's encoding lacks is replaced by ASCII. Text
that a submission can influence is shown as text: no escape sequence and no markup in it takes effect.

>>> print(score_line(Result(35, 1.0, [], Summary("a", "A", "a.py", "failed", 100))))
Score: 35 of 100 points
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from grader.language import gettext, later, ngettext
from grader.result import Result, Status, Summary, TestResult

WIDEST = 100  # columns: longer lines are hard to read
NARROWEST = 40  # columns: below that, let the terminal break the lines
SHOWN_LINES = 10  # of a message, half of them its last
SHOWN_LINE = 400  # characters of one of them
SHOWN_FRAMES = 5  # of a traceback, the innermost
SHOWN_PRINTED = 5  # lines of what the student's code printed, the last

# The word of a status, its mark, its style, and how the counts at the end call it.
_LOOK: dict[Status, tuple[str, str, str, str]] = {
    "passed": (later("PASS"), "✓", "green", later("passed")),
    "failed": (later("FAIL"), "✗", "bold red", later("failed")),
    "error": (later("ERROR"), "✗", "bold red", later("ended with an error")),
    "timeout": (later("TIMEOUT"), "✗", "bold magenta", later("took too long")),
    "out_of_memory": (later("MEMORY"), "✗", "bold magenta", later("took too much memory")),
    "crashed": (later("CRASH"), "✗", "bold magenta", later("crashed")),
    "blocked": (later("BLOCKED"), "-", "dim", later("blocked")),
    "not_attempted": (later("TODO"), "-", "bold yellow", later("not written yet")),
}
_INDENT = 4


def show(result: Result, console: Console) -> None:
    """Print the report of ``result``, as wide as ``console`` and in the characters that its encoding has."""
    console.print(report(result, width=console.width, encoding=console.encoding), soft_wrap=True)


def show_overview(results: Sequence[Result], console: Console) -> None:
    """Print one line per result, with its score."""
    lines = [encodable(plain(line), console.encoding) for line in overview_lines(results)]
    console.print(Text("\n".join(lines), style="bold"), soft_wrap=True)


def report(result: Result, *, width: int = 80, encoding: str = "utf-8") -> Text:
    """The whole report as one styled text, its lines at most ``width`` (40 to 100) columns wide.

    >>> print(report(Result(0, 0.1, [], Summary("vgg", "VGG", "vgg.py", "failed", 100, not_run_points=20))))
    VGG
    File: vgg.py
    Data: none was needed
    <BLANKLINE>
    Score: 0 of 100 points
    20 more points depend on checks that only your instructor has.
    """
    page = _Page(min(max(width, NARROWEST), WIDEST), encoding)
    _header(page, result)
    page.line()
    if result.extra_data.message:
        _import_problem(page, result)
    else:
        _checks(page, result)
    if result.tests:
        page.line()
    _footer(page, result)
    return Text("\n").join(page.lines)


def is_full(result: Result) -> bool:
    """Whether every check ran and passed."""
    return bool(result.tests) and all(test.extra_data.status == "passed" for test in result.tests)


def is_started(result: Result) -> bool:
    """Whether there is anything to be checked yet: a stub raises NotImplementedError wherever checks begin."""
    statuses = {test.extra_data.status for test in result.tests}
    return "not_attempted" not in statuses or not statuses <= {"not_attempted", "blocked"}


# Sentences


def title_line(result: Result) -> str:
    """What was graded."""
    return result.extra_data.title


def file_line(summary: Summary) -> str:
    """Which file was graded."""
    return gettext("File: {path}").format(path=short_path(summary.submission))


def data_line(result: Result) -> str:
    """Which images were used; a result knows that only if a check needed some."""
    source = result.extra_data.data
    name = next((str(test.extra_data.dataset) for test in result.tests if test.extra_data.dataset), "")
    if not source:
        return gettext("Data: none was needed")
    return gettext("Data: {source}").format(source=source if not name or name in source else f"{name}, {source}")


def score_line(result: Result) -> str:
    """The points."""
    return gettext("Score: {score:g} of {max_score:g} points").format(
        score=result.score, max_score=result.extra_data.max_score
    )


def counts_line(result: Result) -> str:
    """How many checks have which status.

    >>> from grader.result import CheckDetail
    >>> detail = CheckDetail("a", "passed")
    >>> counts_line(Result(1, 0.1, [TestResult("A", 1, 1, "passed", "", detail)], Summary("a", "A", "a", "passed", 1)))
    '1 check: 1 passed'
    """
    counts = Counter(test.extra_data.status for test in result.tests)
    one = gettext("{count} {status}")
    parts = [
        one.format(count=counts[status], status=gettext(look[3])) for status, look in _LOOK.items() if counts[status]
    ]
    count = len(result.tests)
    said = ngettext("{count} check: {parts}", "{count} checks: {parts}", count)
    return said.format(count=count, parts=", ".join(parts))


def not_run_line(points: float) -> str:
    """What this copy cannot check."""
    return ngettext(
        "{points:g} more point depends on checks that only your instructor has.",
        "{points:g} more points depend on checks that only your instructor has.",
        points,
    ).format(points=points)


def all_blocked_line(count: int) -> str:
    """What becomes of the checks where the file cannot be imported."""
    return ngettext(
        "{count} check cannot run until this is mended.", "{count} checks cannot run until this is mended.", count
    ).format(count=count)


def waits_line(numbers: Sequence[int], title: str) -> str:
    """A blocked check, and the numbers of those that it waits for.

    >>> waits_line([1, 4], "vgg16() has 14,983,498 parameters")
    '(after 1 and 4) vgg16() has 14,983,498 parameters'
    """
    return gettext("(after {numbers}) {title}").format(numbers=gettext(" and ").join(map(str, numbers)), title=title)


def next_step(result: Result) -> str:
    """The single most useful thing to do now."""
    summary = result.extra_data
    file = short_path(summary.submission)
    if summary.message:
        where = f" ({frame_line(summary.frames[-1])})" if summary.frames else ""
        return gettext("Next: mend {file}. {message}{where}").format(
            file=file, message=_first_lines(summary.message), where=where
        )
    todo = [test for test in result.tests if test.extra_data.status not in ("passed", "blocked")]
    if not todo:
        return gettext("Next: nothing. All checks passed.") if is_full(result) else ""
    detail = todo[0].extra_data
    if detail.status == "not_attempted":
        place = _place(detail.frames, summary.submission)
        if result.score == 0:
            step = gettext("Next: open {file} and begin with {place}.")
        else:
            step = gettext("Next: open {file} and write {place}.")
        step = step.format(file=file, place=place or todo[0].name)
    else:
        number = result.tests.index(todo[0]) + 1
        step = gettext("Next: check {number}, {name}.").format(number=number, name=todo[0].name)
        return f"{step} {detail.hint or _first_lines(detail.message)}".rstrip()
    return f"{step} {detail.hint}".rstrip()


def overview_lines(results: Sequence[Result]) -> list[str]:
    """One line per assignment, for the end of a run over several."""
    width = max((len(result.extra_data.assignment) for result in results), default=0)
    lines = []
    for result in results:
        summary = result.extra_data
        said = (
            gettext("{score:g} of {most:g} points")
            if is_started(result)
            else gettext("{score:g} of {most:g} points, not started")
        )
        lines.append(f"{summary.assignment:<{width}}  {said.format(score=result.score, most=summary.max_score)}")
    return lines


def cut_line() -> str:
    """Stands for the rest of a message that is too long for the screen."""
    return gettext("... (--json has the whole text)")


def frames_left_out(count: int) -> str:
    """Stands for the outer calls of a long traceback."""
    return ngettext("... ({count} call before that)", "... ({count} calls before that)", count).format(count=count)


def frame_line(frame: str) -> str:
    """A line of a traceback, as `grader.student.outcomes.Frame` writes it, in the student's language.

    >>> frame_line("vgg.py, line 3 in forward: x.view(2)")
    'vgg.py, line 3 in forward: x.view(2)'
    """
    found = _FRAME.match(frame)
    if not found:
        return frame
    file, line, function, source = found.groups()
    if function:
        said = gettext("{file}, line {line} in {function}: {source}")
    else:
        said = gettext("{file}, line {line}: {source}")
    return said.format(file=file, line=line, function=function, source=source)


_FIELDS = {
    "expected": later("Expected:"),
    "actual": later("Actual:"),
    "where": later("Where:"),
    "printed": later("Printed:"),
    "diagnosis": later("Likely:"),
    "hint": later("Try:"),
}
# As `grader.student.outcomes.Frame` writes it.
_FRAME = re.compile(r"(.+), line (\d+)(?: in ([^:]+))?: (.*)", re.DOTALL)


def _place(frames: list[str], submission: str) -> str:
    """The function to write, and its line, from the student's innermost frame."""
    for frame in reversed(frames):
        found = _FRAME.match(frame)
        if found and found[1] == Path(submission).name:
            if not found[3]:
                return gettext("line {line}").format(line=found[2])
            return gettext("{function} (line {line})").format(function=found[3], line=found[2])
    return ""


# Text from elsewhere

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # ECMA-48, section 5.4: control sequences
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\n]*?(?:\x07|\x1b\\|\x9c|$)"  # section 5.6: control strings
    r"|\x1b[ -/]*[0-~]",  # other escape sequences
    re.MULTILINE,
)
_JOINERS = "\u200c\u200d"  # format characters that some scripts, and emoji, need; others can turn the text's direction
_ASCII = {
    "✓": "+", "✗": "x", "“": '"', "”": '"', "‘": "'", "’": "'", "×": "x", "–": "-", "—": "-", "…": "...", "≥": ">=",
    "≤": "<=", "±": "+-", "→": "->", "·": "-", "²": "^2",
}  # fmt: skip


def plain(text: str) -> str:
    r"""``text`` without escape sequences and control characters; lines and their indentation stay.

    >>> plain("\x1b[31mred\x1b[0m\a \x1b]0;title\aok\r\n")
    'red ok\n'
    """
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(_visible(character) for character in text).expandtabs(4)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character in "\n\t" or character in _JOINERS or category[0] not in "CZ" or category == "Zs":
        return character
    return {"Zl": "\n", "Zp": "\n", "Cs": "?"}.get(category, "")


def encodable(text: str, encoding: str) -> str:
    """``text`` in characters that ``encoding`` has.

    >>> encodable("✓ 3×32 한", "ascii")
    '+ 3x32 ?'
    """
    try:
        text.encode(encoding)
        return text
    except (UnicodeEncodeError, LookupError):
        return "".join(_encodable(character, encoding) for character in text)


def _encodable(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
        return character
    except (UnicodeEncodeError, LookupError):
        return character if character.isascii() else _ASCII.get(character, "?")


def short_path(path: str) -> str:
    """``path`` from the current folder, where it is in it."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if relative.startswith(os.pardir) else relative


def _first_lines(text: str) -> str:
    """``text`` up to a length that suits the end of a report."""
    first = " ".join(text.strip().splitlines()[:2])
    return first if len(first) <= 300 else first[:297] + "..."


def _shortened(text: str) -> str:
    """``text`` without its middle where it is long: it begins with what was done, and ends with what came of it."""
    lines = plain(text).strip("\n").split("\n")
    lines = [
        line if len(line) <= SHOWN_LINE else f"{line[: SHOWN_LINE // 2]} ... {line[-SHOWN_LINE // 2 :]}"
        for line in lines
    ]
    if len(lines) > SHOWN_LINES:
        lines[SHOWN_LINES // 2 : -SHOWN_LINES // 2] = [cut_line()]
    return "\n".join(lines)


# Layout


class _Page:
    """Lines of at most ``width`` columns. What is put on it is cleaned (`plain`) and made encodable first."""

    def __init__(self, width: int, encoding: str) -> None:
        self.width, self.encoding = width, encoding
        self.lines: list[Text] = []
        self._console = Console(width=width)  # Text.wrap wants one

    def text(self, content: str, style: str = "") -> Text:
        return Text(encodable(plain(content), self.encoding), style)

    def line(self, content: str = "", style: str = "", indent: int = 0) -> None:
        """``content``, wrapped, every line after ``indent`` spaces."""
        self.hang(Text(" " * indent), self.text(content, style))

    def hang(self, prefix: Text, content: Text) -> None:
        """``content`` after ``prefix``, its further lines under its first one."""
        room = max(self.width - prefix.cell_len, 10)
        for paragraph in content.split("\n", allow_blank=True) or [Text()]:
            for part in paragraph.wrap(self._console, room, overflow="fold"):
                part.rstrip()
                whole = Text.assemble(prefix, part)
                whole.rstrip()
                self.lines.append(whole)
                prefix = Text(" " * prefix.cell_len)

    def one_line(self, prefix: Text, content: Text) -> None:
        """``content`` after ``prefix``, cut where the line ends."""
        if prefix.cell_len + content.cell_len > self.width:
            content.truncate(max(self.width - prefix.cell_len - 3, 0))
            content.rstrip()
            content.append("...")
        self.lines.append(Text.assemble(prefix, content))

    def field(self, name: str, content: str, style: str = "") -> None:
        """A labelled part of what became of a check."""
        room = max(cell_len(gettext(label)) for label in _FIELDS.values()) + 1
        label = Text(set_cell_size(gettext(_FIELDS[name]), room), "bold" if name == "hint" else "dim")
        prefix = Text.assemble(" " * _INDENT, label)
        self.hang(prefix, self.text(content, style))


def _header(page: _Page, result: Result) -> None:
    page.line(title_line(result), "bold")
    page.line(file_line(result.extra_data))
    page.line(data_line(result))


def _import_problem(page: _Page, result: Result) -> None:
    summary = result.extra_data
    word, mark, style, _ = _LOOK[summary.status]
    page.hang(page.text(f"{mark} {gettext(word)}  ", style), page.text(_shortened(summary.message)))
    _frames(page, summary.frames)
    _printed(page, summary.printed)
    if result.tests:
        page.line(all_blocked_line(len(result.tests)), "dim", _INDENT)


def _checks(page: _Page, result: Result) -> None:
    number_of = {test.extra_data.check: number for number, test in enumerate(result.tests, 1)}
    widest = max(cell_len(gettext(look[0])) for look in _LOOK.values())
    points = max((len(_points(test)) for test in result.tests), default=0)
    for number, test in enumerate(result.tests, 1):
        detail = test.extra_data
        word, mark, style, _ = _LOOK[detail.status]
        prefix = Text.assemble(
            page.text(f"{number:>2} ", "dim"),
            page.text(f"{mark} {set_cell_size(gettext(word), widest)}", style),
            page.text(f"  {_points(test):>{points}}  "),
        )
        if detail.status == "blocked":
            waits = detail.waits_for
            names = [name for name in waits if name in number_of] if isinstance(waits, list) else []
            title = waits_line([number_of[name] for name in names], test.name) if names else test.name
            page.one_line(prefix, page.text(title, "dim"))
            continue
        page.hang(prefix, page.text(test.name))
        if detail.status == "passed" and detail.message:
            page.line(_shortened(detail.message), "dim", _INDENT)
        elif detail.status != "passed":
            _what_happened(page, test)


def _points(test: TestResult) -> str:
    return f"{test.score:g}/{test.max_score:g}"


def _what_happened(page: _Page, test: TestResult) -> None:
    detail = test.extra_data
    page.line(_shortened(detail.message), indent=_INDENT)
    if not (detail.expected in detail.message and detail.actual in detail.message):
        for name, side in (("expected", detail.expected), ("actual", detail.actual)):
            if side:
                page.field(name, _shortened(side))
    if detail.status != "not_attempted":  # else the message has the line
        _frames(page, detail.frames)
    _printed(page, detail.printed)
    if detail.diagnosis:
        page.field("diagnosis", _shortened(detail.diagnosis))
    if detail.hint:
        page.field("hint", detail.hint, "cyan")


def _frames(page: _Page, frames: list[str]) -> None:
    shown = [plain(frame_line(frame)).replace("\n", " ") for frame in frames[-SHOWN_FRAMES:]]
    if len(frames) > SHOWN_FRAMES:
        shown.insert(0, frames_left_out(len(frames) - SHOWN_FRAMES))
    if shown:
        page.field("where", "\n".join(shown))


def _printed(page: _Page, printed: str) -> None:
    lines = [line.rstrip() for line in plain(printed).split("\n")]
    lines = [line if len(line) <= 200 else line[:197] + "..." for line in lines if line][-SHOWN_PRINTED:]
    if lines:
        page.field("printed", "\n".join(f"| {line}" for line in lines))


def _footer(page: _Page, result: Result) -> None:
    page.line(score_line(result), "bold green" if is_full(result) else "bold")
    if result.tests:
        page.line(counts_line(result))
    if result.extra_data.not_run_points:
        page.line(not_run_line(result.extra_data.not_run_points))
    step = next_step(result)
    if step:
        page.line()
        page.line(step)
