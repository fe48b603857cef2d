"""The one document per submission: Gradescope's results.json, finer facts in its extra_data."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

Status = Literal["passed", "failed", "error", "timeout", "out_of_memory", "crashed", "blocked", "not_attempted"]
STATUSES: tuple[Status, ...] = get_args(Status)
# Of a check that was run and did not pass.
FAILURES: tuple[Status, ...] = ("failed", "error", "timeout", "out_of_memory", "crashed", "not_attempted")
Visibility = Literal["visible", "hidden", "after_due_date", "after_published"]


class CheckDetail(msgspec.Struct, forbid_unknown_fields=True):
    """What a check's outcome says beyond Gradescope's fields.

    Attributes:
        check: the check's name, as in ``requires``.
        message: what happened, one or more sentences; "" for a passed check without remarks.
        hint: what to try; "" where there is nothing to do.
        diagnosis: where the mistake is likely to be, as bluntly as the assignment wants it told; "" where nobody knows.
        frames: the student's own lines of the traceback, outermost first.
        waits_for: of a blocked check: the checks that must pass first.
        accuracy, images, dataset, exact: of an accuracy check: the share of right images, how many were used, of which
            data set, and whether all had to be.
    """

    check: str
    status: Status
    message: str = ""
    hint: str = ""
    diagnosis: str = ""
    expected: str = ""
    actual: str = ""
    frames: list[str] = []
    printed: str = ""
    seconds: float = 0.0
    hidden: bool = False
    waits_for: list[str] = []
    accuracy: float | UnsetType = UNSET
    images: int | UnsetType = UNSET
    dataset: str | UnsetType = UNSET
    exact: bool | UnsetType = UNSET


class TestResult(msgspec.Struct, forbid_unknown_fields=True):
    """One check in Gradescope's terms: ``status`` is passed or failed, the finer one is in ``extra_data``."""

    __test__ = False  # not a pytest class, whatever its name

    name: str
    score: float
    max_score: float
    status: Literal["passed", "failed"]
    output: str
    extra_data: CheckDetail
    visibility: Visibility = "visible"


class Summary(msgspec.Struct, forbid_unknown_fields=True):
    """The submission as a whole.

    Attributes:
        submission: the path of the file that was graded.
        status: passed with full points; else the most telling status of the checks, or of the import.
        message: why nothing could be graded, where that is so (a syntax error, a hanging import); else "".
        not_run_points: points of hidden checks that this copy does not have.
        broken_checks: names of checks that broke by themselves, which an instructor must look at.
    """

    assignment: str
    title: str
    submission: str
    status: Status
    max_score: float
    message: str = ""
    frames: list[str] = []
    printed: str = ""
    data: str = ""
    seed: int = 0
    not_run_points: float = 0.0
    grader_version: str = ""
    broken_checks: list[str] = []


class Result(msgspec.Struct, forbid_unknown_fields=True):
    """Gradescope's results.json (https://gradescope-autograders.readthedocs.io, "Output Format")."""

    score: float
    execution_time: float
    tests: list[TestResult]
    extra_data: Summary
    output: str = ""
    visibility: Visibility = "visible"
    stdout_visibility: Visibility = "hidden"

    def to_json(self) -> bytes:
        """Indented UTF-8.

        >>> Result(0, 0.1, [], Summary("a", "A", "a.py", "failed", 100)).to_json()[:12]
        b'{\\n  "score":'
        """
        return msgspec.json.format(msgspec.json.encode(self), indent=2)
