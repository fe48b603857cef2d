"""A Jupyter notebook as a module: its code cells in their order, without what only a notebook understands."""

from __future__ import annotations
import __future__

import json
import re
from collections.abc import Iterator

from grader.assignment import KIT
from grader.intake.encodings import to_text
from grader.language import gettext

# Two lines, so that no line of the student's can be taken for a coding line.
HEADER = "# The code cells of a notebook. Lines that only a notebook understands are commented out."
# Cell magics that run the cell all the same; the cell of any other (%%bash, %%html, %%writefile) is no part of the
# module.
_RUNNING = {"time", "timeit", "capture", "prun", "memit"}
# What a grade cell of ours imports (`grader release`): it asks for a grade and is no part of what is graded.
_GRADE_CELL = re.compile(rf"(?:\s*#[^\n]*\n)*\s*from {KIT} import grade\s+grade\([^\n]*\s*")
_NEWLINE = re.compile(r"\r\n?|\n")
# IPython without %: only what is never valid Python.
_BARE = re.compile(r"(?:pip|conda|mamba|uv)[ \t]+(?:install|uninstall|list|show|freeze|pip|add)\b(?!\s*[=.(\[,])")
_HELP = re.compile(r"[\w.*\[\]%]*\?{1,2}[ \t]*;?[ \t]*$")
_ASSIGNED = re.compile(r"([^\W\d]\w*(?:[ \t]*,[ \t]*[^\W\d]\w*)*)[ \t]*=[ \t]*[!%]")
_TIMED = re.compile(r"%time[ \t]+(?=\S)")
_FUTURE = re.compile(r"from[ \t]+__future__[ \t]+import[ \t]+(\w+(?:[ \t]*,[ \t]*\w+)*)[ \t]*(?:#.*)?$")
# A backslash keeps what follows it from ending a string, in raw strings too.
_END = {quotes: re.compile(rf"\\.|{quotes}") for quotes in ("'", '"', "'''", '"""')}
_NEXT = re.compile(r"#|'''|\"\"\"|['\"()\[\]{}]")


class NotebookError(Exception):
    """It is no notebook; the message is the rest of a sentence that begins with its name."""


def to_module(content: bytes) -> bytes:
    r"""The module that the notebook ``content`` (nbformat 2 to 4) amounts to: UTF-8, every line in its cell's place.

    >>> cells = [{"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1\n", "!ls"]}]
    >>> print(to_module(json.dumps({"cells": cells}).encode()).decode(), end="")  # doctest: +ELLIPSIS
    # The code cells of a notebook...
    #
    <BLANKLINE>
    # %% code cell 1
    pass  # %matplotlib inline
    x = 1
    pass  # !ls

    A cell with a syntax error stays as it is. Nothing but the header is the module of a notebook without code.

    Raises:
        NotebookError: it is not JSON, or JSON of something else.
    """
    lines: list[str] = []
    future: list[str] = []
    for number, source in enumerate(cells(content), 1):
        if source.strip():
            lines += ["", f"# %% code cell {number}", *_plain(source, future)]
    second = f"from __future__ import {', '.join(future)}" if future else "#"
    return "".join(f"{line}\n" for line in (HEADER, second, *lines)).encode("utf-8", "replace")


