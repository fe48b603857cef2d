"""Zips of unknown origin as trees: nothing is extracted, and what is unpacked is counted while it is unpacked."""

from __future__ import annotations

import calendar
import io
import os
import re
import stat
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, BinaryIO, cast

from grader.intake.names import ignored, tidy
from grader.intake.tree import MAX_FOLDERS, Budget, Folder, Leaf, Node, Refusal, RefusedError, read, reason, special
from grader.language import gettext, later

MAX_NESTING = 3  # zips within one another
MAX_INNER = 128 << 20  # bytes of a zip within a zip, which has to be in memory
# Bytes of a zip's directory, which zipfile reads and takes apart as a whole: some 80,000 files at most.
MAX_DIRECTORY = 4 << 20
MAX_CLASS_DIRECTORY = 256 << 20
MAX_PART = 255  # characters of a name: more than any file system takes
# bz2 and LZMA are left out on purpose: zipfile unpacks their chunks without a bound. Hardly anyone uses them.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_PLAIN = later("zip the folder again with your system's own program")


class _Bounded:
    """A file whose single reads are bounded, so that a lie about the directory's size is no use."""

    def __init__(self, file: BinaryIO, limit: int, where: str) -> None:
        self._file, self._limit, self._where = file, limit, where
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int = -1, /) -> bytes:
        if size > self._limit:
            raise RefusedError(
                gettext("{where} lists too many files. Hand in your source code only.").format(where=self._where)
            )
        content = self._file.read(size if size >= 0 else self._limit + 1)
        if len(content) > self._limit:
            raise RefusedError(
                gettext("{where} lists too many files. Hand in your source code only.").format(where=self._where)
            )
        return content


@dataclass
class _Inside:
    """A folder of a zip while it is put together."""

    files: dict[str, Node] = field(default_factory=dict)
    folders: dict[str, _Inside] = field(default_factory=dict)

    def node(self, name: str, where: str) -> Folder:
        return Folder(name, where, lambda: self._children(where), counted=True)

    def _children(self, where: str) -> Iterable[Node]:
        inner = (folder.node(name, f"{where}/{tidy(name)}".lstrip("/")) for name, folder in self.folders.items())
        return [*self.files.values(), *inner]


def opened(
    leaf: Leaf,
    budget: Budget,
    stack: ExitStack,
    depth: int = 1,
    *,
    inside: str | None = None,
    whole_class: bool = False,
) -> Folder:
    """What the zip ``leaf`` holds, as a folder that can be read until ``stack`` is closed.

    Args:
        depth: how many zips it is in, itself included.
        inside: where, for people, its files are; without it ``leaf.where``.
        whole_class: it may hold very many files.

    Raises:
        RefusedError: it is damaged, encrypted as a whole, too large, or too deep in other zips.
    """
    if depth > MAX_NESTING:
        raise RefusedError(
            gettext("{where} is a zip in a zip in a zip in a zip. Hand in the file itself.").format(where=leaf.where)
        )
    try:
        file = leaf.open() if leaf.on_disk else io.BytesIO(read(leaf, MAX_INNER, budget))
        stack.callback(file.close)
        bounded = _Bounded(file, MAX_CLASS_DIRECTORY if whole_class else MAX_DIRECTORY, leaf.where)
        archive = stack.enter_context(zipfile.ZipFile(cast(IO[bytes], bounded)))
    except RefusedError:
        raise
    except OSError as error:
        raise RefusedError(
            gettext("{where} cannot be read: {strerror}.").format(where=leaf.where, strerror=error.strerror or error)
        ) from None
    except Exception as error:
        # zipfile raises nearly anything: BadZipFile, struct.error, UnicodeDecodeError, NotImplementedError, ...
        raise RefusedError(
            gettext("{where} is damaged or no zip file ({reason}). Hand in the file itself, or {remedy}.").format(
                where=leaf.where, reason=reason(error), remedy=gettext(_PLAIN)
            )
        ) from None
    members = archive.infolist()
    if not whole_class:
        budget.spend_files(len(members), leaf.where)
    files = [member for member in members if not _is_folder(member_name(member))]
    if files and all(member.flag_bits & 1 for member in files):
        raise RefusedError(gettext("{where} is encrypted. Hand it in without a password.").format(where=leaf.where))
    root = _Inside()
    where = leaf.where if inside is None else inside
    for member in members:
        _place(root, archive, member, where)
    return root.node(leaf.name, where)


