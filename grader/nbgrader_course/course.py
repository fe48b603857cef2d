"""The course's folder: made where it is missing, and nbgrader's commands run in it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from grader.nbgrader_course import CourseError
from grader.nbgrader_course.config import CONFIG
from grader.nbgrader_course.following import follow

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
_DB = "GRADER_DB"
_WITH_DB = f"""\
import os, sys
from nbgrader.apps.nbgraderapp import main
sys.argv.append("--CourseDirectory.db_url=" + os.environ.pop("{_DB}"))
main()"""
_LIKE = "Such are sqlite:////home/me/gradebook.db and postgresql+psycopg://me@localhost/gradebook."


@dataclass(frozen=True)
class Course:
    """The folder of an nbgrader course; ``db``, a SQLAlchemy URL, stands for the gradebook of its settings."""

    root: Path
    db: str = ""

    def set_up(self, exchange: Path | None) -> bool:
        """Make what is missing of folder, settings and exchange; whether the settings were.

        Raises:
            CourseError: something cannot be made, nbgrader is not installed, or ``db`` cannot be used.
        """
        self._check_gradebook()
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
            mode = 0o666 if not self.db or self.db.startswith("sqlite") else 0o600  # there may be a password in it
            with open(config, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, mode)) as file:
                file.write(text)
        except OSError as error:
            raise CourseError(f"The course cannot be set up: {error.filename}: {error.strerror}.") from None
        return True

    def check(self) -> None:
        """Raises CourseError where there is no course, or ``db`` cannot be used."""
        if not (self.root / CONFIG).is_file():
            raise CourseError(
                f"There is no course in {self.root} ({CONFIG} is missing). Begin one with: grader release"
            )
        self._check_gradebook()

    def _check_gradebook(self) -> None:
        if find_spec("nbgrader") is None:
            raise CourseError(
                "nbgrader is not installed here. Run: make setup (or: pip install 'torch-grader[nbgrader]')."
            )
        if not self.db:
            return
        from sqlalchemy import create_engine
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

        try:
            url = make_url(self.db)
        except (ArgumentError, ValueError):
            raise CourseError(f"The gradebook's URL cannot be read. {_LIKE}") from None
        try:
            engine = create_engine(url)
            if url.get_backend_name() != "sqlite":  # which would make a file
                engine.connect().close()
        except NoSuchModuleError:
            raise CourseError(f"SQLAlchemy knows no database named {url.drivername}. {_LIKE}") from None
        except ModuleNotFoundError as error:
            raise CourseError(f"{url.drivername} needs {error.name}, which is not installed here. {_LIKE}") from None
        except SQLAlchemyError as error:
            why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            # A URL's repr hides its password; the query may hold one, too.
            raise CourseError(f"The gradebook {url.set(query={})!r} cannot be opened: {why}") from None

    def run(self, command: str, *arguments: str, listen: Callable[[str], None] = lambda line: None) -> list[str]:
        """Run ``nbgrader command`` in the course; what it logs, of which ``listen`` is told line by line.

        Raises:
            CourseError: it failed; with the last of what it said.
        """
        given = [command, *arguments]
        beside = str(Path(sys.executable).parent)  # nbgrader starts alembic by its name
        environment = {**os.environ, "PATH": os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])}
        program = ["-m", "nbgrader"]
        if self.db:  # not on the command line, which all users of this machine can read: it may hold a password
            program, environment[_DB] = ["-c", _WITH_DB], self.db
        code, said = follow([sys.executable, *program, *given], self.root, listen, environment)
        if code:
            last = "\n".join(f"  | {line}" for line in _telling(said)[-12:])
            raise CourseError(f"nbgrader {' '.join(given)} failed, in {self.root}. The last it said:\n{last}")
        return said


def _telling(said: list[str]) -> list[str]:
    r"""Of what nbgrader said before it failed: warnings, errors, and what was raised, without the way there.

    >>> _telling(["[CollectApp | INFO] 1", "Traceback (most recent call last):", "  File ...", "OSError: full", "If"])
    ['OSError: full']
    """
    logged = [line for line in said if re.match(r"\[\w+ \| (WARNING|ERROR|CRITICAL)\] ", line)]
    raised: list[str] = []
    for line in said:
        if line.startswith("Traceback (most recent call last):"):
            raised = [line]
        elif len(raised) == 1 and not line.startswith(" "):
            raised.append(line)
    return [*logged, *raised[1:]] or said


def _literal(text: str) -> str:
    """``text`` as Python source, in the quotes that the rest of the file has."""
    return json.dumps(text, ensure_ascii=False)
