"""What names tell: whose a hand-in is, in the forms of the bulk downloads, and which files are of no one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime

from grader.assignment import KIT

MAX_NAME = 200  # characters; file systems end at 255 bytes
_JUNK = {KIT, "__pycache__", "__macosx", "desktop.ini", "thumbs.db", "site-packages", "node_modules"}
# They turn the direction of the text that follows: a file's name could show as another's. U+FEFF is a stray BOM.
_UNSEEN = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_SUFFIXES = (
    "py|pyw|pyc|ipynb|txt|json|zip|rar|7z|tar|gz|tgz|bz2|xz|pdf|docx?|odt|rtf|html?|md|jpe?g|png|heic|pt|pth|"
    "safetensors"
)
_SUFFIX = re.compile(rf"(?<=.)(\.({_SUFFIXES}))+$", re.IGNORECASE)
_LIKE_A_FILE = re.compile(r"(?<=.)\.(py|ipynb|zip)$", re.IGNORECASE)

# jdoe_LATE_12345_67890_vgg16-1.py: user and attachment; jdoe_12345_text.html: typed into Canvas's text box. There is no
# underscore in the name: alice_net_512_7_7.py is alice's own.
_CANVAS = re.compile(
    r"(?P<who>[^_]+)_(?P<late>LATE_)?(?P<id>[0-9]+)_(?:(?P<attachment>[0-9]+)_(?P<file>.+)|text\.html)", re.I
)
# First Last_12345_assignsubmission_file_ (a folder), ..._assignsubmission_file_vgg16.py, ..._onlinetext_...
_MOODLE = re.compile(r"(?P<who>.+?)_(?P<id>[0-9]+)_assignsubmission_[a-z]+(?:_(?P<file>.*))?", re.S)
# 12345-67890 - First Last - Oct 4, 2024 959 PM, as a folder or followed by " - vgg16.py"
_BRIGHTSPACE = re.compile(
    r"(?P<id>[0-9]+-[0-9]+) - (?P<who>.+?) - (?P<when>(?P<month>[^\W\d]{3})[^\W\d]*\.? (?P<day>[0-9]{1,2}), "
    r"(?P<year>[0-9]{4}) (?P<hour>[0-9]{1,2})[:_]?(?P<minute>[0-9][0-9]) (?P<half>[AP]M))(?: - (?P<file>.+))?"
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True)
class Owner:
    """Whose an entry of the class folder is, as far as its name tells.

    Attributes:
        key: entries with the same key are of the same student.
        name: the student's name, as it stands in the entry's.
        file: what the file was called when it was handed in; "" where the name does not tell.
        attempt: entries of one student with the same attempt were handed in together.
        when: what sorts attempts, where the name tells; else None.
        order: of files with the same name in one attempt, the greatest is the latest.
    """

    key: tuple[str, str]
    name: str
    file: str = ""
    attempt: str = ""
    when: float | None = None
    order: int = 0
    late: bool = False
    identifiers: dict[str, str] = field(default_factory=dict)


def owner(name: str, *, folder: bool) -> Owner:
    """Whose the entry ``name`` of a class folder is.

    >>> owner("jdoe_LATE_12345_67890_vgg16-1.py", folder=False)  # doctest: +NORMALIZE_WHITESPACE
    Owner(key=('canvas', '12345'), name='jdoe', file='vgg16-1.py', attempt='', when=None, order=67890, late=True,
          identifiers={'canvas_id': '12345'})
    >>> owner("Alice B_12345_assignsubmission_file_", folder=True).identifiers
    {'moodle_id': '12345'}
    >>> owner("12345-678 - Alice B - Oct 4, 2024 959 PM", folder=True).name
    'Alice B'
    >>> owner("alice.py", folder=False).key == owner("alice", folder=True).key
    True
    """
    if found := _MOODLE.fullmatch(name):
        key = ("moodle", found["id"])
        return Owner(key, found["who"], found["file"] or "", identifiers={"moodle_id": found["id"]})
    if found := _BRIGHTSPACE.fullmatch(name):
        key = ("brightspace", f"{found['id']} {found['who']}")
        return Owner(key, found["who"], found["file"] or "", attempt=found["when"], when=_when(found))
    if not folder and (found := _CANVAS.fullmatch(name)):
        return Owner(
            ("canvas", found["id"]),
            found["who"],
            found["file"] or "text.html",
            order=int(found["attachment"] or 0),
            late=bool(found["late"]),
            identifiers={"canvas_id": found["id"]},
        )
    who = (_LIKE_A_FILE if folder else _SUFFIX).sub("", name)
    together = not folder and not name.casefold().endswith(".zip")
    return Owner(("name", who), who, attempt="" if together else name)


def _when(found: re.Match[str]) -> float | None:
    """Seconds since 1970 of Brightspace's date, as if in UTC: these are only compared with one another."""
    if found["month"].casefold() not in _MONTHS:
        return None
    month = _MONTHS.index(found["month"].casefold()) + 1
    hour = int(found["hour"]) % 12 + (12 if found["half"] == "PM" else 0)
    try:
        date = datetime(int(found["year"]), month, int(found["day"]), hour, int(found["minute"]), tzinfo=UTC)
    except ValueError:
        return None
    return date.timestamp()


def ignored(name: str) -> bool:
    """Whether no one means to hand ``name`` in: hidden files, caches, what file managers leave, installed packages.

    >>> [name for name in ("._vgg16.py", "Thumbs.db", "__MACOSX", "vgg16.py") if not ignored(name)]
    ['vgg16.py']
    """
    return name.startswith(".") or name.casefold() in _JUNK


def tidy(name: str) -> str:
    r"""``name`` for people: NFC, one line, nothing that a terminal or a text file could stumble over.

    >>> tidy("e\u0301a\x1b[2J")
    'éa\ufffd[2J'
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        name = _from_bytes(name)
    composed = unicodedata.normalize("NFC", name)
    shown = "".join(
        "\ufffd" if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _UNSEEN else char
        for char in composed
    )
    return shown if len(shown) <= MAX_NAME else f"{shown[: MAX_NAME - 1]}…"


def _from_bytes(name: str) -> str:
    """A file name that is not UTF-8: Python keeps its bytes as surrogates. Korean Windows writes CP949."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("cp949")
    except UnicodeError:
        return "".join("\ufffd" if 0xD800 <= ord(char) < 0xE000 else char for char in name)


def student(name: str) -> str:
    """``name`` as a student's: tidy, and without what is special in a path, since files will be named after it.

    >>> [student(name) for name in (" alice ", "../bob", "..")]
    ['alice', '.._bob', 'unnamed']
    """
    shown = re.sub(r"[/\\]", "_", tidy(name)).strip()
    return shown if shown.strip(". ") else "unnamed"
