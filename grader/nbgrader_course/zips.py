"""nbgrader's zip_collect for the forms in which hand-ins come: folders, zips, and single files named after students.

In downloaded/<assignment>/archive/ all of these are alice's: alice.zip, alice/resnet50.ipynb, alice_resnet50.py and
alice.py. Whatever is in them is collected, for the class run to make sense of.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from nbgrader.plugins.zipcollect import ExtractorPlugin, FileNameCollectorPlugin
from traitlets import default

from grader.intake.names import ignored
from grader.intake.tree import MAX_FILES, MAX_TOTAL

EXTRACTED = "extracted"  # nbgrader's folder
TIMESTAMP, SECRET = "timestamp.txt", "submission_secret.txt"  # nbgrader's own files beside a hand-in


def usable(student: str) -> str:
    """``student`` without what formgrader takes for markup.

    >>> usable('o"neil<b>')
    'o_neil_b_'
    """
    return re.sub(r'[<>"&\\]', "_", student)


class Extractor(ExtractorPlugin):  # type: ignore[misc]
    """Leaves a zip as it is that cannot be unpacked safely; the class run will say what is wrong with it."""

    @default("zip_ext")
    def _zip_ext(self) -> list[str]:
        return [".zip"]

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """As nbgrader's own, which stops at the first damaged zip and unpacks any bomb."""
        bad = [path for path in sorted(Path(archive_path).rglob("*.zip")) if path.is_file() and not _is_good(path)]
        for path in bad:
            self.log.warning("%s cannot be unpacked safely and is collected as it is", path)
            path.rename(path.with_suffix(".zip_"))
        try:
            super().extract(archive_path, extracted_path)
        finally:
            for path in bad:
                path.with_suffix(".zip_").rename(path)
        for path in bad:
            copied = Path(extracted_path, path.relative_to(archive_path))
            copied.with_suffix(".zip_").rename(copied)


def _is_good(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            small = len(members) <= MAX_FILES and sum(member.file_size for member in members) <= MAX_TOTAL
            nested = any(Path(member.filename).suffix in (".zip", ".gz", ".tar") for member in members)
            return small and not nested and archive.testzip() is None
    except Exception:  # a hostile zip can make zipfile and zlib raise nearly anything
        return False


class Collector(FileNameCollectorPlugin):  # type: ignore[misc]
    """Whose a file is, by its path in extracted/; a `named_regexp` of one's own counts first."""

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        """The student, and where the file belongs among the student's; None of what nobody means to hand in.

        When it was handed in is not for the student to say: a timestamp.txt of theirs is none.

        >>> Collector().collect("/c/downloaded/r/extracted/alice_resnet50.py")
        {'student_id': 'alice', 'file_id': 'resnet50.py'}
        """
        found = self._match(submitted_file) if self.named_regexp else self._named(submitted_file)
        if found and isinstance(found.get("student_id"), str):
            found["student_id"] = usable(found["student_id"])
        return found

    def _named(self, submitted_file: str) -> dict[str, str] | None:
        path = Path(submitted_file)
        parts = path.parts[len(path.parts) - 1 - path.parts[::-1].index(EXTRACTED) + 1 :]
        if any(ignored(part) for part in parts):
            return None
        student, inner = parts[0], list(parts[1:])
        if not inner:
            student, _, rest = path.stem.partition("_")
            inner = [f"{rest or student}{path.suffix}"]
        name = self.parent.coursedir.assignment_id if self.parent is not None else ""
        outer = Path(*path.parts[: len(path.parts) - len(inner)])
        # The folder as it was fetched; nbgrader stops at two files in one place.
        if len(inner) > 1 and inner[0] == name and not outer.joinpath(*inner[1:]).exists():
            del inner[0]
        if len(inner) == 1 and inner[0].casefold() in (TIMESTAMP, SECRET):
            return None
        return {"student_id": student, "file_id": "/".join(inner)}
