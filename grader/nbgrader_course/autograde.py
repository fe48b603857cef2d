"""What takes the place of nbgrader's own parts in `nbgrader autograde`: nothing here runs students' code.

`Reader` reads whatever was handed in under the notebook's name, `Restore` gives it back the cells that nbgrader grades,
and `LookUp` fills these with the results of a class run in the sandbox. So every submission gets its grade.
"""

from __future__ import annotations

import sys
from itertools import groupby
from logging import INFO, WARNING
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor, OverwriteCells
from sqlalchemy.engine import make_url
from traitlets import Bool, Integer, Unicode

from grader.nbgrader_course import CourseError
from grader.nbgrader_course.cells import Answer
from grader.nbgrader_course.class_run import ClassRun
from grader.nbgrader_course.markdown import MAX_RICH, attachments, harmless

RESULTS = "class_run"  # in the course: a folder for each assignment, as `grader grade --out` has it
UNREADABLE = "This notebook could not be read: it is no notebook, or a damaged one."
MAX_SIZE = 16 << 20  # bytes of a notebook, plots and all
MAX_COLOURED = 50_000  # characters of code


class Reader(NotebookExporter):
    """Reads a notebook as far as it can be read; of what is none, one cell remains that says so."""

    def from_file(self, file_stream: Any, resources: Any = None, **more: Any) -> Any:
        """As nbconvert's own; outputs and all metadata but nbgrader's and a cell's own id are left out."""
        try:
            text = file_stream.read(MAX_SIZE + 1)
            if len(text) > MAX_SIZE:
                raise ValueError
            notebook = new_notebook(cells=[made for each in nbformat.reads(text, 4).cells if (made := _cell(each))])
        except Exception:  # whatever a student may have made of it
            notebook = new_notebook(cells=[new_markdown_cell(f"**{UNREADABLE}**")])
        convert: Any = self.from_notebook_node
        return convert(notebook, resources=resources, **more)


def _cell(cell: Any) -> NotebookNode | None:
    make: Any = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}.get(cell.get("cell_type"))
    source = cell.get("source")
    if make is None or not isinstance(source, str):
        return None
    made: NotebookNode = make(source)
    if make is new_markdown_cell and (images := attachments(cell)):
        made["attachments"] = images
    about = cell.get("metadata", {}).get("nbgrader")
    if isinstance(about, dict) and isinstance(about.get("grade_id"), str):
        made.metadata["nbgrader"] = about
    return made


class Restore(OverwriteCells):  # type: ignore[misc]
    """Gives nbgrader's cells their metadata back, as the gradebook has it, and adds the graded ones that are gone.

    Of Markdown that is not the instructor's no HTML remains.

    nbgrader's own `add_missing_cells` stops at a notebook that lacks a solution cell, too; and one with metadata of
    another version of nbgrader's format stops the whole class.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        """As nbgrader's own."""
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            found = gradebook.find_notebook(about["notebook"], about["assignment"])
            solutions = {cell.name for cell in found.solution_cells}
            points = {cell.name: float(cell.max_score) for cell in [*found.grade_cells, *found.task_cells]}
            tasks = {cell.name for cell in found.task_cells}
            right = {
                each.name: nbformat.from_dict(
                    self.missing_cell_transform(
                        each, points.get(each.name, 0.0), each.name in solutions, each.name in tasks
                    )
                )
                for each in found.source_cells
            }
        for name, made in right.items():
            if name not in points:  # of a graded cell is what nbgrader makes
                made.metadata.nbgrader.update(grade=False, solution=name in solutions)
                made.metadata.nbgrader.pop("points", None)
        released, length = self._released(about), 0
        for own in nb.cells:
            if own.cell_type == "markdown" and own.source not in released:
                length += len(own.source)
                own.source = harmless(own.source, own.get("attachments", {}), rich=length <= MAX_RICH)
        seen = set()
        for own in reversed(nb.cells):  # of several the last, as nbgrader's DeduplicateIds has it
            name = own.metadata.pop("nbgrader", {}).get("grade_id")
            if name in right and name not in seen:
                seen.add(name)
                own.metadata.nbgrader = right[name].metadata.nbgrader
        nb.cells += [right[name] for name in right if name in points and name not in seen]
        return super().preprocess(nb, resources)

    def _released(self, about: Any) -> set[str]:
        """What the instructor wrote in the cells of the notebook."""
        course = self.parent.parent.coursedir  # the converter's, whose exporter is the parent
        source = course.format_path(course.source_directory, ".", about["assignment"])
        path = Path(source, f"{about['notebook']}.ipynb")
        return {cell.source for cell in nbformat.read(path, 4).cells} if path.is_file() else set()


