"""source/<assignment>/ of an nbgrader course, made from assignments/ and solutions/.

    README.md      the handout
    resnet50.ipynb the handout, the solution in cells of its own, and one grade cell for each check
    resnet50.py    the stub
    Makefile       `make check`, `make notebook`
    nbgrader_config.py   time enough for `nbgrader validate`
    grading_kit/   all that is not for students to edit: the grader as a wheel, what sets it up, the public checks, the
                   checkpoint, their translations, and what a grade cell calls

nbgrader takes the solution out of the notebook; every other file is released as it is here, so no solution is in one.
Nothing is taken from assignments/<name>/ but what is listed in `_public`: an instructor's own work may lie there.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import grader
from grader.assignment import KIT, Assignment, AssignmentError
from grader.judge.run import Outcome
from grader.language import LOCALE
from grader.nbgrader_course import CourseError, kit
from grader.stubs import BEGIN, END, stubs

_MAKEFILE = """\
# `make check` grades your work; the first run sets everything up. Without make, type what is after the "@".

PYTHON ?= python3

.PHONY: check visualize notebook
.DEFAULT_GOAL := check

check: ## grade: DATA=path EXACT=1
	@$(PYTHON) {kit}/bootstrap.py --quiet --run grader check {name} \\
		$(if $(DATA),--data "$(DATA)") $(if $(EXACT),--exact)

visualize: ## draw your network and what it sees, into pictures/
	@$(PYTHON) {kit}/bootstrap.py --quiet --run grader visualize {name} $(if $(DATA),--data "$(DATA)")

notebook: ## open the notebook in the browser
	@$(PYTHON) {kit}/bootstrap.py --quiet --run notebook {notebook}
"""
_HOW = """\
## How to work

Work **here or in `{file}`**, not in both: as long as `{file}` is as you were given it, this notebook is graded; once
you have changed it, that file is graded and this notebook is not.

* Write your code where a cell says `# YOUR CODE HERE`. Add cells if you like. All code cells are run in their order
  when your work is graded: delete what only tries something out, or comment it out.
* Run the cells under *Checks* to see what is right, what is not, and what to do next. `make check` in a terminal says
  the same. The first time, this sets up the grader (a minute or two).
* Save before you hand in. Leave the cells under *Checks* as they are.
"""
_SETTINGS = """\
# For `nbgrader validate` in this folder: the first grade cell grades everything, and may have to set up the grader.
c = get_config()
c.Execute.timeout = 1800  # seconds
"""
_PROJECT = "pyproject.toml"
_HANDOUTS = ("README.md", "README.ko.md")
_PICTURE = re.compile(r"!\[[^\]]*\]\(([\w-]+\.(?:svg|png))\)")


def write(assignment: Assignment, checks: Sequence[Outcome], root: Path, target: Path) -> None:
    """Write the source folder ``target`` in one piece, in place of the one that may be there.

    Args:
        checks: all of the assignment's, the hidden ones too.
        root: the folder that holds assignments/.

    Raises:
        AssignmentError, StubError: there is no solution here, or its markers are wrong.
        CourseError: the wheel cannot be built.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
        made = Path(folder) / target.name
        public = made / KIT / "assignments" / assignment.name
        public.mkdir(parents=True)
        for path in _public(assignment):
            copy = public / path.relative_to(assignment.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        for stub in stubs(assignment):
            (public / stub.path.name).write_bytes(stub.content)
            (made / stub.path.name).write_bytes(stub.content)
        handout = _handout(assignment)
        (made / "README.md").write_text(handout, encoding="utf-8")
        (made / "nbgrader_config.py").write_text(_SETTINGS, encoding="utf-8")
        file = Path(assignment.settings.files[0]).with_suffix(".ipynb").name
        (made / "Makefile").write_text(_MAKEFILE.format(kit=KIT, name=assignment.name, notebook=file), encoding="utf-8")
        nbformat.write(notebook(assignment, checks, handout), made / file)
        _write_kit(assignment, file, made / KIT)
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)


def _public(assignment: Assignment) -> Iterator[Path]:
    """The files of assignments/<name>/ that are released, but for the stubs, which are cut anew."""
    folder, checkpoint = assignment.folder, assignment.settings.checkpoint
    names = ["assignment.toml", *_HANDOUTS, "pictures.py", "MODEL_CARD.md", "training.png"]
    handouts = [folder / name for name in _HANDOUTS if (folder / name).is_file()]
    shown = {name for path in handouts for name in _PICTURE.findall(path.read_text(encoding="utf-8"))}
    names += sorted(shown - set(names))
    if checkpoint is not None:
        names += [checkpoint.file, f"{Path(checkpoint.file).stem}.predictions.npz"]
    yield from (folder / name for name in names if (folder / name).is_file())
    yield from sorted((folder / LOCALE).rglob("*.mo"))
    for path in sorted((folder / "checks").rglob("*")):
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"}.intersection(path.parts):
            yield path


