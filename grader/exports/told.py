"""What a student may be told of a check: of a hidden one nothing that says which values it expects."""

from __future__ import annotations

import re

import msgspec
from msgspec import UNSET

from grader.language import gettext, later
from grader.result import CheckDetail, Status

FAILED = later(
    "Your code ran and did something else than this check expects. "
    "The check is hidden: its values, and what your code prints during it, are not shown."
)
WITHHELD = later("The check is hidden, and what came of it would tell its values.")
_STATUS: dict[Status, str] = {
    "passed": later("passed"),
    "failed": later("failed"),
    "error": later("error"),
    "timeout": later("timeout"),
    "out_of_memory": later("out of memory"),
    "crashed": later("crashed"),
    "blocked": later("blocked"),
    "not_attempted": later("not attempted"),
}
_MOST = 500  # characters of an exception: code can raise whatever it was given


def told(detail: CheckDetail) -> CheckDetail:
    """``detail`` as its student may read it: a public check's as it is.

    Of a hidden check stay the status, the hint (its author wrote it for students, without knowing any values of the
    run), the student's own frames, and the message of everything but "failed" and "passed": it comes from the student's
    code or from the judge, which says what was called and what became of the call. "failed" gets a general sentence,
    since the check's own one may hold any number. The diagnosis stays as well: the judge has made it as blunt as the
    assignment wants it, and below "full" without any number of the solution's. What was printed stays out: a
    submission could print whatever it is given.

    As a second line of defence, a message or a hint with the expected value in it is withheld, whatever the status.

    >>> seen = told(CheckDetail("f", "failed", "f(2) is 5; 4 is expected.", "Square it.", "4", "5", hidden=True))
    >>> seen.message == FAILED, seen.hint, seen.expected, seen.actual
    (True, 'Square it.', '', '')
    """
    if not detail.hidden:
        return detail
    if detail.status == "passed":
        message = ""
    elif detail.status == "failed":
        message = gettext(FAILED)
    else:
        message = gettext(WITHHELD) if _mentions(detail.message, detail.expected) else _bounded(detail.message)
    return msgspec.structs.replace(
        detail,
        message=message,
        hint="" if _mentions(detail.hint, detail.expected) else detail.hint,
        expected="",
        actual="",
        printed="",
        accuracy=UNSET,
        images=UNSET,
        dataset=UNSET,
        exact=UNSET,
    )


def status(detail: CheckDetail) -> str:
    """What became of a check, in a word or two; and whether it is hidden.

    >>> status(CheckDetail("f", "out_of_memory", hidden=True))
    'out of memory, hidden'
    """
    word = gettext(_STATUS[detail.status])
    return gettext("{status}, hidden").format(status=word) if detail.hidden else word


def _bounded(message: str) -> str:
    half = _MOST // 2
    return message if len(message) <= _MOST else f"{message[:half]} ... {message[-half:]}"


def _mentions(text: str, expected: str) -> bool:
    """Whether ``text`` has ``expected``, or a line of it, in it, by itself and however it is spaced.

    >>> _mentions("shape (2,1) is right", "(2, 1)"), _mentions("3x3, not 13", "3")
    (True, False)
    """
    for line in expected.splitlines():
        tokens = re.findall(r"\w+|[^\w\s]", line)
        if tokens:
            pattern = r"(?<!\w)" * tokens[0].isalnum() + r"\s*".join(map(re.escape, tokens))
            if re.search(pattern + r"(?!\w)" * tokens[-1].isalnum(), text, re.IGNORECASE):
                return True
    return False
