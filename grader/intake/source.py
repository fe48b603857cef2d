"""One file of a hand-in as Python source, and what it defines."""

from __future__ import annotations

import ast
import contextlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from grader.assignment import Assignment, AssignmentError
from grader.intake import encodings, notebook
from grader.intake.tree import Budget, Leaf, RefusedError, read
from grader.language import gettext
from grader.stubs import StubError, stubs
from grader.submission import MAX_FILE

MAX_NOTEBOOK = 16 << 20  # bytes: plots are in it; its code is held to MAX_FILE
NOTEBOOK = ".ipynb"
PYTHON = {".py", ".pyw"}
# What an LMS or a browser makes of the two: vgg16.py.txt, vgg16.ipynb.json. Looked into, but only used if it fits.
DISGUISED = {".txt", ".json", ""}
# By the line, not by ast: a file with a syntax error is to be found too, and ast can be driven out of memory or stack.
_DEFINED = re.compile(
    r"^(?:(?:async[ \t]+)?def|class)[ \t]+([^\W\d]\w*)|^([^\W\d]\w*)[ \t]*(?::[^=\n]*)?=(?!=)", re.MULTILINE
)


@dataclass(frozen=True)
class Wanted:
    """One file that the assignment asks for.

    Attributes:
        stub: what students were given; None where there is no stub.
        names: the public names that the stub defines at its top level.
        released: the stub as `grader release` cuts it from the solution, whatever became of the one above.
    """

    name: str
    stub: bytes | None
    names: frozenset[str]
    released: bytes | None = None

    @property
    def notebook(self) -> str:
        return PurePosixPath(self.name).stem + NOTEBOOK


def wanted(assignment: Assignment) -> list[Wanted]:
    """What ``assignment`` asks for, in its own order."""
    found = []
    released: dict[str, bytes] = {}
    with contextlib.suppress(AssignmentError, StubError):  # no solution here, or one that nobody has released
        released = {stub.path.name: stub.content for stub in stubs(assignment)}
    for name in assignment.settings.files:
        try:
            stub = (assignment.folder / name).read_bytes()
        except OSError:
            found.append(Wanted(name, None, frozenset()))
        else:
            found.append(Wanted(name, stub, frozenset(public_names(stub)), released.get(name)))
    return found


def public_names(stub: bytes) -> list[str]:
    """What a stub, which is ours, defines at its top level for others.

    >>> public_names(b"import math\\nCFG = [1]\\n_x: int = 2\\nclass Net: ...\\ndef net(): ...")
    ['CFG', 'Net', 'net']
    """
    try:
        body = ast.parse(stub).body
    except (SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in names if not name.startswith("_")]


def defined(content: bytes) -> set[str]:
    """What source code, right or not, defines at its top level.

    >>> sorted(defined(b"CFG = [1]\\nclass Net(: pass\\n  x = 1\\nif CFG == [1]: y = 2\\nasync def net(): ..."))
    ['CFG', 'Net', 'net']
    """
    text = content.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return {found[1] or found[2] for found in _DEFINED.finditer(text)}


@dataclass(frozen=True)
class Source:
    """One file, read.

    Attributes:
        folders: how many folders it is in, below the student's own.
        content: as Python can read it.
        encoding: what it was converted from; "" where Python could read it as it was.
        blank: there is no code in it.
    """

    leaf: Leaf
    folders: int
    content: bytes
    encoding: str
    is_notebook: bool
    blank: bool
    defined: frozenset[str]

    def is_stub(self, file: Wanted) -> bool:
        """Whether it is what students were given, untouched but for the ends of its lines."""
        return _lines(self.content) in [_lines(stub) for stub in (file.stub, file.released) if stub is not None]

    def rank(self, file: Wanted) -> int:
        """How many of the names it defines that ``file`` has to; 0 for a stub. Without a stub any code has rank 1."""
        if self.blank or self.is_stub(file):
            return 0
        if not file.names:
            return int(self.is_notebook or suffix(self.leaf.name) in PYTHON)
        return len(self.defined & file.names)


def _lines(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").strip()


def suffix(name: str) -> str:
    """The lower-case suffix of a file's name.

    >>> suffix("VGG16.PY")
    '.py'
    """
    return PurePosixPath(name).suffix.casefold()


def load(leaf: Leaf, folders: int, budget: Budget) -> Source:
    """Read ``leaf`` as source code.

    Raises:
        RefusedError: it is too large, no text, or no notebook though it is called one.
    """
    called = suffix(leaf.name)
    content = read(leaf, MAX_FILE if called in PYTHON else MAX_NOTEBOOK, budget)
    is_notebook = called == NOTEBOOK or _looks_like_notebook(content)
    encoding = ""
    if is_notebook:
        try:
            blank = not any(cell.strip() for cell in notebook.cells(content))
            text = encodings.to_text(content)
            encoding = "" if text is None or text[1] == "UTF-8" else text[1]
            content = notebook.to_module(content)
        except notebook.NotebookError as error:
            if called == NOTEBOOK and content.strip():
                raise RefusedError(
                    gettext(
                        "{where} {error}. Download it again from the notebook's own menu, or hand in a .py file."
                    ).format(where=leaf.where, error=error)
                ) from None
            is_notebook = False
    if not is_notebook:
        converted = encodings.as_python(content)
        if converted is None:
            raise RefusedError(
                gettext("{where} is no text. Hand in the Python source code itself.").format(where=leaf.where)
            )
        content, encoding = converted
        blank = not content.removeprefix(b"\xef\xbb\xbf").strip()
    if len(content) > MAX_FILE:
        raise RefusedError(
            gettext("{where} holds more than {limit} MB of code. Hand in source code only.").format(
                where=leaf.where, limit=MAX_FILE >> 20
            )
        )
    return Source(leaf, folders, content, encoding, is_notebook, blank, frozenset(defined(content)))


def _looks_like_notebook(content: bytes) -> bool:
    """Whether a file with another suffix is a notebook; in UTF-16 that is not seen, and not worth the effort."""
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start == b"{" and b'"cell_type"' in content and (b'"cells"' in content or b'"worksheets"' in content)
