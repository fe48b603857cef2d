"""What is written and shown of a class run, made from its entries alone.

    out/grades.csv             one row per student
    out/index.csv              which file belongs to which student
    out/results/<file>.json    the whole result, for the instructor and for Gradescope
    out/feedback/<file>.md     what the student may know
    out/junit.xml              for continuous integration, for the instructor
    out/canvas.csv, moodle.csv for the import of grades

The same entries give the same bytes, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grader.exports import canvas, feedback, grades, index, junit, moodle, results
from grader.exports.folder import Folder
from grader.exports.names import file_names
from grader.exports.screen import changes, show, summary
from grader.gradebook import Entry

__all__ = ["changes", "show", "summary", "write_all"]


def write_all(entries: Sequence[Entry], out: Path, *, title: str, max_score: float) -> list[Path]:
    """Write every file that is listed above, each in one piece; returns their paths.

    What an earlier call wrote for students who are no longer among ``entries`` is removed, unless it was changed since.

    Raises:
        ValueError: two entries are of the same student.
        OSError: a file cannot be written.

    >>> import tempfile
    >>> from grader.result import Result, Summary
    >>> entry = Entry("alice", Result(35, 1.5, [], Summary("a", "A", "a.py", "failed", 100)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = write_all([entry], Path(folder), title="A", max_score=100)
    ...     [path.relative_to(folder).as_posix() for path in paths][-2:]
    ['results/alice.json', 'feedback/alice.md']
    """
    entries = sorted(entries, key=lambda entry: entry.student)
    files = file_names([entry.student for entry in entries])
    contents = {
        "grades.csv": grades.table(entries, max_score),
        "index.csv": index.table(files),
        "junit.xml": junit.document(entries, title=title),
        "canvas.csv": canvas.table(entries, title=title, max_score=max_score),
        "moodle.csv": moodle.table(entries, max_score=max_score),
    }
    for entry in entries:
        contents[f"results/{files[entry.student]}.json"] = results.document(entry)
    for entry in entries:
        contents[f"feedback/{files[entry.student]}.md"] = feedback.page(entry, title=title, max_score=max_score)
    return Folder(out).write(contents)
