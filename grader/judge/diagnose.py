"""After the checks: say of each that failed where the mistake is likely to be."""

from __future__ import annotations

import ast
from contextlib import closing

from grader.diagnosis.finding import Finding, tell
from grader.edits.code import Code, callee
from grader.judge.context import Context
from grader.judge.examine import examine, subject_of
from grader.judge.plugin import Evidence, JudgePlugin, Outcome
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.student import CheckFailed, Student, StudentError
from grader.student.outcomes import MissingName, WorkerLost

SECONDS = 10.0  # for one check's look into both models; it takes some tenths of one
_GIVES_UP = (StudentError, MissingName, CheckFailed, WorkerLost)


def diagnose(plugin: JudgePlugin, context: Context, workers: Workers) -> dict[str, Finding]:
    """The finding for each check of ``plugin`` that failed, where there is one; `Outcome.diagnosis` is set to its text.

    The student's code runs in new workers: what became of the checks is not touched.
    """
    bluntness = context.assignment.settings.diagnosis
    found: dict[str, Finding] = {}
    if bluntness == "none":
        return found
    source = Source(context.source)
    for outcome in plugin.outcomes.values():
        if outcome.evidence is None or outcome.status not in ("failed", "error"):
            continue
        finding = _look(outcome, outcome.evidence, context, workers, source)
        if finding is not None:
            found[outcome.spec.name] = finding
            outcome.diagnosis = tell(finding, bluntness)
    return found


class Source:
    """The submission's text, parsed; never run here."""

    def __init__(self, content: bytes) -> None:
        self.code: Code | None = None
        try:
            from importlib.util import decode_source

            self.code = Code(decode_source(content))
        except (SyntaxError, ValueError, RecursionError, MemoryError, UnicodeDecodeError):
            pass

    @property
    def functions(self) -> frozenset[str]:
        """What is called that the file does not define: small letters, no method of its own."""
        if self.code is None:
            return frozenset()
        calls = [call for call in self.code.calls() if not self.code.said(call.func).startswith("self.")]
        own = {node.name for node in ast.walk(self.code.tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        return frozenset(name for name in map(callee, calls) if name[:1].islower() and name not in own)


def _look(
    outcome: Outcome, evidence: Evidence, context: Context, workers: Workers, source: Source
) -> Finding | None:
    reference = context.reference
    if reference is None:
        return None
    subject = subject_of(evidence.asked, reference)
    if subject is None:
        return None
    seconds = context.assignment.settings.limits.import_seconds
    with closing(Session(workers, context.submission.files, import_seconds=seconds, watch=True)) as session:
        try:
            session.begin(SECONDS)
            return examine(subject, Student(session), reference, source.functions)
        except _GIVES_UP:
            return None
