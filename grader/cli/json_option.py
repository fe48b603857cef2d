"""The option --json: what may follow it, and where the result goes."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from grader import assignment
from grader.assignment import AssignmentError
from grader.language import gettext
from grader.submission import SubmissionError

STDOUT = "-"


def with_json_target(arguments: list[str]) -> list[str]:
    """``--json`` may stand alone, which neither typer nor getopt know: then it gets the value "-".

    >>> with_json_target(["check", "--json", "--exact"])
    ['check', '--json', '-', '--exact']
    >>> with_json_target(["check", "--json", "results.json"])
    ['check', '--json', 'results.json']
    """
    found: list[str] = []
    for index, argument in enumerate(arguments):
        found.append(argument)
        if argument == "--json":
            following = arguments[index + 1] if index + 1 < len(arguments) else "--"
            if (following.startswith("-") and following != STDOUT) or following in _known_names():
                found.append(STDOUT)
    return found


def _known_names() -> list[str]:
    try:
        return assignment.names(assignment.find_root())
    except AssignmentError:
        return []


def target_of(value: str | None, option: str = "--json") -> Path | None:
    """The file that ``value``, given to --json, asks for; None where it asks for standard output, or was not given.

    Raises:
        SubmissionError: nothing can be written there: better said before the grading than after it.
    """
    if value in (None, STDOUT):
        return None
    target = Path(str(value)).expanduser()
    if target.is_dir() or not target.parent.is_dir():
        why = (
            gettext("it is a folder")
            if target.is_dir()
            else gettext("there is no folder {parent}").format(parent=target.parent)
        )
        raise SubmissionError(
            gettext("The result cannot be written to {target}: {why}. Give {option} the name of a file.").format(
                target=target, why=why, option=option
            )
        )
    return target


def write(what: object, target: Path | None) -> None:
    """Write ``what`` as JSON to ``target``; to standard output where that is None.

    Raises:
        SubmissionError: it cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(what), indent=2) + b"\n"
    if target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    write_bytes(content, target)


def write_bytes(content: bytes, target: Path) -> None:
    """Write ``content`` to ``target``.

    Raises:
        SubmissionError: it cannot be written.
    """
    try:
        target.write_bytes(content)
    except OSError as error:
        raise SubmissionError(
            gettext("The result cannot be written to {target}: {strerror}.").format(
                target=target, strerror=error.strerror
            )
        ) from None
