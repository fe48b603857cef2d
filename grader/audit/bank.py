"""An assignment's bank: solutions/NAME/mistakes/ and variants/, and which checks must catch what.

A mistake's docstring begins with the mistake in a student's words and says "Caught by: TOPIC"; mistakes/topics.toml has
the checks of each topic. One of them must catch it, whatever others do.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import msgspec

from grader.assignment import Assignment, AssignmentError


def files(assignment: Assignment, kind: str) -> list[Path]:
    """The submissions of one ``kind``, "mistakes" or "variants"; none where there is no such folder."""
    return [] if assignment.secret is None else sorted((assignment.secret / kind).glob("*.py"))


def topics(folder: Path) -> dict[str, list[str]]:
    """Topic: its checks, as topics.toml in the folder of the mistakes says.

    Raises:
        AssignmentError: it is missing or wrong.
    """
    path = folder / "topics.toml"
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[str, list[str]])
    except OSError as error:
        raise AssignmentError(f"{path} cannot be read: {error.strerror}.") from None
    except msgspec.DecodeError as error:
        raise AssignmentError(f"{path} does not list the checks of each topic: {error}.") from None


def catchers(mistake: Path) -> list[str]:
    """The checks one of which must catch ``mistake``.

    Raises:
        AssignmentError: its header names no topic, or one that topics.toml does not have.
    """
    named = re.findall(r"^Caught by: (\w+)\s*$", _text(mistake), re.MULTILINE)
    known = topics(mistake.parent)
    if len(named) != 1 or named[0] not in known:
        raise AssignmentError(f'{mistake}: its header needs one line "Caught by: ...", with one of {", ".join(known)}.')
    return known[named[0]]


def headline(path: Path) -> str:
    """What a submission of the bank is, in the first line of its docstring; its name where there is none."""
    found = re.search(r'"""\s*(.+?)\s*(?:"""|$)', _text(path), re.MULTILINE)
    return found[1] if found else path.stem


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return importlib.util.decode_source(content)
    except (SyntaxError, UnicodeDecodeError):
        return content.decode(errors="replace")
