"""Put cases to the judge: submissions known to be right or wrong, in processes with warm workers."""

from __future__ import annotations

import difflib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import as_completed
from pathlib import Path
from typing import Literal

import msgspec

from grader.assignment import Assignment, AssignmentError
from grader.audit import bank
from grader.audit.rewrites import rewritten
from grader.audit.warm import Warm
from grader.class_run.executors import local
from grader.edits.operators import dumped, edits
from grader.result import FAILURES, Status
from grader.submission import Submission

Kind = Literal["variant", "mistake", "rewrite", "mutant"]
KINDS: tuple[Kind, ...] = ("variant", "mistake", "rewrite", "mutant")
MUTANTS = 700  # in all: where single edits are fewer, pairs of them come on top
COMBINED = 60  # rewrites by several at once, of which not all apply
IMPORT = "(import)"  # stands for the check that catches what cannot even be imported


class Case(msgspec.Struct, frozen=True):
    """A submission whose verdict is known, or can be found without the checks.

    Attributes:
        what: what it is or what was done to it, in a student's words.
        operator: of a mutant: which kinds of edit made it.
        caught_by: of a mistake: the checks one of which must catch it.
    """

    kind: Kind
    name: str
    what: str
    source: bytes
    operator: str = ""
    caught_by: list[str] = []


class Verdict(msgspec.Struct, frozen=True):
    """What became of a case.

    Attributes:
        right: whether it must be accepted; None where that is not known: then it was not judged.
        difference: of a mutant or rewrite: what it does differently, as far as its interface shows.
        caught: check: its status, for those that did not pass.
        told: those of them that fail in a student's report, where the ones that require a failed one are blocked.
        message: what the first of these says.
        broken: checks that broke by themselves.
        seconds: of the judge.
        proof_seconds: of finding out whether it is right.
        diff: from the solution, where the verdict is false.
    """

    kind: Kind
    name: str
    what: str
    operator: str
    caught_by: list[str]
    right: bool | None
    difference: str = ""
    accepted: bool = False
    caught: dict[str, Status] = {}
    told: list[str] = []
    message: str = ""
    broken: list[str] = []
    seconds: float = 0.0
    proof_seconds: float = 0.0
    diff: str = ""

    @property
    def false_accept(self) -> bool:
        """Full points for what is wrong."""
        return self.right is False and self.accepted

    @property
    def false_reject(self) -> bool:
        """Points lost by what is right."""
        return self.right is True and not self.accepted


def solution_of(assignment: Assignment) -> str:
    """The text of ``assignment``'s solution.

    Raises:
        AssignmentError: there is none here.
    """
    path = None if assignment.secret is None else assignment.secret / assignment.settings.files[0]
    if path is None or not path.is_file():
        raise AssignmentError(f"This copy has no solution for {assignment.name}, so it cannot be audited.")
    return path.read_text(encoding="utf-8")


def cases(assignment: Assignment, seed: int, limit: int | None, kinds: Iterable[str] = KINDS) -> list[Case]:
    """The cases of ``assignment``: at most ``limit`` of each kind, drawn by ``seed``.

    Raises:
        AssignmentError: it has no solution here, or a mistake's header is wrong.
    """
    source = solution_of(assignment)
    made: dict[Kind, Callable[[], list[Case]]] = {
        "variant": lambda: _bank(assignment, "variant"),
        "mistake": lambda: _bank(assignment, "mistake"),
        "rewrite": lambda: [
            Case("rewrite", f"rewrite {number}", each.what, each.text.encode())
            for number, each in enumerate(rewritten(source, COMBINED, seed), 1)
        ],
        "mutant": lambda: mutants(source, seed, MUTANTS if limit is None else limit),
    }
    found: list[Case] = []
    for kind in KINDS:
        if kind in kinds:
            some = made[kind]()
            few = some if limit is None else random.Random(seed).sample(some, min(limit, len(some)))
            found += few
    return found


def mutants(source: str, seed: int, count: int) -> list[Case]:
    """Single edits of ``source``, and pairs of them, drawn by ``seed``, if they are fewer than ``count``.

    >>> [case.what for case in mutants("y = x + 0", seed=0, count=6)][:2]
    ['0 became 1 in line 1', '0 became 2 in line 1']
    """
    text = source.replace("\r\n", "\n")
    single = edits(text)
    found = [
        Case("mutant", f"mutant {number}", edit.what, edit.apply(text).encode(), edit.operator)
        for number, edit in enumerate(single, 1)
    ]
    seen = {dumped(text)} | {dumped(case.source.decode()) for case in found}
    draw = random.Random(seed)
    for _ in range(10 * count if len(single) > 1 else 0):
        if len(found) >= count:
            break
        first, second = sorted(draw.sample(single, 2), key=lambda edit: edit.start)
        twice = first.apply(second.apply(text))
        if first.end < second.start and dumped(twice) not in (None, *seen):
            seen.add(dumped(twice))
            what, operator = f"{first.what}; {second.what}", f"{first.operator} + {second.operator}"
            found.append(Case("mutant", f"mutant {len(found) + 1}", what, twice.encode(), operator))
    return found


