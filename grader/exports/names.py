"""File names for students, whose own names may hold anything."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

LONGEST, LONGEST_BYTES = 80, 160  # file systems allow 255 bytes, Windows 260 characters for the whole path
_ALLOWED = " -_.,()@"  # beside letters, digits and the marks that some scripts write over letters
# Names that Windows takes for a device, whatever follows the dot ("Naming Files, Paths, and Namespaces").
_DEVICE = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])\s*(?:\.|$)", re.IGNORECASE)
# "-" begins an option of many a command, and "-" and "@" a formula, should a file name stand in a table (`cells`).
_FIRST = re.compile(r"((?:^|,) *)[-@]")
_MARKED = re.compile(r"-[0-9a-f]{12}$")


def file_names(students: Sequence[str]) -> dict[str, str]:
    """A file name without ending for each student: the name itself where that is safe on every system.

    Else the characters that are not safe are replaced, and "-" and twelve hexadecimal digits of the name's SHA-256
    follow; so they do where names differ only in what a file system may ignore: case, and how accents are composed.
    A student's file name does not depend on the order, nor on other students unless their names are so alike. No two
    are equal.

    Raises:
        ValueError: a name is there twice.

    >>> file_names(["alice", "김 철수", "bob/../x"])
    {'alice': 'alice', '김 철수': '김 철수', 'bob/../x': 'bob_.._x-422a491c508c'}
    >>> sorted(file_names(["Bob", "bob"]).values())
    ['Bob-cd9fb1e148cc', 'bob-81b637d8fcd2']
    """
    twice = [name for name, count in Counter(students).items() if count > 1]
    if twice:
        raise ValueError(f"There are two entries of the student {twice[0]!r}.")
    alike = Counter(_key(_safe(name)) for name in students)
    found: dict[str, str] = {}
    for name in students:
        safe = _safe(name)
        # A name that ends like a marked one could be that of another student: so it gets a mark of its own.
        unchanged = safe == unicodedata.normalize("NFC", name)
        plain = unchanged and alike[_key(safe)] == 1 and not _MARKED.search(_key(safe))
        found[name] = safe if plain else f"{safe}-{_mark(name)}"
    return found


def _key(name: str) -> str:
    """Equal for names that some file system cannot tell apart."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _mark(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _safe(name: str) -> str:
    """``name`` in characters that every file system has, beginning and ending with none that means something."""
    composed = unicodedata.normalize("NFC", name[: 4 * LONGEST])
    kept = "".join(
        character if character in _ALLOWED or unicodedata.category(character)[0] in "LMN" else "_"
        for character in composed
    )
    kept = kept[:LONGEST].encode()[:LONGEST_BYTES].decode(errors="ignore").strip(" .")
    kept = _FIRST.sub(r"\1_", kept)
    return f"_{kept}" if _DEVICE.match(kept) else kept or "student"
