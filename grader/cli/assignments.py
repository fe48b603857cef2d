"""Which assignments a command is about."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import msgspec

from grader import assignment
from grader.assignment import Assignment, AssignmentError
from grader.language import gettext
from grader.submission import SubmissionError


def all_names(root: Path) -> list[str]:
    """The names of all assignments below ``root``, sorted.

    Raises:
        AssignmentError: there is none.
    """
    found = assignment.names(root)
    if not found:
        raise AssignmentError(
            gettext("There is no assignment in {folder} (a folder with an assignment.toml).").format(
                folder=root / "assignments"
            )
        )
    return found


def load(name: str, root: Path, timeout: float | None = None) -> Assignment:
    """The assignment ``name``; ``timeout``, in seconds, stands for its own limits of the import and of each check.

    Raises:
        AssignmentError: there is no such assignment, or its settings are wrong.
    """
    chosen = assignment.load(name, root)
    if timeout is None:
        return chosen
    limits = msgspec.structs.replace(chosen.settings.limits, import_seconds=timeout, check_seconds=timeout)
    return replace(chosen, settings=msgspec.structs.replace(chosen.settings, limits=limits))


def guess(path: Path, root: Path) -> str:
    """The assignment whose file, or files, ``path`` is.

    Raises:
        SubmissionError: it is that of none, or of several, or it is not there.
    """
    path = path.expanduser()
    if not path.exists():
        raise SubmissionError(
            gettext("There is no {path}. Give the file to grade, or the folder it is in.").format(path=path)
        )
    files: dict[str, list[str]] = {}
    for name in all_names(root):
        with contextlib.suppress(AssignmentError):  # someone else's; it is said when that one is asked for
            files[name] = assignment.load(name, root).settings.files
    if path.is_dir():
        fitting = [name for name, wanted in files.items() if all((path / file).is_file() for file in wanted)]
    else:
        fitting = [name for name, wanted in files.items() if wanted == [path.name]]
    if len(fitting) == 1:
        return fitting[0]
    name = (fitting or list(files))[0]
    if fitting:
        what = gettext("{path} fits {names}.").format(path=path, names=gettext(" and ").join(fitting))
    else:
        what = gettext("{path} fits none of {names} by its name.").format(path=path, names=", ".join(files))
    remedy = gettext("Name the assignment, as in: grader check {name} --submission {path}")
    raise SubmissionError(f"{what} {remedy.format(name=name, path=path)}")
