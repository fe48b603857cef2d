"""The language in which a student is spoken to, and its gettext catalogues.

>>> gettext("no catalogue has this sentence")
'no catalogue has this sentence'
"""

from __future__ import annotations

import os
import re
from functools import cache
from gettext import NullTranslations, translation
from pathlib import Path

VARIABLE = "GRADER_LANG"
LANGUAGES = {"en": "English", "ko": "한국어"}  # the first is what the sentences in the code are written in
LOCALE = "locale"  # the folder of catalogues, as gettext lays it out: locale/ko/LC_MESSAGES/
DOMAIN, CHECKS_DOMAIN = "grader", "checks"  # the name of this package's catalogue, and of an assignment's

_OWN = Path(__file__).parent
_folders: list[Path] = []  # of assignments, the one added last first


def current() -> str:
    """The language to speak: what GRADER_LANG says, else what LC_ALL, LC_MESSAGES or LANG says, the first that is set.

    What is none of `LANGUAGES` means English.

    >>> current() in LANGUAGES
    True
    """
    settings = (os.environ.get(name) for name in (VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"))
    named = _code(next(filter(None, settings), ""))
    return named if named in LANGUAGES else "en"


def unknown_choice() -> str:
    """What GRADER_LANG asks for, if no such language is spoken; else ``""``."""
    wanted = os.environ.get(VARIABLE, "")
    return "" if _code(wanted) in {"", "c", "posix", *LANGUAGES} else wanted


def add_catalogues(folder: Path) -> None:
    """Ask ``folder``/locale from now on, before all others: an assignment's sentences, titles and hints."""
    if folder in _folders:
        _folders.remove(folder)
    _folders.insert(0, folder)


def catalogue(folder: Path, domain: str, language: str) -> Path:
    """Where the catalogue in ``folder`` lies, as gettext wants it.

    >>> catalogue(Path("assignments/vgg16"), "checks", "ko").as_posix()
    'assignments/vgg16/locale/ko/LC_MESSAGES/checks.mo'
    """
    return folder / LOCALE / language / "LC_MESSAGES" / f"{domain}.mo"


def gettext(message: str) -> str:
    """``message`` in the student's language; itself where no catalogue has it."""
    return _translations(current(), tuple(_folders)).gettext(message) if message else message


def ngettext(one: str, many: str, count: float) -> str:
    """``one`` or ``many``, as ``count`` asks, in the student's language.

    >>> ngettext("{count} image", "{count} images", 2).format(count=2)
    '2 images'
    """
    # A plural form is chosen by a whole number; 1.5 points are as many as 2.
    number = int(count) if count == int(count) else 2
    return _translations(current(), tuple(_folders)).ngettext(one, many, number)


def later(message: str) -> str:
    """``message`` itself, for a table that is made at import: `make translations` finds it, `gettext` comes later.

    >>> later("passed")
    'passed'
    """
    return message


def _code(setting: str) -> str:
    """The language of a setting: ko of ko_KR.UTF-8."""
    return re.split(r"[_.@-]", setting.strip().lower(), maxsplit=1)[0]


@cache
def _translations(language: str, folders: tuple[Path, ...]) -> NullTranslations:
    """The catalogues in the order in which they are asked. Kept for good: a process has few assignments."""
    if language == "en":
        return NullTranslations()
    asked = [
        translation(domain, folder / LOCALE, [language], fallback=True)
        for folder, domain in [*((folder, CHECKS_DOMAIN) for folder in folders), (_OWN, DOMAIN)]
    ]
    for others in asked[1:]:
        asked[0].add_fallback(others)
    return asked[0]
