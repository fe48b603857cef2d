"""The course's folder: made where it is missing, and nbgrader's commands run in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from grader.nbgrader_course import CourseError
from grader.nbgrader_course.config import CONFIG

_SETTINGS = """\
# The settings of this nbgrader course. `grader release` wrote them once; they are yours to change, and are never
# overwritten. All that can be set: nbgrader --generate-config, in another folder.
from grader.nbgrader_course.config import configure

c = get_config()
configure(c, __file__)  # grades come from torch-grader's class run, in its sandbox
c.CourseDirectory.course_id = {course_id}
c.CourseDirectory.db_url = {db}
c.Exchange.root = {exchange}
# c.LookUp.sandbox = "none"  # students' code would run with all your rights
# c.LookUp.data = "path/to/cifar10"  # by default as for `grader grade`
# c.LookUp.jobs = 4  # by default one for each core
"""


@dataclass(frozen=True)
class Course:
    """The folder of an nbgrader course; ``db``, a SQLAlchemy URL, stands for the gradebook of its settings."""

    root: Path
    db: str = ""

    def set_up(self, exchange: Path | None) -> bool:
        """Make what is missing of folder, settings and exchange; whether the settings were.

        Raises:
            CourseError: something cannot be made, or nbgrader is not installed.
        """
        if find_spec("nbgrader") is None:
            raise CourseError(
                "nbgrader is not installed here. Run: make setup (or: pip install 'torch-grader[nbgrader]')."
            )
        config = self.root / CONFIG
        where = (exchange or self.root / "exchange").expanduser().resolve()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if config.exists():
                return False
            where.mkdir(parents=True, exist_ok=True)
            where.chmod(0o777)  # as nbgrader wants it: students hand in there
            text = _SETTINGS.format(
                course_id=_literal(self.root.resolve().name),
                db=_literal(self.db or f"sqlite:///{self.root.resolve() / 'gradebook.db'}"),
                exchange=_literal(str(where)),
            )
            with config.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise CourseError(f"The course cannot be set up: {error.filename}: {error.strerror}.") from None
        return True

    def check(self) -> None:
        """Raises CourseError where there is no course."""
        if not (self.root / CONFIG).is_file():
            raise CourseError(
                f"There is no course in {self.root} ({CONFIG} is missing). Begin one with: grader release"
            )

    def run(self, command: str, *arguments: str, listen: Callable[[str], None] = lambda line: None) -> list[str]:
        """Run ``nbgrader command`` in the course; what it logs, of which ``listen`` is told line by line.

        Raises:
            CourseError: it failed; with the last of what it said.
        """
        given = [command, *arguments, *([f"--CourseDirectory.db_url={self.db}"] if self.db else [])]
        beside = str(Path(sys.executable).parent)  # nbgrader starts alembic by its name
        environment = {**os.environ, "PATH": os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])}
        said: list[str] = []
        with subprocess.Popen(
            [sys.executable, "-m", "nbgrader", *given],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line.rstrip())
                listen(said[-1])
        if process.returncode:
            logged = [line for line in said if re.match(r"\[\w+ \| (WARNING|ERROR|CRITICAL)\] ", line)]
            last = "\n".join(f"  | {line}" for line in (logged or said)[-12:])
            raise CourseError(f"nbgrader {' '.join(given)} failed, in {self.root}. The last it said:\n{last}")
        return said


def _literal(text: str) -> str:
    """``text`` as Python source, in the quotes that the rest of the file has."""
    return json.dumps(text, ensure_ascii=False)
