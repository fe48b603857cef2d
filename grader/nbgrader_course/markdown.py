"""Students' Markdown, so that no HTML, link or script of theirs takes effect where an instructor reads it.

nbgrader's formgrader and feedback show the Markdown of a notebook with all the HTML in it, which then runs in the
instructor's browser, with the right to change grades.
"""

from __future__ import annotations

import html
import re
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

MAX_RICH = 20_000  # characters of a notebook: nbconvert's time grows with their square, 1 s for the worst of that size
MAX_SHOWN = 100_000  # characters of a cell
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LINK = re.compile(r'(?:href|src)="([^"]*)"')  # as nbconvert writes them
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
_HARMLESS = re.compile(r"https?:|mailto:|data:image/(?:png|jpeg|gif);base64,")
_IMAGES = ("image/png", "image/jpeg", "image/gif")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")


def harmless(source: str, images: dict[str, dict[str, str]], *, rich: bool = True) -> str:
    """``source`` without HTML; as a block of code if a link in it is more than a link, or if it cannot be rendered.

    Args:
        images: the cell's attachments, from `attachments`.
        rich: False asks for a block of code, as becomes it that is longer than `MAX_RICH`.

    >>> harmless("1 < 2, <b>bold</b>, [a link](https://example.org)", {})
    '1 < 2, < b>bold< /b>, [a link](https://example.org)'
    >>> harmless("[a link](javascript:alert(1))", {})
    '    [a link](javascript:alert(1))'
    """
    text = _TAG.sub("< ", source)
    if rich and len(text) <= MAX_RICH and _is_harmless(text, images):
        return text
    if len(text) > MAX_SHOWN:
        text = f"{text[:MAX_SHOWN]}\n... ({len(text) - MAX_SHOWN:,} more characters)"
    return "\n".join(f"    {line}" for line in text.splitlines())


def _is_harmless(text: str, images: dict[str, dict[str, str]]) -> bool:
    try:
        rendered = MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=images)).render(text)
    except Exception:  # an image that is not attached, lists nested too deeply: feedback would fail for everyone
        return False
    # Browsers leave out blanks and control characters.
    links = [re.sub(r"[\x00-\x20]", "", html.unescape(link)).lower() for link in _LINK.findall(rendered)]
    return all(_HARMLESS.match(link) or not _SCHEME.match(link) for link in links)


def attachments(cell: Any) -> dict[str, dict[str, str]]:
    """The images that are attached to ``cell``, a cell of a student's notebook; all else is left out.

    >>> attachments({"attachments": {"a.png": {"image/png": "iVBO", "text/html": "<b>"}, "b": 3}})
    {'a.png': {'image/png': 'iVBO'}}
    """
    given = cell.get("attachments")
    found = {}
    for name, forms in given.items() if isinstance(given, dict) else ():
        kept = {
            kind: data
            for kind, data in (forms.items() if isinstance(forms, dict) else ())
            if kind in _IMAGES and isinstance(data, str) and _BASE64.fullmatch(data)
        }
        if isinstance(name, str) and kept:
            found[name] = kept
    return found
