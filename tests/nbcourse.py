"""A project with the tiny assignment (`course`) and an nbgrader course in it, and nbgrader's commands run there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import course as tiny
from nbgrader.api import Gradebook

NAME = "multiples"
HALF = tiny.RIGHT.replace("x + x + x", "x + x")


@dataclass(frozen=True)
class Place:
    """A project with the tiny assignment, and nbgrader's course in it."""

    root: Path

    @property
    def course(self) -> Path:
        return self.root / "course"

    def grader(self, *arguments: object) -> str:
        done = tiny.run(self.root, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

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
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def scores(self) -> dict[str, float]:
        """By student, as the gradebook has them."""
        with Gradebook(f"sqlite:///{self.course}/gradebook.db") as gradebook:
            return {each.student.id: float(each.score) for each in gradebook.assignment_submissions(NAME)}

    def feedback(self, student: str) -> str:
        return (self.course / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


def notebook(code: str, folder: Path) -> dict[str, Any]:
    """The released notebook, its solution cells filled from ``code``: a function each, as in the tiny assignment."""
    found = json.loads((folder / f"{NAME}.ipynb").read_text(encoding="utf-8"))
    functions = [part for part in code.split("\n\n\n") if part.strip()]
    cells = [cell for cell in found["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")]
    for cell, function in zip(cells, functions, strict=True):
        cell["source"] = function.strip()
    return found