def _handout(assignment: Assignment) -> str:
    """README.md, with links that lead from the released folder."""
    path = assignment.folder / "README.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else f"# {assignment.settings.title}\n"
    released = {path.relative_to(assignment.folder).as_posix() for path in _public(assignment)} | {"checks", "checks/"}

    def link(found: re.Match[str]) -> str:
        return f"]({KIT}/assignments/{assignment.name}/{found[1]})" if found[1] in released else found[0]

    return re.sub(r"\]\(([^)\s]+)\)", link, text)


def notebook(assignment: Assignment, checks: Sequence[Outcome], handout: str) -> nbformat.NotebookNode:
    """The instructor's notebook: the handout, the first file of the solution cell by cell, a grade cell for each check.

    Raises:
        AssignmentError: there is no solution here.
    """
    settings = assignment.settings
    file = settings.files[0]
    if assignment.secret is None or not (assignment.secret / file).is_file():
        raise AssignmentError(f"This copy has no solution for {assignment.name} (solutions/{assignment.name}/{file}).")
    cells = [new_markdown_cell(handout.strip()), new_markdown_cell(_HOW.format(file=file).strip())]
    for number, source in enumerate(parts((assignment.secret / file).read_text(encoding="utf-8")), 1):
        about = {"nbgrader": _about(f"solution_{number}", solution=True)} if BEGIN in source else {}
        cells.append(new_code_cell(source, metadata=about))
    cells.append(new_markdown_cell("## Checks"))
    for check in checks:
        spec = check.spec
        hidden = " (hidden: run by your instructor)" if check.hidden else ""
        source = f'# {spec.points:g} points: {spec.title}{hidden}\nfrom {KIT} import grade\n\ngrade("{spec.name}")'
        about = {"nbgrader": _about(spec.name, points=spec.points)}
        cells.append(new_code_cell(source, metadata=about))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # else random: the same assignment makes the same notebook
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made: nbformat.NotebookNode = new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    return made


def _about(name: str, *, solution: bool = False, points: float | None = None) -> dict[str, object]:
    """A cell's nbgrader metadata: of a solution, or with ``points`` of a grade cell."""
    about: dict[str, object] = {"grade": points is not None, "solution": solution, "locked": points is not None}
    return (
        about | {"task": False, "grade_id": name, "schema_version": 3} | ({} if points is None else {"points": points})
    )


def parts(text: str) -> list[str]:
    r"""The cells of a solution: each function or class with a solution in it by itself, what is between them together.

    >>> parts('import math\nX = 1\n\n\ndef f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n')
    ['import math\nX = 1', 'def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION']
    """
    lines = text.splitlines()
    starts = []
    for node in ast.parse(text).body[1:]:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))]) - 1
        while first and lines[first - 1].startswith("#"):  # its comment; an indented one belongs to what is before it
            first -= 1
        starts.append(first)
    pieces = ["\n".join(lines[start:end]) for start, end in zip([0, *starts], [*starts, len(lines)], strict=True)]
    cells: list[str] = []
    for piece in pieces:
        # What a marker begins must end in the same cell.
        if cells and (cells[-1].count(BEGIN) != cells[-1].count(END) or BEGIN not in cells[-1] + piece):
            cells[-1] += f"\n{piece}"
        else:
            cells.append(piece)
    return [cell.strip("\n") for cell in cells if cell.strip()]


def _write_kit(assignment: Assignment, file: str, folder: Path) -> None:
    """All of grading_kit/ but the assignment: the grader's wheel, its locked requirements, set-up, and grade cells."""
    package = Path(grader.__file__).parent
    project = package.parent
    if not (project / _PROJECT).is_file():
        raise CourseError(f"{package} is not part of a copy of the project, which has {_PROJECT}: release from one.")
    code = Path(kit.__file__).read_text(encoding="utf-8")
    code = code.replace('ASSIGNMENT = ""', f'ASSIGNMENT = "{assignment.name}"').replace(
        'NOTEBOOK = ""', f'NOTEBOOK = "{file}"'
    )
    (folder / "__init__.py").write_text(code, encoding="utf-8")
    for name in ("requirements.txt", "grader/bootstrap.py"):
        shutil.copyfile(project / name, folder / Path(name).name)
    # What bootstrap.py and a grade cell say before there is a grader.
    shutil.copytree(package / LOCALE, folder / LOCALE, ignore=shutil.ignore_patterns("*.po"))
    with tempfile.TemporaryDirectory() as scratch:  # a build leaves folders behind where it works
        shutil.copytree(package, Path(scratch, "grader"), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(project / _PROJECT, Path(scratch, _PROJECT))
        build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
        done = subprocess.run(
            [sys.executable, "-P", "-c", build, str(folder)],
            cwd=scratch,
            env=_reproducible(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise CourseError(f"The grader's wheel cannot be built. Is setuptools here? Run: make setup\n{last}")


def _reproducible() -> dict[str, str]:
    """The environment of a build that makes the same wheel of the same grader, whenever it is."""
    return {**os.environ, "SOURCE_DATE_EPOCH": "1577836800"}  # 2020-01-01; zip files know nothing before 1980
