"""Writes files in one piece, and removes those of an earlier run that nobody needs any more."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

MANIFEST = ".exports.json"  # path of each student's file, and the SHA-256 of what was written
# Only such paths are ever removed, whatever the manifest says.
_OF_A_STUDENT = re.compile(r"results/[^/\\:]+\.json|feedback/[^/\\:]+\.md")


class Folder:
    """The folder ``--out``, of which only some files are this program's."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, contents: Mapping[str, bytes]) -> list[Path]:
        """Write ``contents`` (relative path with "/": bytes); returns the paths, in the same order.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     _ = Folder(Path(name)).write({"results/bob.json": b"{}"})
        ...     _ = Folder(Path(name)).write({"results/alice.json": b"{}"})
        ...     [path.name for path in Path(name, "results").iterdir()]
        ['alice.json']
        """
        known = self._manifest()
        mine = {name: _digest(content) for name, content in contents.items() if _OF_A_STUDENT.fullmatch(name)}
        # Before anything is written it is said to be ours, so that a run that is stopped in between leaves nothing
        # that the next one would not dare to remove.
        self._put(MANIFEST, _encoded({**known, **mine}))
        # Removed before the new ones are written: where case is ignored, Bob.json and bob.json are one file.
        for name in sorted(known.keys() - mine.keys()):
            self._remove(name, known[name])
        paths = [self._put(name, content) for name, content in contents.items()]
        self._put(MANIFEST, _encoded(mine))
        return paths

    def _manifest(self) -> dict[str, str]:
        try:
            known = msgspec.json.decode((self.path / MANIFEST).read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}  # then nothing is known to be ours, and nothing is removed
        return {name: digest for name, digest in known.items() if _OF_A_STUDENT.fullmatch(name)}

    def _remove(self, name: str, digest: str) -> None:
        path = self.path / name
        if path.is_file() and not path.is_symlink() and _digest(path.read_bytes()) == digest:
            path.unlink()

    def _put(self, name: str, content: bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, since a file can only be renamed within a file system. Not tempfile: its files are
        # readable by their owner alone, and these are to be as readable as any others.
        temporary = path.parent / f".writing-{os.getpid()}.tmp"
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return path


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _encoded(manifest: Mapping[str, str]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(dict(sorted(manifest.items()))), indent=1) + b"\n"