def _place(root: _Inside, archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> None:
    """Put ``member`` where its name says; of several with one name the last stays, as when a zip is unpacked."""
    name = member_name(member)
    parts, problem = safe_parts(name)
    if not parts or any(ignored(part) for part in parts):
        return
    shown = "/".join(filter(None, (where, *map(tidy, parts))))
    # The type of file that Unix keeps; 0 in a zip from elsewhere.
    mode = stat.S_IFMT(member.external_attr >> 16)
    is_folder = _is_folder(name) or mode == stat.S_IFDIR
    if problem:
        problem = gettext("{where} names a file {name!r}: {problem}. It is not read; {remedy}.").format(
            where=where or gettext("The zip"), name=tidy(name), problem=problem, remedy=gettext(_PLAIN)
        )
    elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        problem = special(shown, mode)
    elif member.flag_bits & 1 and not is_folder:
        problem = gettext("{shown} is encrypted. Hand it in without a password.").format(shown=shown)
    elif member.compress_type not in _METHODS and not is_folder:
        problem = gettext("{shown} is compressed in a rare way (method {method}): {remedy}.").format(
            shown=shown, method=member.compress_type, remedy=gettext(_PLAIN)
        )
    inside = root
    for part in parts if is_folder and not problem else parts[:-1]:
        inside = inside.folders.setdefault(part, _Inside())
    if problem:
        inside.files[parts[-1]] = Refusal(parts[-1], shown, problem)
    elif not is_folder:
        inside.files[parts[-1]] = Leaf(
            parts[-1],
            shown,
            member.file_size,
            _modified(member),
            lambda: cast(BinaryIO, archive.open(member)),
        )


def member_name(member: zipfile.ZipInfo) -> str:
    r"""The name of ``member``. Where a zip does not say that it is UTF-8, it is UTF-8, CP949 or CP437, in this order.

    >>> member_name(zipfile.ZipInfo("과제.py".encode("cp949").decode("cp437")))
    '과제.py'
    """
    name = member.orig_filename
    if member.flag_bits & 0x800:
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name


def _is_folder(name: str) -> bool:
    # Not ZipInfo.is_dir: it stumbles over an empty name.
    return name.endswith(("/", "\\"))


def safe_parts(name: str) -> tuple[list[str], str]:
    r"""The parts of a member's name, and why it is refused: whatever the name, the parts lead nowhere but inside.

    >>> safe_parts("work/vgg16.py")
    (['work', 'vgg16.py'], '')
    >>> safe_parts("..\\..\\vgg16.py")
    (['vgg16.py'], "'..' leads out of the zip")
    >>> safe_parts("C:/work/vgg16.py")[0]
    ['work', 'vgg16.py']
    """
    problem = ""
    path = name.replace("\\", "/")
    drive = re.match(r"[A-Za-z]:", path)
    if path.startswith("/") or drive:
        problem = gettext("the name begins at the root of a disk")
    parts = [part for part in path[2 if drive else 0 :].split("/") if part not in ("", ".")]
    if ".." in parts:
        problem = gettext("'..' leads out of the zip")
        parts = [part for part in parts if part != ".."]
    if any(part.isspace() or "\0" in part or len(part) > MAX_PART for part in parts):
        problem = gettext("the name is blank, far too long, or holds a NUL character")
        parts = ["\ufffd" if part.isspace() else part.replace("\0", "\ufffd")[:MAX_PART] for part in parts]
    if len(parts) > MAX_FOLDERS:
        problem = gettext("it is in more than {most} folders").format(most=MAX_FOLDERS)
        parts = parts[:MAX_FOLDERS]
    return parts, problem


def _modified(member: zipfile.ZipInfo) -> float:
    # In the local time of whoever zipped it; taken for UTC, since these are only compared with one another.
    year, month, day, *clock = member.date_time
    try:
        return float(calendar.timegm((year, max(month, 1), max(day, 1), *clock)))
    except (ValueError, OverflowError):
        return 0.0


def is_zip(name: str) -> bool:
    """Whether ``name`` is a zip's.

    >>> is_zip("Alice.ZIP")
    True
    """
    return os.path.splitext(name)[1].casefold() == ".zip"  # noqa: PTH122 - a name, not a path
