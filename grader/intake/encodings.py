"""Source code in whatever encoding an editor saved it, as Python can read it."""

from __future__ import annotations

import codecs
import re

from grader.language import gettext

# PEP 263; it stands in the first line, or in the second if the first is blank or a comment.
_COOKIE = re.compile(rb"\A(?:[ \t\f]*(?:#[^\r\n]*)?(?:\r\n?|\n))??[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
# What is tried out here. Python has codecs that are slow on purpose-made input ("punycode"): those it may meet itself,
# in the sandbox.
_TRIED = {
    *("ascii", "utf-8", "utf-8-sig", "iso8859-1", "iso8859-2", "iso8859-9", "iso8859-15", "koi8-r", "cp437", "cp850"),
    *("cp1250", "cp1251", "cp1252", "cp949", "euc_kr", "johab", "shift_jis", "cp932", "euc_jp", "gb2312", "gbk"),
    *("gb18030", "big5"),
}
_BOMS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: it begins with its BOM
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]
# CP949 holds EUC-KR. What is not valid in it is most often a Western letter in a comment.
_WITHOUT_MARK = ("utf-8", "cp949", "cp1252")
_FOR_PEOPLE = {"utf-8": "UTF-8", "cp949": "CP949 (EUC-KR)", "cp1252": "Windows-1252"}


def as_python(content: bytes) -> tuple[bytes, str] | None:
    r"""(content that Python can read, the encoding it was in). Unchanged and "" where Python can read it as it stands.

    >>> as_python("x = 1  # 하나".encode("cp949"))[1]
    'CP949 (EUC-KR)'
    >>> as_python("x = 1".encode("utf-16"))
    (b'x = 1', 'UTF-16')
    >>> as_python(b"\x89PNG\r\n\x1a\n\x00\x00") is None  # no text at all
    True
    """
    if _readable(content):
        return content, ""
    found = to_text(content)
    if found is None:
        return None
    text, encoding = found
    if encoding == "UTF-8":
        encoding = gettext("UTF-8 with a wrong coding line")
    return _with_cookie(text.encode("utf-8", "replace")), encoding


def to_text(content: bytes) -> tuple[str, str] | None:
    r"""(the text, its encoding for people to read), or None for what is no text.

    >>> to_text("\ufeffx".encode("utf-16-be"))
    ('x', 'UTF-16')
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            candidates: tuple[str, ...] = (encoding,)
            content = content[len(bom) :]
            break
    else:
        candidates = _wide(content) if b"\0" in content else _WITHOUT_MARK
    for encoding in candidates:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, _FOR_PEOPLE.get(encoding, encoding.removesuffix("-le").removesuffix("-be").upper())
    return None


def _wide(content: bytes) -> tuple[str, ...]:
    """UTF-16 without a mark: in source code many characters are ASCII, whose other byte is 0. No text: nothing."""
    even, odd = content[::2].count(0), content[1::2].count(0)
    if max(even, odd) < len(content) // 8 or min(even, odd) > len(content) // 100:
        return ()
    return ("utf-16-le",) if odd > even else ("utf-16-be",)


def _readable(content: bytes) -> bool:
    """Whether Python takes ``content`` for text."""
    if b"\0" in content:
        return False
    marked = content.startswith(codecs.BOM_UTF8)
    found = _COOKIE.match(content[3:] if marked else content)
    try:
        encoding = codecs.lookup(found[1].decode("ascii", "replace")).name if found else "utf-8"
    except (LookupError, ValueError):
        return False
    if marked and encoding != "utf-8":
        return False  # Python takes the two for a contradiction
    if encoding not in _TRIED:
        return True  # not known here to be wrong
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _with_cookie(content: bytes) -> bytes:
    """UTF-8 whose coding line, if there is one, says so."""
    found = _COOKIE.match(content)
    return content if found is None else content[: found.start(1)] + b"utf-8" + content[found.end(1) :]
