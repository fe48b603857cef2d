"""After the checks: say of each that failed where the mistake is likely to be, and which single edit mends it."""

from __future__ import annotations

import ast
import copy
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.util import decode_source
from itertools import islice, tee

from torch import nn

from grader.diagnosis import signature
from grader.diagnosis.finding import Finding, tell
from grader.edits.code import Code, Edit, callee
from grader.edits.repairs import repairs, set_value
from grader.judge.context import Context
from grader.judge.examine import Made, Subject, examine, subject_of
from grader.judge.run import Evidence, Outcome, Run, call_check
from grader.judge.session import DISTURBED, Session
from grader.judge.workers import Workers, WorkerStartError
from grader.language import gettext
from grader.result import Status
from grader.student import CheckFailed, Remote, Student, StudentError
from grader.student.outcomes import MissingName, WorkerLost

SECONDS = 10.0  # for one request, and to look into both models for one check; it takes some tenths of one
SEARCH = 2.0  # seconds for all edits of a submission that are tried; one that has begun is finished
SLOW = 1.0  # seconds: for a check that takes as long no edit is tried
LOOKS = 4  # at both models, for one submission; a check that fails by a mistake already found needs none
KEEP = 0.5  # seconds, as they took before, of checks that passed and must still pass under an edit
TRIED = 40  # of them for one check
MOST_NUMBER = 1_000  # in a layer's name
_DIAGNOSED: tuple[Status, ...] = ("failed", "error")
_GIVES_UP = (StudentError, MissingName, CheckFailed, WorkerLost, WorkerStartError)


def diagnose(run: Run, context: Context, workers: Workers) -> dict[str, Finding]:
    """The finding for each check of ``run`` that failed, where there is one; `Outcome.diagnosis` is set to its text.

    The student's code runs in workers of its own: what became of the checks is not touched.
    """
    bluntness = context.assignment.settings.diagnosis
    failed = [outcome for outcome in run.outcomes.values() if outcome.status in _DIAGNOSED and outcome.evidence]
    found: dict[str, Finding] = {}
    if bluntness == "none" or not failed or context.assignment.settings.files[0] not in context.submission.files:
        return found
    seconds = context.assignment.settings.limits.import_seconds
    passed = [outcome for outcome in run.outcomes.values() if outcome.status == "passed" and outcome.evidence]
    with (
        closing(Session(workers, context.submission.files, import_seconds=seconds, watch=True)) as session,
        closing(_Search(context, workers, passed)) as search,
    ):
        looking = _Looking(context, session, parsed(context.source))
        # First those for which edits are tried, and of a whole network last: what is found in a part is found there.
        for outcome in sorted(failed, key=lambda outcome: (outcome.seconds >= SLOW, "accuracy" in outcome.facts)):
            assert outcome.evidence is not None
            quick = outcome.seconds < SLOW and isinstance(outcome.evidence.error, (CheckFailed, StudentError))
            finding = search.again(outcome.evidence) if quick else None
            if finding is None:
                finding = looking.at(outcome.evidence)
                finding = search.mend(outcome.evidence, finding) if quick else finding
            if finding is not None and _known_names(finding, context.source.decode(errors="replace")):
                found[outcome.spec.name] = finding
                outcome.diagnosis = tell(finding, bluntness)
    return found


def _known_names(finding: Finding, source: str) -> bool:
    """Whether all names in ``finding`` are in the source, or torch's.

    They come from the worker: code that a hidden check calls could name a class after what it was given.
    """
    words = set(re.findall(r"\w+", source))
    parts = [*finding.module.split("."), finding.type, *finding.maker.split(".")]
    fits = all(
        part in words or hasattr(nn, part) or (part.isdecimal() and int(part) < MOST_NUMBER) for part in parts if part
    )
    return fits and all(0 < line <= source.count("\n") + 1 for line in finding.lines)


