"""The language in which a student is spoken to, and its gettext catalogues.

>>> gettext("no catalogue has this sentence")
'no catalogue has this sentence'
"""

from __future__ import annotations


def gettext(message: str) -> str:
    """``message`` in the student's language; itself where no catalogue has it."""
    return message


def ngettext(one: str, many: str, count: int) -> str:
    """``one`` or ``many``, as ``count`` asks, in the student's language.

    >>> ngettext("{count} image", "{count} images", 2).format(count=2)
    '2 images'
    """
    return one if count == 1 else many
