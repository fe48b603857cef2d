"""Folders of unknown origin as a tree that is read lazily, within bounds, and without ever following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from grader.intake.names import ignored, tidy
from grader.language import gettext

MAX_FILES = 20_000  # of one student; a virtual environment handed in by mistake has more
MAX_TOTAL = 256 << 20  # bytes read for one student
MAX_FOLDERS = 32  # one within another
CHUNK = 1 << 20


class RefusedError(Exception):
    """Something in a hand-in is not read; the message is a sentence for the student."""


@dataclass(frozen=True)
class Leaf:
    """A regular file.

    Attributes:
        name: what it is called; an LMS's prefix is taken off.
        where: for people: where it is, from the class folder on.
        size: as its folder or zip says, which may be a lie.
        modified: seconds since 1970; 0 where it is not known.
        open: gives its content.
        on_disk: whether ``open`` gives random access at no cost.
    """

    name: str
    where: str
    size: int
    modified: float
    open: Callable[[], BinaryIO]
    on_disk: bool = False


@dataclass(frozen=True)
class Folder:
    """A folder; ``children`` may raise RefusedError, at once or later.

    Attributes:
        counted: whether what is in it has been counted already, as a zip's members are when it is opened.
    """

    name: str
    where: str
    children: Callable[[], Iterable[Node]]
    counted: bool = False


@dataclass(frozen=True)
class Refusal:
    """What is neither opened nor followed; ``problem`` says why."""

    name: str
    where: str
    problem: str


Node = Leaf | Folder | Refusal


class Budget:
    """How much more is read for one student.

    >>> Budget(size=10).spend(11, "alice.zip")
    Traceback (most recent call last):
    ...
    grader.intake.tree.RefusedError: alice.zip unpacks to more than 0 MB in all. Hand in source code only, no data ...
    """

    def __init__(self, files: int = MAX_FILES, size: int = MAX_TOTAL) -> None:
        self._files, self._size = files, size
        self._files_left, self._size_left = files, size

    def spend(self, size: int, where: str) -> None:
        """Count bytes that were read."""
        self._size_left -= size
        if self._size_left < 0:
            raise RefusedError(
                gettext(
                    "{where} unpacks to more than {limit} MB in all. Hand in source code only, no data or weights."
                ).format(where=where, limit=self._size >> 20)
            )

    def spend_files(self, number: int, where: str) -> None:
        """Count files and folders that were seen."""
        self._files_left -= number
        if self._files_left < 0:
            raise RefusedError(
                gettext("{where} holds more than {files:,} files. Hand in your source code only.").format(
                    where=where, files=self._files
                )
            )


def read(leaf: Leaf, limit: int, budget: Budget) -> bytes:
    """The content of ``leaf``.

    Raises:
        RefusedError: it is larger than ``limit`` or than the budget, or cannot be read.
    """
    too_large = gettext(
        "{where} is larger than {limit:.3g} MB. Hand in source code only, no data, weights or large outputs."
    ).format(where=leaf.where, limit=limit / (1 << 20))
    if leaf.size > limit:
        raise RefusedError(too_large)
    content = bytearray()
    try:
        with leaf.open() as file:
            while len(content) <= limit and (chunk := file.read(min(CHUNK, limit + 1 - len(content)))):
                budget.spend(len(chunk), leaf.where)
                content += chunk
    except RefusedError:
        raise
    except OSError as error:
        raise RefusedError(
            gettext("{where} cannot be read: {strerror}.").format(where=leaf.where, strerror=error.strerror or error)
        ) from None
    except Exception as error:
        # A hostile zip can make zipfile and zlib raise nearly anything.
        raise RefusedError(
            gettext("{where} is damaged ({reason}). Hand it in again.").format(where=leaf.where, reason=reason(error))
        ) from None
    if len(content) > limit:
        raise RefusedError(too_large)
    return bytes(content)


def reason(error: Exception) -> str:
    """A few words on ``error``, without what a student may have put into it.

    >>> reason(ValueError("no such thing."))
    'no such thing'
    """
    return tidy(str(error))[:100].rstrip(".") or type(error).__name__


def on_disk(path: Path, where: str, name: str) -> Folder:
    """The folder at ``path``. Whether it is a link is the caller's to know; no link below it is followed."""
    return Folder(name, where, lambda: _children(path, where))


def _children(path: Path, where: str) -> Iterator[Node]:
    prefix = f"{where}/" if where else ""
    try:
        # One by one: whoever counts them can stop before a million of them are in memory.
        with os.scandir(path) as entries:
            for entry in entries:
                if not ignored(entry.name):
                    yield _node(path / entry.name, f"{prefix}{tidy(entry.name)}", entry.name)
    except OSError as error:
        raise RefusedError(
            gettext("{where} cannot be read: {strerror}.").format(
                where=where or gettext("The class folder"), strerror=error.strerror
            )
        ) from None


def _node(path: Path, where: str, name: str) -> Node:
    try:
        found = path.lstat()
    except OSError as error:
        return Refusal(
            name, where, gettext("{where} cannot be read: {strerror}.").format(where=where, strerror=error.strerror)
        )
    if stat.S_ISREG(found.st_mode):
        return Leaf(name, where, found.st_size, found.st_mtime, lambda: open_regular(path), on_disk=True)
    if stat.S_ISDIR(found.st_mode):
        return on_disk(path, where, name)
    return Refusal(name, where, special(where, found.st_mode))


def special(where: str, mode: int) -> str:
    """Why a thing of this ``mode`` is not read.

    >>> special("alice/vgg16.py", stat.S_IFIFO)
    'alice/vgg16.py is not a regular file (a pipe, a socket or a device). Hand in the file itself.'
    """
    if stat.S_ISLNK(mode):
        return gettext("{where} is a link, and links are not followed. Hand in the file itself.").format(where=where)
    return gettext("{where} is not a regular file (a pipe, a socket or a device). Hand in the file itself.").format(
        where=where
    )


def open_regular(path: Path) -> BinaryIO:
    """Open a file, even if something else has been put in its place meanwhile."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    number = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(None, gettext("it is no regular file any more"))
    return os.fdopen(number, "rb")