class LookUp(NbGraderPreprocessor):  # type: ignore[misc]
    """Fills the grade cells with what a class run in the sandbox has found, in place of nbgrader's Execute.

    The class run (`grader grade`) keeps its results in class_run/<assignment>/ of the course: what is there already is
    used, all else is graded, all cores at work, while nbgrader goes through the notebooks that are graded already.
    Where a file was graded and not the notebook, it is shown in a cell of its own.
    """

    sandbox = Unicode("auto", help='As `grader grade` has it: "none" runs students\' code with all your rights.').tag(
        config=True
    )
    data = Unicode("", help="CIFAR-10, as `grader grade` has it.").tag(config=True)
    exact = Bool(False, help="Measure accuracy on every image.").tag(config=True)
    jobs = Integer(0, help="How many submissions to grade at a time; 0: one for each core.").tag(config=True)
    # By converter, which is made anew for each command: in formgrader many run in one process.
    _runs: ClassVar[WeakKeyDictionary[Any, dict[str, ClassRun]]] = WeakKeyDictionary()

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        """As nbgrader's own: ``nb`` with outputs in its grade cells.

        Raises:
            CourseError: the student's hand-in is not graded, or a cell's check is not among the assignment's.
        """
        about = resources["nbgrader"]
        student, name = about["student"], about["assignment"]
        converter = self.parent.parent  # the exporter's
        runs = self._runs.setdefault(converter, {})
        if name not in runs:
            runs[name] = self._class_run(converter, name)
        found = runs[name].found(student)
        if found is None:
            raise CourseError(f"{student}'s {name} is not graded. Is it in {converter.coursedir.submitted_directory}/?")
        code = [each for each in nb.cells if each.cell_type == "code" and utils.is_grade(each)]
        for number, each in enumerate(code, 1):
            if not utils.is_solution(each):  # else it is graded by hand
                _fill(each, found.answer, number, name)
        for file, text in reversed(found.files.items()):
            nb.cells[:0] = [new_markdown_cell(f"What was handed in and graded: `{file}`"), new_code_cell(text)]
        if _is_slow([each.source for each in nb.cells if each.cell_type == "code"]):
            nb.metadata["language_info"] = {"name": "python", "pygments_lexer": "text"}
        return nb, resources

    def _class_run(self, converter: Any, name: str) -> ClassRun:
        course = converter.coursedir
        root = Path(course.root)
        out = root / RESULTS / name
        hidden = [root, Path(converter.config.Exchange.get("root") or root), *_database(course.db_url)]
        arguments = [str(root / course.submitted_directory), "--assignment", name, "--out", str(out), "--nbgrader"]
        arguments += ["--stream", "--sandbox", self.sandbox, *(["--exact"] if self.exact else [])]
        arguments += ["--data", self.data] if self.data else []
        arguments += ["--jobs", str(self.jobs)] if self.jobs else []
        arguments += [part for path in hidden for part in ("--hide", str(path))]
        return ClassRun([sys.executable, "-P", "-m", "grader", "grade", *arguments], root, out, self._hear)

    def _hear(self, line: str) -> None:
        self.log.log(WARNING if line.startswith("WARNING") else INFO, "%s", line)


def _is_slow(code: list[str]) -> bool:
    """Whether it may take minutes to colour, which grows with the square of a line, and of a run of blank lines."""
    lines = [line for each in code for line in each.splitlines()]
    blank = max((len(list(run)) for empty, run in groupby(lines, lambda line: not line.strip()) if empty), default=0)
    return sum(map(len, code)) > MAX_COLOURED or max(map(len, lines), default=0) > 1_000 or blank > 50


def _database(url: str) -> list[Path]:
    """The gradebook's file, if it is one."""
    parsed = make_url(url)
    return [Path(parsed.database).parent] if parsed.drivername.startswith("sqlite") and parsed.database else []


def _fill(cell: NotebookNode, graded: Answer, number: int, name: str) -> None:
    """The outputs of one grade cell, with which nbgrader's determine_grade finds just the points."""
    check = cell.metadata.nbgrader["grade_id"]
    found = graded.checks.get(check, graded.other)
    if found is None:
        raise CourseError(f"{name} has no check {check!r} (any more). Release it anew: grader release {name} --force")
    most = float(cell.metadata.nbgrader["points"])
    points = min(max(float(found.points), 0.0), most)
    cell.execution_count = number
    cell.outputs = [
        new_output("display_data", data={"text/html": found.html, "text/plain": f"{points:g} of {most:g} points"}),
        new_output("execute_result", data={"text/plain": repr(points)}, execution_count=number),
    ]
