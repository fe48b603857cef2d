"""What an nbgrader_config.py of ours sets, so that plain nbgrader commands and formgrader work as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grader.assignment import KIT

CONFIG = "nbgrader_config.py"
_HERE = "grader.nbgrader_course"


def configure(config: Any, file: str) -> None:
    """Set up nbgrader for the course whose nbgrader_config.py is ``file``; what is set afterwards counts.

    `nbgrader autograde` then takes its grades from a sandboxed class run (`grader.nbgrader_course.autograde`), reads
    whatever was handed in, restores grade cells that were deleted or edited, and leaves students' .py files alone.
    """
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import Execute, OverwriteCells

    root = Path(file).resolve().parent
    config.CourseDirectory.root = str(root)
    traits = Autograde.class_traits()
    config.Autograde.exporter_class = f"{_HERE}.autograde.Reader"
    config.Autograde.sanitize_preprocessors = [
        f"{_HERE}.autograde.Restore" if each is OverwriteCells else each
        for each in traits["sanitize_preprocessors"].default()
    ]
    config.Autograde.autograde_preprocessors = [
        f"{_HERE}.autograde.LookUp" if each is Execute else each for each in traits["autograde_preprocessors"].default()
    ]
    config.Execute.timeout = 1800  # seconds; only without LookUp, where the first grade cell grades everything
    config.Autograde.exclude_overwriting = students_files(root / "source")
    config.ExchangeFactory.collect = f"{_HERE}.exchange.Collect"
    config.ExchangeFactory.release_feedback = f"{_HERE}.exchange.ReleaseFeedback"
    config.ZipCollectApp.collector_plugin = f"{_HERE}.zips.Collector"
    config.ZipCollectApp.extractor_plugin = f"{_HERE}.zips.Extractor"


def students_files(source: Path) -> dict[str, list[str]]:
    """By assignment, what `nbgrader autograde` must not overwrite with the released version.

    That is the students' own .py files, and, so that megabytes are not copied for each student, all of the kit but what
    the grade cells import.
    """
    found = {}
    for folder in sorted(source.glob("*/")):
        kit = [path for path in (folder / KIT).rglob("*") if path.is_file() and path != folder / KIT / "__init__.py"]
        found[folder.name] = [
            str(path.relative_to(folder)) for path in sorted([*folder.glob("*.py"), *kit]) if path.name != CONFIG
        ]
    return found
