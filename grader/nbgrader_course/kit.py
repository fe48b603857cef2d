"""grading_kit/__init__.py of a released assignment: what a grade cell calls. Standard library and IPython only.

    from grading_kit import grade

    grade("name_of_a_check")

shows what became of the check and is worth its points, as a plain float from 0 to the check's points: nbgrader takes
True, None, numpy's numbers and whatever is out of bounds for full points. What is graded is the .py file beside the
notebook if it is no longer the stub, else the cells that have been run so far. That happens in a process of its own:
nothing that it prints reaches the cell (nbgrader gives 0 points for a line on standard error).
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from gettext import translation
from pathlib import Path
from typing import Any

ASSIGNMENT = ""  # filled in by `grader release`, as is the next line
NOTEBOOK = ""
HERE = Path(__file__).resolve().parent
_answers: dict[str, Any] = {}  # the last one, by what was graded


def grade(check: str) -> float | None:
    """Show what became of ``check``; its points. None for a hidden check, which is not here to be run.

    Raises:
        RuntimeError: it cannot be graded; the message says why.
    """
    answer = _answer(_sources())
    found = answer["checks"].get(check, answer["other"])
    if found is None:
        if _autograding():
            raise RuntimeError(f"{ASSIGNMENT} has no check {check!r}. Release it anew: grader release --force")
        _show(answer["hidden"])
        return None
    _show(found["html"])
    return float(found["points"])


def _autograding() -> bool:
    """Whether this is `nbgrader autograde` with nbgrader's own Execute, on the instructor's machine."""
    return os.environ.get("NBGRADER_EXECUTION") == "autograde"


def _sources() -> dict[str, str]:
    """What is handed in: the Python files of this folder, and the cells run so far as a notebook."""
    found = {path.name: path.read_text("utf-8", "replace") for path in sorted(Path().glob("*.py")) if path.is_file()}
    cells = [{"cell_type": "code", "metadata": {}, "source": source} for source in _latest(_history())]
    return {**found, NOTEBOOK: json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})}


def _history() -> list[str]:
    from IPython import get_ipython

    shell = get_ipython()
    return [] if shell is None else list(shell.history_manager.input_hist_raw[1:])


def _latest(history: list[str]) -> list[str]:
    r"""The cells that count: of several that define the same the last, and none that only tries something out.

    >>> _latest(["x = 1", "def f():\n    return x", "print(f())", "def f():\n    return -x"])
    ['x = 1', 'def f():\n    return -x']
    """
    kept: list[str] = []
    defined: set[str] = set()
    for source in reversed(history):
        if f"from {HERE.name} import grade" in source:
            continue
        try:
            body = ast.parse(_without_magics(source)).body
        except SyntaxError:
            continue  # it did not run either
        names = {name for node in body for name in _names(node)}
        if all(isinstance(node, ast.Expr) for node in body) or (names and names <= defined):
            continue
        defined |= names
        kept.append(source)
    return kept[::-1]


def _without_magics(source: str) -> str:
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:
        return source
    return TransformerManager().transform_cell(source)


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Assign):
        return [ast.unparse(target) for target in node.targets]
    return [ast.unparse(node)]  # whatever else it is, only the very same thing replaces it


def _answer(sources: dict[str, str]) -> Any:
    """What `grader.nbgrader_course.cells` says of ``sources``; asked once for the same."""
    key = json.dumps(sources, sort_keys=True)
    if key not in _answers:
        with tempfile.TemporaryDirectory(prefix="grader-cells-") as folder:
            handed_in, answer = Path(folder, ASSIGNMENT), Path(folder, "answer.json")
            handed_in.mkdir()
            for name, text in sources.items():
                (handed_in / name).write_text(text, "utf-8", "replace")
            _run([ASSIGNMENT, str(handed_in), str(answer)])
            _answers.clear()
            _answers[key] = json.loads(answer.read_text("utf-8"))
    return _answers[key]


def _run(arguments: list[str]) -> None:
    # The grader of this Python where there is one, as on an instructor's machine; else one that is set up for it.
    installed = importlib.util.find_spec("grader") is not None
    python = ["-P", "-m"] if installed else [str(HERE / "bootstrap.py"), "--quiet", "--run"]
    # In autograded/<student>/<assignment> of an instructor's course; the course's own folder has hidden checks, too.
    where = Path.cwd().parents[2] if _autograding() else HERE.parent
    environment = {name: value for name, value in os.environ.items() if name != "NBGRADER_EXECUTION"}
    with subprocess.Popen(
        [sys.executable, *python, "grader.nbgrader_course.cells", *arguments],
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line.rstrip())
            if not installed:
                print(said[-1])  # setting up takes minutes the first time
    if process.returncode:
        raise RuntimeError("\n".join([gettext("The check could not be run."), *said[-8:]]))


def gettext(message: str) -> str:
    """``message`` in the student's language, as `grader.language` has it: that may not be installed here."""
    settings = map(os.environ.get, ("GRADER_LANG", "LC_ALL", "LC_MESSAGES", "LANG"))
    language = re.split(r"[_.@-]", next(filter(None, settings), "").lower())[0]
    return translation("grader", HERE / "locale", [language], fallback=True).gettext(message)


def _show(text: str) -> None:
    from IPython.display import HTML, display

    display(HTML(text))
