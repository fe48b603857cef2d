"""Grade what is not graded yet, store each result as it comes, and make the gradebook's entries from the store."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import msgspec

from grader.assignment import Assignment
from grader.class_run import fingerprint
from grader.class_run.judging import Conditions, Graded, Task, grade_task, not_graded
from grader.class_run.store import Store, Stored
from grader.gradebook import Entry, Flag
from grader.intake import Handin
from grader.language import gettext
from grader.result import Result, Status
from grader.submission import Submission

PRELOAD = ("torchvision",)  # imported once for all where anybody names it: it takes as long as torch
ATTEMPTS = 3  # of a submission whose judge process dies
_NAMES_A_LINE = re.compile(r"\bline \d")


@dataclass
class Work:
    """One thing to compute: a submission, and the students whose result it decides."""

    submission: Submission
    content: str
    code: str
    students: list[str] = field(default_factory=list)
    old: Stored | None = None  # some of its checks are still good
    attempts: int = 0


@dataclass(frozen=True)
class Plan:
    """What a run has to do: ``works`` to compute; ``waiting`` for one of them, which may serve them too; ``done``."""

    works: list[Work]
    waiting: dict[str, list[Work]]  # by hash of the code
    done: int

    @property
    def all(self) -> list[Work]:
        """Those to compute, and after them those that wait."""
        return [*self.works, *(work for works in self.waiting.values() for work in works)]


def take_in(store: Store, handins: Iterable[Handin]) -> None:
    """Put the class into the store."""
    rows = []
    for handin in handins:
        files = {} if handin.submission is None else handin.submission.files
        rows.append((handin, fingerprint.content(files) if files else "", fingerprint.code(files) if files else ""))
    store.put_handins(rows)


def plan(store: Store, conditions: Conditions, *, force: bool = False) -> Plan:
    """What is not in the store yet, or not as the checks are now; with ``force`` everything."""
    works: dict[str, Work] = {}
    waiting: dict[str, list[Work]] = {}
    first: dict[str, str] = {}  # hash of the code: of the content that is computed for it
    done = 0
    for handin, content, code in store.handins():
        if handin.submission is None:
            done += 1
            continue
        stored = store.get(content, code)
        if stored is not None and _is_current(stored, conditions) and not force:
            done += 1
        elif content in works:
            works[content].students.append(handin.student)
        elif code in first:
            same = next((work for work in waiting.setdefault(code, []) if work.content == content), None)
            if same is None:
                same = Work(handin.submission, content, code)
                waiting[code].append(same)
            same.students.append(handin.student)
        else:
            usable = stored if stored is not None and stored.content == content else None
            if usable is not None and (force or usable.surroundings != conditions.surroundings):
                usable = None
            works[content] = Work(handin.submission, content, code, [handin.student], usable)
            first[code] = content
    return Plan(list(works.values()), waiting, done)


def _is_current(stored: Stored, conditions: Conditions) -> bool:
    return stored.surroundings == conditions.surroundings and stored.checks == conditions.checks


def compute(
    store: Store,
    chosen: Assignment,
    conditions: Conditions,
    planned: Plan,
    *,
    jobs: int,
    open_executor: Callable[[int], AbstractContextManager[tuple[Executor, int]]],
    finished: Callable[[Work, Result], None],
    log: Callable[[str], None],
) -> None:
    """Compute ``planned`` and commit each result before ``finished`` is told of it.

    Args:
        jobs: handed to ``open_executor`` (see `grader.class_run.executors`), which is opened again where it breaks.

    Raises:
        what `grade_task` raises; SchedulerError. Results so far are in the store.
    """
    preload = tuple(name for name in PRELOAD if _any_names(planned, name))
    encoded = msgspec.msgpack.encode(msgspec.structs.replace(conditions, preload=preload))
    requires = fingerprint.requirements(chosen)
    queue = deque(planned.works)
    waiting = {code: list(works) for code, works in planned.waiting.items()}

    def keep(work: Work, graded: Graded) -> None:
        result = graded.result
        shared = not _tells_lines(result)
        store.put(Stored(work.content, work.code, shared, conditions.surroundings, conditions.checks, result))
        if graded.log:
            log(graded.log)
        finished(work, result)
        for other in waiting.pop(work.code, []):
            if shared:
                finished(other, result)
            else:
                queue.append(other)

    while queue:
        # Who ends its judge is found by running alone whatever was there when a judge died more than once.
        cautious = _suspects(queue)
        with open_executor(1 if cautious else jobs) as (executor, limit):
            running: dict[Future[bytes], Work] = {}
            try:
                while running or (queue and _suspects(queue) == cautious):
                    while queue and len(running) < (1 if cautious else limit):
                        task = msgspec.msgpack.encode(_task(queue[0], conditions, requires))
                        running[executor.submit(grade_task, encoded, task)] = queue[0]
                        queue.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        graded = msgspec.msgpack.decode(future.result(), type=Graded)
                        keep(running.pop(future), graded)
            except BrokenExecutor:
                # One judge process was killed, and with it the pool. Whatever else had just been finished is kept.
                for future, work in reversed(running.items()):
                    if future.done() and not future.cancelled() and future.exception() is None:
                        keep(work, msgspec.msgpack.decode(future.result(), type=Graded))
                        continue
                    work.attempts += 1
                    if work.attempts >= ATTEMPTS and len(running) == 1:
                        said = gettext(
                            "The grader was ended {count} times while it graded this file. Tell your instructor."
                        ).format(count=ATTEMPTS)
                        keep(work, Graded(not_graded(chosen, str(work.submission.path), "crashed", said), ""))
                    else:
                        queue.appendleft(work)


def result_of(result: Result, submission: Submission, chosen: Assignment) -> Result:
    """``result`` as that of ``submission``, which has the same code as what was graded."""
    summary = msgspec.structs.replace(
        result.extra_data, submission=str(submission.path), assignment=chosen.name, title=chosen.title
    )
    return msgspec.structs.replace(result, extra_data=summary)


def _any_names(planned: Plan, name: str) -> bool:
    return any(name.encode() in content for work in planned.all for content in work.submission.files.values())


def _suspects(queue: Iterable[Work]) -> bool:
    return any(work.attempts >= ATTEMPTS - 1 for work in queue)


def _task(work: Work, conditions: Conditions, requires: dict[str, tuple[str, ...]]) -> Task:
    path = str(work.submission.path)
    if work.old is None or work.old.result.extra_data.message:  # nothing to go on from where the import failed
        return Task(path, work.submission.files)
    stale = _affected(work.old.checks, conditions.checks, requires)
    known = [test for test in work.old.result.tests if test.extra_data.check not in stale]
    return Task(path, work.submission.files, work.old.result.extra_data.seed, known)


def _affected(old: dict[str, str], new: dict[str, str], requires: dict[str, tuple[str, ...]]) -> set[str]:
    """The checks that are gone, new or changed, and all that depend on them.

    >>> sorted(_affected({"a": "1", "b": "1", "c": "1"}, {"a": "2", "b": "1", "c": "1"}, {"b": ("a",)}))
    ['a', 'b']
    """
    found = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    while True:
        more = {name for name, needed in requires.items() if found.intersection(needed)} - found
        if not more:
            return found
        found |= more


def _tells_lines(result: Result) -> bool:
    """Whether it speaks of lines of the file, which differ between files with the same code."""
    texts = [result.extra_data.message, result.extra_data.printed]
    for test in result.tests:
        texts += [test.extra_data.message, test.extra_data.actual, test.extra_data.printed]
    frames = [*result.extra_data.frames, *(frame for test in result.tests for frame in test.extra_data.frames)]
    return bool(frames) or any(_NAMES_A_LINE.search(text) for text in texts)


def entries(store: Store, chosen: Assignment) -> list[Entry]:
    """The gradebook: everyone in the store, in the order of their names.

    A student whose result is missing (the run was stopped) is left out.
    """
    found: list[Entry] = []
    by_result: dict[str, str] = {}
    for handin, content, code in store.handins():
        flags: set[Flag] = set(handin.flags)
        same_as = ""
        previous = None
        if handin.submission is None:
            status: Status = "error" if handin.attempted else "not_attempted"
            result = not_graded(chosen, "", status, handin.problem)
            flags.add("refused")
        else:
            stored = store.get(content, code)
            if stored is None:
                continue
            previous = stored.previous
            result = result_of(stored.result, handin.submission, chosen)
            same_as = by_result.setdefault(stored.content, handin.student)
            if same_as == handin.student:
                same_as = ""
            else:
                flags.add("duplicate")
        if previous is not None:
            flags.add("regraded")
        found.append(
            Entry(
                handin.student,
                result,
                tuple(sorted(flags)),
                handin.notes,
                handin.identifiers,
                previous,
                same_as,
            )
        )
    return found
