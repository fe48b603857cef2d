"""nbgrader's exchange for what students can do to it: names, times and files that stop nbgrader for the whole class."""

from __future__ import annotations

import secrets
import shutil
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect, ExchangeReleaseFeedback
from nbgrader.utils import ignore_patterns

from grader.assignment import KIT
from grader.nbgrader_course.collect import complete
from grader.nbgrader_course.zips import SECRET, TIMESTAMP, usable


class Collect(ExchangeCollect):  # type: ignore[misc]
    """Leaves out a submission whose name no `nbgrader submit` has made, and completes the others."""

    def _path_to_record(self, path: str) -> dict[str, Any]:
        try:
            record: dict[str, Any] = super()._path_to_record(path)
            name = record["username"]
            if name == usable(name) and not name.startswith("."):  # "..": another folder
                return record
        except Exception:  # whatever is parsed as a time
            pass
        self.log.warning("%s is left out: nbgrader submit gives no such names", path)
        return {"username": "", "filename": "", "timestamp": datetime.min}

    def copy_files(self) -> None:
        """As nbgrader's own."""
        self.src_records: list[dict[str, Any]] = [record for record in self.src_records if record["username"]]
        super().copy_files()

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """As nbgrader's own, which follows links to the instructor's files, too, and stops at what cannot be copied."""
        course = self.coursedir
        unwanted = ignore_patterns(course.ignore, course.include, course.max_file_size, self.log)

        def ignore(folder: str, names: list[str]) -> set[str]:
            odd = {name for name in names if not _is_ordinary(Path(folder, name)) or name == KIT}
            return odd | set(unwanted(folder, [name for name in names if name not in odd]))

        Path(dest).mkdir(parents=True)
        try:
            if Path(src).is_symlink() or self.get_size(src) > 1000 * course.max_dir_size:  # kB
                raise OSError("it is a link, or too large")
            shutil.copytree(src, dest, symlinks=True, ignore=ignore, dirs_exist_ok=True)
        except OSError as error:  # shutil.Error is one
            self.log.warning("Not all of %s was collected: %s", src, error)
        source = Path(course.format_path(course.source_directory, ".", course.assignment_id))
        for notebook in source.glob("*.ipynb"):
            complete(notebook.name, Path(dest))
        if course.groupshared:
            for path in [Path(dest), *Path(dest).rglob("*")]:
                path.chmod(path.stat().st_mode | (0o2070 if path.is_dir() else 0o60))


def _is_ordinary(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


class ReleaseFeedback(ExchangeReleaseFeedback):  # type: ignore[misc]
    """Also for submissions whose time nobody knows: nbgrader's own stops at the first without timestamp.txt."""

    def copy_files(self) -> None:
        """As nbgrader's own."""
        for folder in Path("/").glob(self.src_path.lstrip("/")):
            (folder / TIMESTAMP).touch()
            if not (folder / SECRET).is_file():
                (folder / SECRET).write_text(secrets.token_hex(64), encoding="ascii")
        super().copy_files()
