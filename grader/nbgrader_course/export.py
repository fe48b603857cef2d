"""The gradebook check by check, as a plug-in of nbgrader's export.

    nbgrader export --exporter=grader.nbgrader_course.export.Checks --to=checks.csv

`nbgrader export` alone stays what it is: one score for each assignment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import ExportPlugin

from grader.exports.cells import BOM, cell, csv_bytes
from grader.exports.text import number

# nbgrader's own names for its own figures.
HEADER = ("assignment", "student_id", "last_name", "first_name", "timestamp", "seconds_late")
SCORES = ("raw_score", "late_submission_penalty", "score", "max_score")


class Checks(ExportPlugin):  # type: ignore[misc]
    """One row per assignment and student, one column per graded cell; those of other assignments stay empty.

    As in nbgrader's own CSV, who handed in nothing has a score of 0, and ``score`` is ``raw_score`` less the penalty
    for being late. No cell is one that a spreadsheet would evaluate.
    """

    def export(self, gradebook: Gradebook) -> None:
        """Write ``--to``, or checks.csv; ``--assignment`` and ``--student`` choose, as in nbgrader's own."""
        target = Path(self.to or "checks.csv")
        self.log.info("Exporting grades, check by check, to %s", target)
        named, who = set(map(str, self.assignment)), set(map(str, self.student))
        chosen = [each for each in gradebook.assignments if not named or each.name in named]
        students = [each for each in gradebook.students if not who or each.id in who]
        columns = list(dict.fromkeys(name for each in chosen for name in sorted(_names(each))))
        rows = (_row(gradebook, assignment, student, columns) for assignment in chosen for student in students)
        content = BOM + csv_bytes([*HEADER, *SCORES, *map(cell, columns)], rows)
        try:
            target.write_bytes(content)
        except OSError as error:
            raise SystemExit(f"{target} cannot be written: {error.strerror}. Name another file with --to.") from None


def _names(assignment: Any) -> Iterator[str]:
    for notebook in assignment.notebooks:
        for graded in (*notebook.grade_cells, *notebook.task_cells):
            yield _name(assignment, notebook, graded)


def _name(assignment: Any, notebook: Any, graded: Any) -> str:
    """By itself where it is unique: nbgrader's names are so within one notebook."""
    return str(graded.name if len(assignment.notebooks) == 1 else f"{notebook.name}/{graded.name}")


def _row(gradebook: Gradebook, assignment: Any, student: Any, columns: Sequence[str]) -> list[str]:
    about = [assignment.name, student.id, student.last_name or "", student.first_name or ""]
    try:
        found = gradebook.find_submission(assignment.name, student.id)
    except MissingEntry:
        nothing = ["", "", "0", "0", "0", number(assignment.max_score)]
        return [*map(cell, about), *nothing, *("" for _ in columns)]
    penalty = found.late_submission_penalty or 0.0
    graded = {
        _name(assignment, notebook, each): number(each.score)
        for notebook in found.notebooks
        for each in notebook.grades
    }
    when = "" if found.timestamp is None else found.timestamp.isoformat(" ")
    figures = [found.total_seconds_late, found.score, penalty, max(0.0, found.score - penalty), assignment.max_score]
    return [*map(cell, about), when, *map(number, figures), *(graded.get(name, "") for name in columns)]