def parsed(source: bytes) -> Code | None:
    """``source`` as text and tree; None where it is not Python."""
    try:
        return Code(decode_source(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def functions_of(code: Code) -> frozenset[str]:
    """What ``code`` calls and does not define: small letters, no method of its own."""
    calls = [call for call in code.calls() if not code.said(call.func).startswith("self.")]
    own = {node.name for node in ast.walk(code.tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return frozenset(name for name in map(callee, calls) if name[:1].islower() and name not in own)


class _Looking:
    """At both models, of one check after the other; what was made for one is kept for the next."""

    def __init__(self, context: Context, session: Session, code: Code | None) -> None:
        self._context, self._session, self._code = context, session, code
        self._functions = frozenset() if code is None else functions_of(code)
        self._made: Made | None = None
        self._left = LOOKS
        secret = context.assignment.secret
        path = None if secret is None else secret / context.assignment.settings.files[0]
        self._solution = None if path is None else parsed(path.read_bytes())

    def at(self, evidence: Evidence) -> Finding | None:
        reference = self._context.reference
        subject = None if reference is None else subject_of(evidence.asked, reference)
        if reference is None:
            return None
        if self._code is not None and self._solution is not None:
            failed = bool(evidence.asked) and evidence.asked[-1][1].get("target") is None
            found = signature.difference(self._solution, self._code, maker(evidence), failed)
            if found is not None:
                return found
        if subject is None or not self._left:
            return None
        self._left -= 1
        for _ in range(DISTURBED):
            self._session.disturbed = False
            try:
                if self._made is None:
                    self._session.begin(SECONDS)
                    self._made = Made(reference, Student(self._session))
                self._session.extend(SECONDS)
                return examine(subject, self._made, self._functions, time.monotonic() + SECONDS)
            except WorkerLost:
                self._made = None
                if not self._session.killed_from_outside:
                    break
            except _GIVES_UP:
                break
        return None


class _Search:
    """For the single edit of a submission under which a failed check passes."""

    def __init__(self, context: Context, workers: Workers, passed: list[Outcome]) -> None:
        self._context, self._workers = context, workers
        self._passed = sorted(passed, key=lambda outcome: outcome.seconds)
        self._left = SEARCH
        self._mended: list[tuple[Edit, Finding]] = []  # what has mended another check, and what was found there
        self._code = parsed(context.source)
        self._repairs: dict[frozenset[int], Iterator[Edit]] = {}  # by lines; as far as they were asked for
        self._session: Session | None = None

    def mend(self, evidence: Evidence, finding: Finding | None) -> Finding | None:
        """``finding`` with the edit that mends it, or a finding made of such an edit alone; else as it is."""
        for edit in islice(self._candidates(evidence, finding), TRIED):
            if self._left <= 0:
                break
            if self._passes([evidence], edit) and self._keeps(evidence, edit):
                if finding is None:
                    owner = maker(evidence)
                    finding = Finding("", owner, "edit", gettext("one change there is enough."), confident=False)
                finding = replace(finding, mended=(edit.what, edit.line))
                self._mended.append((edit, finding))
                return finding
        if finding is not None and finding.values and self._code is not None:  # of its lines the one to blame
            first = next(self._values(self._code, finding), None)
            return finding if first is None else replace(finding, lines=(first.line,))
        return finding

    def again(self, evidence: Evidence) -> Finding | None:
        """What was found for another check, if the edit that mends that one mends this one, too."""
        found = (finding for edit, finding in self._mended if self._left > 0 and self._passes([evidence], edit))
        return next(found, None)

    def _values(self, code: Code, finding: Finding) -> Iterator[Edit]:
        for name, actual, expected in finding.values:
            yield from set_value(code, finding.lines, finding.type, name, actual, expected)

    def _candidates(self, evidence: Evidence, finding: Finding | None) -> Iterator[Edit]:
        code = self._code
        if code is None:
            return
        if finding is not None:
            yield from self._values(code, finding)
            if finding.values:
                return
        if finding is not None and finding.what in ("forward", "gradient", "state", "mode"):
            lines = _lines_of(code, finding.type, "forward") or _lines_of(code, finding.type)
            yield from self._repairs_of(code, lines)
        elif finding is not None and finding.lines:
            yield from self._repairs_of(code, finding.lines)
        else:
            if isinstance(evidence.error, StudentError):
                yield from self._repairs_of(code, [frame.line for frame in evidence.error.frames])
            named = _lines_of(code, finding.type) if finding is not None else None
            yield from self._repairs_of(code, named or _lines_of(code, maker(evidence)))

    def _repairs_of(self, code: Code, lines: Iterable[int]) -> Iterator[Edit]:
        """`repairs`, which for the same lines are worked out once."""
        key = frozenset(lines)
        self._repairs[key], found = tee(self._repairs.get(key) or repairs(code, key))
        return found

    def _keeps(self, evidence: Evidence, edit: Edit) -> bool:
        """Whether in a fresh worker it passes, and with it what passed before: the quick checks, at least one."""
        left, chosen = KEEP, [evidence]
        for outcome in self._passed:
            left -= outcome.seconds
            if outcome.evidence is not None:
                chosen.append(outcome.evidence)
            if left < 0:
                break
        self.close()
        return self._passes(chosen, edit)

    def _passes(self, evidence: Sequence[Evidence], edit: Edit) -> bool:
        """Whether all of these checks pass, one after the other, under ``edit``; in the worker that there is."""
        assert self._code is not None
        context = copy.copy(self._context)  # with what it has loaded already
        name = next(iter(context.submission.files))
        files = {**context.submission.files, name: edit.apply(self._code.text).encode()}
        context.submission = replace(context.submission, files=files)
        context.note, context.facts = "", {}
        for _ in range(DISTURBED):
            passes = False
            session = self._session_for(files)
            given = {"student": Student(session), "context": context}
            try:
                for each in evidence:
                    session.begin(SECONDS)
                    arguments = {name: given.get(name, value) for name, value in each.arguments.items()}
                    call_check(each.function, context.seed, arguments, shrink=False)
                passes = True
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # of the check as well: it was written for other failures than this one
                pass
            # How long a worker takes to start says nothing about the edit, and differs between machines.
            self._left -= max(0.0, time.monotonic() - session.ready_at)
            if not session.killed_from_outside:
                return passes
            self.close()
        return False

    def _session_for(self, files: dict[str, bytes]) -> Session:
        if self._session is None:
            seconds = self._context.assignment.settings.limits.import_seconds
            self._session = Session(self._workers, files, import_seconds=seconds)
        else:
            self._session.exchange(files)
        self._session.ready_at = float("inf")
        return self._session

    def close(self) -> None:
        """End the worker in which edits are tried."""
        if self._session is not None:
            self._session.close()
            self._session = None


def maker(evidence: Evidence) -> str:
    """The function or class of the student's that the check called last."""
    for _, body in reversed(evidence.asked):
        owner = body.get("target")
        if owner is None and body.get("path"):
            return str(body["path"]).partition(".")[0]
        if isinstance(owner, Remote):
            return Subject(owner, "", None).maker
    return ""


def _lines_of(code: Code, name: str, method: str = "") -> range:
    """Where the function or class ``name`` is defined, or a method of it."""
    for node in code.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            inside = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == method]
            found: ast.FunctionDef | ast.ClassDef = inside[0] if inside else node
            first = min((each.lineno for each in found.decorator_list), default=found.lineno)
            return range(first, (found.end_lineno or found.lineno) + 1)
    return range(0)
