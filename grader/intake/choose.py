"""Which of the things that a student handed in at one time are the files that the assignment asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from grader.assignment import Assignment
from grader.gradebook import Flag
from grader.intake import zips
from grader.intake.source import DISGUISED, NOTEBOOK, PYTHON, Source, Wanted, load, suffix
from grader.intake.tree import MAX_FOLDERS, Budget, Folder, Leaf, Node, Refusal, RefusedError
from grader.language import gettext
from grader.submission import MAX_FILE, Submission

MAX_READ = 500  # files that are looked into
MAX_TOLD = 3  # refusals
SAME_TIME = 2.0  # seconds; zips tell the time no finer
_LEFT_BY_NBGRADER = {"timestamp.txt", "submission_secret.txt"}


@dataclass
class Choice:
    """What became of one attempt of a student's; as in Handin."""

    submission: Submission | None = None
    problem: str = ""
    attempted: bool = True
    flags: set[Flag] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    leaf: Leaf
    folders: tuple[str, ...]  # those it is in, below the student's own


def choose(
    nodes: Sequence[Node],
    where: str,
    assignment: Assignment,
    files: Sequence[Wanted],
    stack: ExitStack,
    zipped: int = 0,
) -> Choice:
    """Choose from ``nodes`` what can be graded.

    Args:
        where: what to call the whole of it.
        stack: closes what is opened here.
        zipped: how many zips ``nodes`` are in.
    """
    search = _Search(where, assignment, Budget())
    search.walk(nodes, stack, zipped)
    search.keep_to_assignment()
    choice = Choice()
    chosen: dict[str, Source] = {}
    try:
        for file in files:
            taken = {other.name for other in files if other != file}
            source = search.source(file, taken, choice)
            if source is None:
                choice.problem, choice.attempted = search.problem(file)
                break
            chosen[file.name] = source
    except RefusedError as error:
        choice.problem = str(error)
    if search.refusals:
        choice.flags.add("refused")
    if choice.problem:
        return choice
    for file in files:
        _tell(chosen[file.name], file, choice)
    choice.notes += search.refusals
    first = chosen[files[0].name]
    choice.submission = Submission(Path(first.leaf.where), {file.name: chosen[file.name].content for file in files})
    return choice


def _tell(source: Source, file: Wanted, choice: Choice) -> None:
    """Add what is to be said of a file that was chosen."""
    name, where = source.leaf.name, source.leaf.where
    if name not in (file.name, file.notebook):
        choice.flags.add("renamed")
        fits = ", ".join(sorted(source.defined & file.names))
        if fits:
            said = gettext("{where} was taken for {name} because it defines {fits}. Name it {name} next time.")
        else:
            said = gettext("{where} was taken for {name}. Name it {name} next time.")
        choice.notes.append(said.format(where=where, name=file.name, fits=fits))
    if source.is_notebook:
        choice.flags.add("notebook")
        choice.notes.append(
            gettext(
                "{where} is a notebook: its code cells, in their order and without lines for "
                "notebooks only (%, !, ?), were graded as {name}."
            ).format(where=where, name=file.name)
        )
    if source.encoding:
        choice.flags.add("encoding")
        choice.notes.append(
            gettext("{where} was converted from {encoding}. Save it as UTF-8 next time.").format(
                where=where, encoding=source.encoding
            )
        )


