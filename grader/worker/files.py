"""Small files for student code to work on: a tree of them is put into the worker's folder, and looked at afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

MOST_ENTRIES = 5_000  # of a tree that is looked at
MOST_BYTES = 1 << 20  # of one of its files
FOLDER, LINK, OTHER = "folder", "link", "other"  # what stands for the hash of what is no file

# What changes files, by Python's own names (https://docs.python.org/3/library/audit_events.html), programs included.
_CHANGES = frozenset(
    f"os.{name}"
    for name in ("rename", "remove", "rmdir", "mkdir", "link", "symlink", "truncate", "system", "posix_spawn", "exec")
) | {"subprocess.Popen"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Interrupted(KeyboardInterrupt):
    """Stands for the end of the program: raised where a file would have been changed."""


def write_tree(home: Path, name: str, files: dict[str, bytes]) -> None:
    """Make the folder ``name`` in ``home`` anew, with ``files`` by their path in it, in the order given.

    A path that ends with / is an empty folder.
    """
    root = home / name
    if root.is_symlink() or root.is_file():
        root.unlink()
    elif root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    for path, content in files.items():
        target = root / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def read_tree(home: Path, name: str) -> dict[str, str]:
    """What the folder ``name`` in ``home`` holds, by the path in it: a file's sha256, else `FOLDER`, `LINK`, `OTHER`.

    Links are not followed.

    Raises:
        ValueError: more or larger files than a check has given.
    """
    root = home / name
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        for each in (*folders, *files):
            path = Path(folder, each)
            key = os.fsencode(path.relative_to(root).as_posix()).decode(errors="backslashreplace")
            found[key] = _kind(path)
            if len(found) > MOST_ENTRIES:
                raise ValueError(f"{name} holds more than {MOST_ENTRIES:,} files and folders")
    return found


def _kind(path: Path) -> str:
    if path.is_symlink():
        return LINK
    if path.is_dir():
        return FOLDER
    if not path.is_file():
        return OTHER
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} has more than {MOST_BYTES:,} bytes")
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Backwards:
    """The entries of an os.scandir, from the last to the first."""

    def __init__(self, entries: Iterable[Any]) -> None:
        self._entries = iter(list(entries)[::-1])

    def __iter__(self) -> _Backwards:
        return self

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> _Backwards:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def backwards(module: ModuleType | None) -> Iterator[None]:
    """Within it folders list their entries the other way round, also to what ``module`` has imported by name.

    In which order they come is the file system's affair: of some it is that of the names, of others any.

    >>> with backwards(None):
    ...     there = os.listdir()
    >>> there == os.listdir()[::-1]
    True
    """
    plain: dict[str, Any] = {"listdir": os.listdir, "scandir": os.scandir}
    turned = {
        "listdir": lambda *given: plain["listdir"](*given)[::-1],
        "scandir": lambda *given: _Backwards(plain["scandir"](*given)),
    }
    places: list[tuple[dict[str, Any], str, Any]] = [(vars(os), name, function) for name, function in plain.items()]
    for key, value in list(vars(module).items()) if module is not None else ():
        places += [(vars(module), key, function) for function in plain.values() if value is function]
    for space, key, function in places:
        space[key] = turned[function.__name__]
    try:
        yield
    finally:
        for space, key, function in places:
            space[key] = function


class _Changes:
    """Counts what changes files, and refuses all that comes after the last one allowed."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.installed = False

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.left is None or not (event in _CHANGES or (event == "open" and _writes(arguments))):
            return
        if self.left <= 0:
            raise Interrupted("the program is ended here")
        self.left -= 1


def _writes(arguments: tuple[object, ...]) -> bool:
    mode, flags = (*arguments[1:3], None, None)[:2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & _WRITING)


_changes = _Changes()


@contextmanager
def interrupted(after: int) -> Iterator[None]:
    """Within it this process can change files ``after`` times; from then on every attempt raises `Interrupted`.

    So it is as if the program had been ended: not even what it does on its way out reaches the disk.
    """
    if not _changes.installed:
        sys.addaudithook(_changes.hook)  # for good, so only where it is asked for
        _changes.installed = True
    _changes.left = after
    try:
        yield
    finally:
        _changes.left = None
