"""index.csv: which file belongs to which student."""

from __future__ import annotations

from collections.abc import Mapping

from grader.exports.cells import BOM, cell, csv_bytes


def table(files: Mapping[str, str]) -> bytes:
    """Every student and the file name without its ending; always written, so that a script can rely on it.

    >>> print(table({"alice": "alice"}).decode("utf-8-sig"), end="")
    student,file
    alice,alice
    """
    return BOM + csv_bytes(("student", "file"), [[cell(student), file] for student, file in files.items()])
