"""Cut the students' stubs from the solutions, by nbgrader's own markers and in nbgrader's own words.

What is between a line with ``### BEGIN SOLUTION`` and one with ``### END SOLUTION`` is replaced as nbgrader's
ClearSolutions does it (https://nbgrader.readthedocs.io, "Creating and grading assignments").
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from grader.assignment import Assignment, AssignmentError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
REPLACEMENT = ("# YOUR CODE HERE", "raise NotImplementedError()")


class StubError(Exception):
    """A solution's markers are wrong; the message names file and line."""


@dataclass(frozen=True)
class Stub:
    """One stub: where it belongs, and what it is to hold."""

    path: Path
    content: bytes

    @property
    def in_step(self) -> bool:
        """Whether the file holds just this."""
        return self.path.is_file() and self.path.read_bytes() == self.content


def cut(text: str, where: str = "solution") -> str:
    r"""``text`` with its solutions replaced; ``where`` names it in errors.

    >>> print(cut("def two():\n    ### BEGIN SOLUTION\n    return 2\n    ### END SOLUTION\n"), end="")
    def two():
        # YOUR CODE HERE
        raise NotImplementedError()

    Raises:
        StubError: a marker without its partner, one within another pair, or no marker at all.
    """
    lines: list[str] = []
    begun = 0  # the line of the pair's first marker; 0 outside of one
    cuts = 0
    for number, line in enumerate(text.split("\n"), 1):
        if BEGIN in line:
            if begun:
                raise StubError(f"{where}, line {number}: {BEGIN} within the one of line {begun}. Is {END} missing?")
            begun, cuts = number, cuts + 1
            indent = line[: len(line) - len(line.lstrip())]
            ending = "\r" if line.endswith("\r") else ""
            lines += [f"{indent}{replacement}{ending}" for replacement in REPLACEMENT]
        elif END in line:
            if not begun:
                raise StubError(f"{where}, line {number}: {END} without {BEGIN} before it.")
            begun = 0
        elif not begun:
            lines.append(line)
    if begun:
        raise StubError(f"{where}, line {begun}: {BEGIN} without {END} after it.")
    if not cuts:
        raise StubError(f"{where} has no {BEGIN}: as it is, its stub would be the whole solution.")
    return "\n".join(lines)


def stubs(assignment: Assignment) -> list[Stub]:
    """What every file of ``assignment`` is to hold for students.

    Raises:
        AssignmentError: this copy has no solution for it.
        StubError: the solution's markers are wrong.
    """
    found = []
    for name in assignment.settings.files:
        solution = None if assignment.secret is None else assignment.secret / name
        if solution is None or not solution.is_file():
            raise AssignmentError(
                f"This copy has no solution for {assignment.name} (solutions/{assignment.name}/{name})."
            )
        try:
            text = solution.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise StubError(f"{solution} is not UTF-8 ({error}).") from None
        found.append(Stub(assignment.folder / name, cut(text, str(solution)).encode("utf-8")))
    return found


def write(stub: Stub, *, force: bool = False) -> Path | None:
    """Write ``stub``; what was there and differs is kept beside it, unless ``force``. Returns where it is kept."""
    kept = None
    if stub.path.exists() and not stub.in_step and not force:
        kept = _free(stub.path)
        stub.path.replace(kept)
    partial = stub.path.with_name(f"{stub.path.name}.{os.getpid()}.tmp")
    partial.write_bytes(stub.content)
    partial.replace(stub.path)
    return kept


def _free(path: Path) -> Path:
    """<file>.bak, or <file>.bak2 and so on where older ones are there: nobody's work is overwritten."""
    number, candidate = 1, path.with_name(f"{path.name}.bak")
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.bak{number}")
    return candidate