def _bank(assignment: Assignment, kind: Literal["variant", "mistake"]) -> list[Case]:
    return [
        Case(
            kind,
            path.stem,
            bank.headline(path),
            path.read_bytes(),
            caught_by=bank.catchers(path) if kind == "mistake" else [],
        )
        for path in bank.files(assignment, f"{kind}s")
    ]


def run(
    assignment: Assignment, chosen: list[Case], *, jobs: int, every: bool, tell_checks: Callable[[list[str]], None]
) -> Iterator[Verdict]:
    """The verdicts on ``chosen``, as they are found, by ``jobs`` processes.

    Args:
        every: run all checks on each case, also those that wait for one that fails; else a wrong one only until a check
            has caught it, those first that have caught most in least time.
        tell_checks: told the names of the checks first.

    Raises:
        AssignmentError: the assignment has no interface.py, or one that does not work.
        BrokenCheck, WorkerStartError: see `grader.judge.grade.grade`.
    """
    with local(jobs) as (pool, _):
        tell_checks(pool.submit(check_names, assignment).result())
        for future in as_completed([pool.submit(examine, assignment, case, every) for case in chosen]):
            yield future.result()


def check_names(assignment: Assignment) -> list[str]:
    """The names of ``assignment``'s checks, in their order."""
    return list(Warm.of(assignment).checks)


def examine(assignment: Assignment, case: Case, every: bool) -> Verdict:
    """Find out whether ``case`` is right, without the checks, and what the checks say."""
    warm = Warm.of(assignment)
    started = time.monotonic()
    known = case.kind in ("variant", "mistake")
    difference = "" if known else warm.oracle.difference(case.source.decode())
    right = case.kind == "variant" if known else not difference
    proved = time.monotonic()
    verdict = Verdict(
        case.kind,
        case.name,
        case.what,
        case.operator,
        case.caught_by,
        right,
        difference,
        proof_seconds=round(proved - started, 3),
    )
    if case.kind == "rewrite" and difference:  # the rewrite is at fault, not the checks
        return msgspec.structs.replace(verdict, right=None)
    files = {assignment.settings.files[0]: case.source}
    for other in assignment.settings.files[1:]:
        assert assignment.secret is not None
        files[other] = (assignment.secret / other).read_bytes()
    judged = _judge(warm, Submission(Path(case.name), files), verdict, every)
    false = judged.accepted != right
    return msgspec.structs.replace(
        judged,
        seconds=round(time.monotonic() - proved, 3),
        diff=_diff(solution_of(assignment), case.source) if false else "",
    )


def _judge(warm: Warm, handed_in: Submission, verdict: Verdict, every: bool) -> Verdict:
    """``verdict`` with what the checks say, each run whether or not what it requires has passed.

    None is run after one that has timed out: it would, too.
    """
    order = list(warm.checks)
    if verdict.right is False and not every:
        order = sorted(warm.promising(), key=lambda name: name not in verdict.caught_by)
    broken: list[str] = []
    result = warm.grade(
        handed_in,
        only=order,
        stop_after=("timeout",) if every else FAILURES,
        shrink=False,
        on_broken=lambda name, said: broken.append(name),
    )
    if verdict.right is False:
        warm.note(result)
    details = {test.extra_data.check: test.extra_data for test in result.tests}
    caught = {name: details[name].status for name in order if details[name].status in FAILURES}
    told, message = warm.told(list(caught)), "".join(details[name].message for name in list(caught)[:1])
    if result.extra_data.message:
        caught, told, message = {IMPORT: result.extra_data.status}, [IMPORT], result.extra_data.message
    return msgspec.structs.replace(
        verdict, accepted=not caught, caught=caught, told=told, message=message, broken=broken
    )


def _diff(solution: str, other: bytes) -> str:
    lines = other.decode(errors="replace").splitlines()
    return "\n".join(difflib.unified_diff(solution.splitlines(), lines, "solution", "case", lineterm="", n=1))
