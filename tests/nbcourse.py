"""A project with the tiny assignment (`course`) and an nbgrader course in it, and nbgrader's commands run there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import course as tiny
from nbgrader.api import Gradebook

NAME = "multiples"
HALF = tiny.RIGHT.replace("x + x + x", "x + x")


@dataclass(frozen=True)
class Place:
    """A project with the tiny assignment, and nbgrader's course in it.

    Attributes:
        db: the gradebook's URL; "" for SQLite in the course.
        said: what all commands have printed.
    """

    root: Path
    db: str = ""
    said: list[str] = field(default_factory=list)

    @property
    def course(self) -> Path:
        return self.root / "course"

    def grader(self, *arguments: object) -> str:
        return self._well(tiny.run(self.root, *arguments))

    def _well(self, done: subprocess.CompletedProcess[str]) -> str:
        self.said.append(done.stdout + done.stderr)
        assert done.returncode == 0, self.said[-1]
        return self.said[-1]

    def nbgrader(self, *arguments: str, where: Path | None = None, home: Path | None = None) -> str:
        environment = tiny.environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if home is not None:
            environment |= {"HOME": str(home), "JUPYTER_DATA_DIR": str(home / "data")}
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=where or self.course,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )
        return self._well(done)

    def gradebook(self) -> Gradebook:
        return Gradebook(self.db or f"sqlite:///{self.course}/gradebook.db")

    def scores(self) -> dict[str, float]:
        """By student, as the gradebook has them: without penalties."""
        with self.gradebook() as gradebook:
            return {each.student.id: float(each.score) for each in gradebook.assignment_submissions(NAME)}

    def feedback(self, student: str) -> str:
        return (self.course / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


def notebook(code: str, folder: Path) -> dict[str, Any]:
    """The released notebook, its solution cells filled from ``code``: a function each, as in the tiny assignment."""
    found = json.loads((folder / f"{NAME}.ipynb").read_text(encoding="utf-8"))
    marked = [(cell, cell["metadata"].get("nbgrader", {})) for cell in found["cells"]]
    cells = [cell for cell, about in marked if about.get("solution") and not about["grade"]]
    functions = [part.strip() for part in code.strip().split("\n\n\n", len(cells) - 1)]  # the last has the rest
    for cell, function in zip(cells, functions, strict=True):
        cell["source"] = function
    return found
