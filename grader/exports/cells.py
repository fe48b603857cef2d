"""CSV whose cells no spreadsheet evaluates."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from grader.exports.text import one_line

BOM = "\ufeff".encode()
# What makes a spreadsheet read a cell as a formula (OWASP, "CSV Injection"), the full-width forms too. Where the
# spreadsheet takes ; or | or a tab for the separator, a cell also begins after one of these; a tab becomes blanks.
_FORMULA = re.compile(r"(?:^|(?<=[,;|]))(?=\s*[=+\-@＝＋－＠])")
LONGEST_CELL = 1_000  # characters


def cell(text: str) -> str:
    """``text`` in one line, with an apostrophe before everything that a spreadsheet would evaluate.

    >>> cell("=1+1"), cell("-kim;@x"), cell("Kim, Alice")
    ("'=1+1", "'-kim;'@x", 'Kim, Alice')
    """
    return _FORMULA.sub("'", one_line(text, LONGEST_CELL))


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    r"""UTF-8, one line per row (\n). The cells are taken as they are: pass text from elsewhere through `cell` first.

    >>> csv_bytes(["student", "score"], [["Kim, Alice", "35"]])
    b'student,score\n"Kim, Alice",35\n'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode()
