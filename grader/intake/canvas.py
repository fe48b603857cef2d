"""Canvas's bulk download: of the files that a student handed in again, the latest."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Set
from dataclasses import replace

from grader.intake.names import Owner
from grader.intake.tree import Node
from grader.language import gettext

_AGAIN = re.compile(r"(?P<base>.+)-(?P<number>[0-9]{1,4})(?P<suffix>\.[^.]+)")


def latest(owned: list[tuple[Owner, Node]], expected: Set[str]) -> tuple[list[tuple[Owner, Node]], list[str]]:
    """Of each of one student's files the latest, by its name without Canvas's -1, -2, ...; and notes on the others.

    ``lab-3.py`` is as likely the student's own name for it: a number counts only where the name without it is
    ``expected`` or is that of another of the student's files.
    """
    plain = [_plain(owner.file)[0] for owner, _ in owned]
    versions: dict[str, list[tuple[int, int, Owner, Node]]] = defaultdict(list)
    for (owner, node), name in zip(owned, plain, strict=True):
        counts = name in expected or plain.count(name) > 1
        number = _plain(owner.file)[1] if counts else 0
        versions[name if counts else owner.file].append((number, owner.order, owner, node))
    found: list[tuple[Owner, Node]] = []
    notes: list[str] = []
    for name, several in versions.items():
        number, _, owner, node = max(several, key=lambda version: (version[:2], version[3].where))
        if number or len(several) > 1:
            notes.append(
                gettext("{name} was handed in more than once; the latest, {where}, counts.").format(
                    name=name, where=node.where
                )
            )
        found.append((replace(owner, file=name), node))
    return found, notes


def _plain(file: str) -> tuple[str, int]:
    """(the name before Canvas numbered it, the number).

    >>> _plain("vgg16-2.py"), _plain("vgg16.py")
    (('vgg16.py', 2), ('vgg16.py', 0))
    """
    found = _AGAIN.fullmatch(file)
    return (found["base"] + found["suffix"], int(found["number"])) if found else (file, 0)