def cells(content: bytes) -> list[str]:
    """The sources of the notebook's code cells, but for those that nbgrader grades by.

    Raises:
        NotebookError: it is not JSON, or JSON of something else.
    """
    found = to_text(content)
    if found is None:
        raise NotebookError(gettext("is no text"))
    try:
        document = json.loads(found[0])
    except (ValueError, RecursionError) as error:
        raise NotebookError(
            gettext("is no notebook, or a damaged one ({type})").format(type=type(error).__name__)
        ) from None
    if not isinstance(document, dict) or not ({"cells", "worksheets"} & document.keys()):
        raise NotebookError(gettext("is no notebook: it has no cells"))
    places = [document]
    if isinstance(document.get("worksheets"), list):  # nbformat 2 and 3
        places += [sheet for sheet in document["worksheets"] if isinstance(sheet, dict)]
    every = [cell for place in places if isinstance(place.get("cells"), list) for cell in place["cells"]]
    code = [cell for cell in every if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    return [source for cell in code if not _grades(cell, source := _source(cell))]


def _grades(cell: dict[str, object], source: str) -> bool:
    """Whether it is one of nbgrader's "autograder tests", by its metadata or, where these are lost, by its code."""
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    marked = isinstance(about, dict) and about.get("grade") is True and about.get("solution") is not True
    return marked or _GRADE_CELL.fullmatch(source) is not None


def _source(cell: dict[str, object]) -> str:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _plain(source: str, future: list[str]) -> Iterator[str]:
    """The lines of one cell as Python; what they import from __future__ is added to ``future``."""
    lines = _NEWLINE.split(source)
    while lines and not lines[-1].strip():
        lines.pop()
    lines = _dedented(lines)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    magic = re.match(r"%%(\w*)", lines[first])
    if magic and magic[1] not in _RUNNING:
        yield from (f"# {line}".rstrip() for line in lines)
        return
    scanner = _Scanner()
    dropping = False  # within a shell command that goes on after a backslash
    for line in lines:
        indent, code = line[: len(line) - len(line.lstrip(" \t"))], line.lstrip(" \t")
        if dropping:
            dropping = line.endswith("\\")
            yield f"{indent}# {code}"
            continue
        if scanner.begins_statement:
            if (timed := _TIMED.match(code)) and not _notebook_only(code[timed.end() :]):
                line = indent + code[timed.end() :]
            elif found := _ASSIGNED.match(code):
                dropping = line.endswith("\\")
                yield f"{indent}{found[1]} = None  # {code[found.end(1) :].lstrip(' =')}"
                continue
            elif _notebook_only(code):
                dropping = line.endswith("\\")
                yield f"{indent}pass  # {code}"
                continue
            elif (imported := _FUTURE.match(code)) and (features := _features(imported[1])):
                # Python wants these first; a notebook takes them anywhere.
                future += [name for name in features if name not in future]
                yield f"{indent}pass  # {code}"
                continue
        scanner.feed(line)
        yield line


def _features(imported: str) -> list[str]:
    """What is imported from __future__; nothing if there is no such feature, so that Python will say so."""
    known = sorted(set(re.split(r"[ \t]*,[ \t]*", imported)))
    return known if set(known) <= set(__future__.all_feature_names) else []


def _notebook_only(code: str) -> bool:
    """Whether a statement that begins with ``code`` is one for IPython.

    >>> [_notebook_only(code) for code in ("%cd x", "!ls", "?print", "nn.Conv2d??", "pip install x", "x %= 2")]
    [True, True, True, True, True, False]
    """
    return code.startswith(("%", "!", "?")) or bool(_BARE.match(code) or _HELP.match(code))


def _dedented(lines: list[str]) -> list[str]:
    """IPython takes a cell that is indented as a whole: by what its first line is indented."""
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    return [line.removeprefix(indent) for line in lines] if indent else lines


class _Scanner:
    """Follows strings, brackets and backslashes from line to line: a ``%`` in one of them is no magic."""

    def __init__(self) -> None:
        self._string = ""  # the quotes that end the string we are in
        self._depth = 0
        self._continued = False

    @property
    def begins_statement(self) -> bool:
        return not (self._string or self._depth or self._continued)

    def feed(self, line: str) -> None:
        self._continued = False
        at = 0
        while True:
            if self._string:
                ends = _END[self._string].finditer(line, at)
                end = next((found for found in ends if not found[0].startswith("\\")), None)
                if end is None:
                    if len(self._string) == 1 and not line.endswith("\\"):
                        self._string = ""  # a syntax error; the next line starts anew
                    return
                at, self._string = end.end(), ""
            found = _NEXT.search(line, at)
            if found is None or found[0] == "#":
                self._continued = found is None and line.endswith("\\")
                return
            at = found.end()
            if found[0] in "([{":
                self._depth += 1
            elif found[0] in ")]}":
                self._depth = max(0, self._depth - 1)
            else:
                self._string = found[0]