class _Search:
    """All files of one attempt, and which of them fits."""

    def __init__(self, where: str, assignment: Assignment, budget: Budget) -> None:
        self._refused: dict[str, None] = {}  # in order, each once
        self._where, self._assignment, self._budget = where, assignment, budget
        self._code: list[_Found] = []
        self._other: list[Leaf] = []
        self._blank: list[Leaf] = []
        self._elsewhere = False  # all the code is in folders of other assignments
        self._read: dict[_Found, Source | None] = {}

    def walk(self, nodes: Sequence[Node], stack: ExitStack, zipped: int) -> None:
        """Take in all that ``nodes`` hold, zips too.

        What is nearest comes first and the rest by name, so that it does not depend on the order of the file system
        what is still read where there is too much.
        """
        waiting: deque[tuple[Node, tuple[str, ...] | None, int]] = deque((node, None, zipped) for node in nodes)
        while waiting:
            node, folders, zips_around = waiting.popleft()
            try:
                if isinstance(node, Leaf) and node.size and zips.is_zip(node.name):
                    zips_around += 1
                    node = zips.opened(node, self._budget, stack, zips_around)
                if isinstance(node, Folder):
                    inner = () if folders is None else (*folders, node.name)
                    waiting.extend((child, inner, zips_around) for child in self._children(node, len(inner)))
                elif isinstance(node, Refusal):
                    self._refuse(node.problem)
                elif node.name not in _LEFT_BY_NBGRADER:
                    self._take(node, folders or ())
            except RefusedError as error:
                self._refuse(str(error))
        self._code.sort(key=lambda found: (found.leaf.where, found.leaf.name))

    def _children(self, folder: Folder, depth: int) -> list[Node]:
        if depth > MAX_FOLDERS:
            raise RefusedError(
                gettext("{where} is in more than {most} folders. Hand in {names}.").format(
                    where=folder.where, most=MAX_FOLDERS, names=self._names
                )
            )
        children = []
        for child in folder.children():
            self._budget.spend_files(not folder.counted, self._where)
            children.append(child)
        return sorted(children, key=lambda child: (child.name, type(child).__name__))

    def _refuse(self, sentence: str) -> None:
        self._refused.setdefault(sentence)

    @property
    def refusals(self) -> list[str]:
        """What was not read, and why: the first few."""
        return list(islice(self._refused, MAX_TOLD))

    @property
    def _names(self) -> str:
        return ", ".join(self._assignment.settings.files)

    def _take(self, leaf: Leaf, folders: tuple[str, ...]) -> None:
        called = suffix(leaf.name)
        parent = suffix(folders[-1]) if folders else ""
        if called == "" and parent in (".py", NOTEBOOK):
            # A folder named like the file, with the file in it.
            leaf, called = replace(leaf, name=leaf.name + parent), parent
        if leaf.size == 0:
            self._blank.append(leaf)
        elif called in PYTHON or called == NOTEBOOK or (called in DISGUISED and leaf.size <= MAX_FILE):
            self._code.append(_Found(leaf, folders))
        else:
            self._other.append(leaf)

    def keep_to_assignment(self) -> None:
        """Where there are folders named after assignments (nbgrader's form), keep to the one of this assignment."""
        others = {path.parent.name for path in self._assignment.folder.parent.glob("*/assignment.toml")}
        others.discard(self._assignment.name)
        own = [found for found in self._code if not others.intersection(found.folders)]
        self._elsewhere = bool(self._code) and not own
        inside = [found for found in own if self._assignment.name in found.folders]
        outside = {found.leaf.name for found in own if self._assignment.name not in found.folders}
        if inside and not outside.intersection(self._assignment.settings.files):
            own = inside
        self._code = own or self._code

    def source(self, file: Wanted, taken: set[str], choice: Choice) -> Source | None:
        """What is to be graded as ``file``; None where nothing is.

        The file of that name is taken if it defines any of the names it has to. Else what defines most of them is; of
        equals a .py file rather than a notebook. Else, so that its author reads what is wrong with it, the file of that
        name, whatever is in it.

        Raises:
            RefusedError: several files could be meant.
        """
        named = self._load([found for found in self._code if found.leaf.name == file.name])
        if fitting := [source for source in named if source.rank(file)]:
            return self._shallowest(fitting, file, choice)
        others = self._load([found for found in self._code if found.leaf.name not in taken])
        if ranked := [source for source in others if source.rank(file)]:
            best = max(source.rank(file) for source in ranked)
            equal = [source for source in ranked if source.rank(file) == best]
            equal = [source for source in equal if not source.is_notebook] or equal
            equal = [source for source in equal if source.leaf.name == file.notebook] or equal
            return self._latest(equal, file, choice)
        stubs = [source for source in others if source.is_stub(file)]
        notebooks = [source for source in others if source.leaf.name == file.notebook]
        for candidates in (named, notebooks, stubs):
            if filled := [source for source in candidates if not source.blank]:
                return self._shallowest(filled, file, choice)
        return None

    def _load(self, found: list[_Found]) -> list[Source]:
        if len(found) > MAX_READ:
            raise RefusedError(
                gettext("{where} holds more than {most} files of code. Hand in only {names}.").format(
                    where=self._where, most=MAX_READ, names=self._names
                )
            )
        sources = []
        for one in found:
            if one not in self._read:
                try:
                    self._read[one] = load(one.leaf, len(one.folders), self._budget)
                except RefusedError as error:
                    self._read[one] = None
                    if suffix(one.leaf.name) not in DISGUISED:
                        self._refuse(str(error))
            if source := self._read[one]:
                sources.append(source)
        return sources

    def _shallowest(self, sources: list[Source], file: Wanted, choice: Choice) -> Source:
        least = min(source.folders for source in sources)
        chosen = self._latest([source for source in sources if source.folders == least], file, choice)
        if deeper := [source.leaf.where for source in sources if source.folders > least]:
            choice.notes.append(
                gettext("{where} was graded; {others} was not.").format(
                    where=chosen.leaf.where, others=", ".join(deeper[:3])
                )
            )
        return chosen

    def _latest(self, equal: list[Source], file: Wanted, choice: Choice) -> Source:
        different = {source.content: source for source in reversed(equal)}
        newest = sorted(different.values(), key=lambda source: (-source.leaf.modified, source.leaf.where))
        if len(newest) == 1:
            return newest[0]
        names = ", ".join(sorted(source.leaf.where for source in newest)[:5])
        if newest[0].leaf.modified - newest[1].leaf.modified < SAME_TIME:
            raise RefusedError(
                gettext(
                    "{where} holds several files that could be {name}: {names}. Hand in only one, named {name}."
                ).format(where=self._where, name=file.name, names=names)
            )
        choice.notes.append(
            gettext("Several files could be {name} ({names}); {where}, the latest, was graded.").format(
                name=file.name, names=names, where=newest[0].leaf.where
            )
        )
        return newest[0]

    def problem(self, file: Wanted) -> tuple[str, bool]:
        """(why there is nothing to grade as ``file``, whether anything was handed in)."""
        filled = [one.leaf.where for one in self._code if (source := self._read.get(one)) and not source.blank]
        there = ", ".join((filled or [leaf.where for leaf in self._other])[:3])
        empty = ", ".join([*(one.leaf.where for one in self._code), *(leaf.where for leaf in self._blank)][:3])
        attempted = True
        if self._elsewhere:
            said, attempted = (
                gettext("{where} holds nothing for {name}, only {there}.").format(
                    where=self._where, name=self._assignment.name, there=there
                ),
                False,
            )
        elif filled and file.names:
            said = gettext("{where} holds no {name}, and no file that defines {fits}, only {there}.").format(
                where=self._where, name=file.name, fits=", ".join(sorted(file.names)), there=there
            )
        elif filled:
            said = gettext("{where} holds no {name}, and no file, only {there}.").format(
                where=self._where, name=file.name, there=there
            )
        elif empty:
            said, attempted = gettext("{empty} is empty.").format(empty=empty), bool(self._other)
        elif there == self._where:
            said = gettext("{there} is no Python file, notebook or zip.").format(there=there)
        elif self._other:
            said = gettext("{where} holds no Python file, only {there}.").format(where=self._where, there=there)
        else:
            said, attempted = gettext("Nothing was handed in: {where} is empty.").format(where=self._where), False
        remedy = gettext("Hand in {name}.").format(name=file.name)
        if not self.refusals:
            return f"{said} {remedy}", attempted
        return " ".join([*self.refusals, *([said] if filled else []), remedy]), True
