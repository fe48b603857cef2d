"""Text from elsewhere as text: plain (`grader.report.plain`), bounded, and numbers as people write them."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from grader.report import plain

LONGEST_LINE = 400  # characters
_CLEANED = 20_000  # characters at either end of a text that are looked at; `plain` takes a microsecond for each few


def number(value: float) -> str:
    """Points without trailing zeros and without an exponent.

    >>> number(100.0), number(2 / 3), number(-0.0), number(1_000_000)
    ('100', '0.666667', '0', '1000000')
    """
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")


def many(count: int, noun: str) -> str:
    """A count and what is counted.

    >>> many(1, "student"), many(1200, "student")
    ('1 student', '1,200 students')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    r"""``text`` in one line of at most ``longest`` characters.

    >>> one_line(" a\nb\x1b[31m c\t")
    'a b c'
    """
    line = " ".join(plain(text[: 4 * longest]).split("\n")).strip()
    return line if len(line) <= longest else line[: longest - 3] + "..."


def excerpt(text: str, most: int, *, end: bool = False) -> list[str]:
    r"""At most ``most`` lines of ``text``, bounded themselves: its first and its last ones, or with ``end`` its last.

    >>> excerpt("\n1\n2\n3\n4\n5\n", 4)
    ['1', '2', '...', '4', '5']
    >>> excerpt("1\n2\n3", 2, end=True)
    ['...', '2', '3']
    """
    if len(text) > 2 * _CLEANED:
        text = f"{text[:_CLEANED]}\n{text[-_CLEANED:]}"
    lines = [_without_middle(line.rstrip()) for line in plain(text).split("\n")]
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    if len(lines) <= most:
        return lines
    return ["...", *lines[-most:]] if end else [*lines[: most // 2], "...", *lines[-(most // 2) :]]


def _without_middle(line: str) -> str:
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"


def fold(text: str, width: int, indent: int = 0) -> list[str]:
    """``text`` in lines of at most ``width`` columns, all but the first after ``indent`` spaces.

    >>> fold("- one two three", 11, indent=2)
    ['- one two', '  three']
    """
    # The console is only asked for its settings. The first line is as narrow as the others; that costs little.
    lines = Text(text).wrap(Console(width=width), max(width - indent, 2), overflow="fold")
    return [" " * indent * (place > 0) + line.plain.rstrip() for place, line in enumerate(lines)]


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns; a Chinese, Japanese or Korean character takes two.

    >>> cut("abcdef", 5), cut("가나다", 5)
    ('ab...', '가...')
    """
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 3, 0)).rstrip() + "..."


def padded(text: str, width: int) -> str:
    """``text`` in exactly ``width`` columns."""
    return set_cell_size(cut(text, width), width)
