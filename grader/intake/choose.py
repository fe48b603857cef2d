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
        because = f" because it defines {fits}" if fits else ""
        choice.notes.append(f"{where} was taken for {file.name}{because}. Name it {file.name} next time.")
    if source.is_notebook:
        choice.flags.add("notebook")
        choice.notes.append(
            f"{where} is a notebook: its code cells, in their order and without lines for notebooks only (%, !, ?), "
            f"were graded as {file.name}."
        )
    if source.encoding:
        choice.flags.add("encoding")
        choice.notes.append(f"{where} was converted from {source.encoding}. Save it as UTF-8 next time.")


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
            raise RefusedError(f"{folder.where} is in more than {MAX_FOLDERS} folders. Hand in {self._names}.")
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
            raise RefusedError(f"{self._where} holds more than {MAX_READ} files of code. Hand in only {self._names}.")
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
            choice.notes.append(f"{chosen.leaf.where} was graded; {', '.join(deeper[:3])} was not.")
        return chosen

    def _latest(self, equal: list[Source], file: Wanted, choice: Choice) -> Source:
        different = {source.content: source for source in reversed(equal)}
        newest = sorted(different.values(), key=lambda source: (-source.leaf.modified, source.leaf.where))
        if len(newest) == 1:
            return newest[0]
        names = ", ".join(sorted(source.leaf.where for source in newest)[:5])
        if newest[0].leaf.modified - newest[1].leaf.modified < SAME_TIME:
            raise RefusedError(
                f"{self._where} holds several files that could be {file.name}: {names}. Hand in only one, named "
                f"{file.name}."
            )
        choice.notes.append(
            f"Several files could be {file.name} ({names}); {newest[0].leaf.where}, the latest, was graded."
        )
        return newest[0]

    def problem(self, file: Wanted) -> tuple[str, bool]:
        """(why there is nothing to grade as ``file``, whether anything was handed in)."""
        filled = [one.leaf.where for one in self._code if (source := self._read.get(one)) and not source.blank]
        there = ", ".join((filled or [leaf.where for leaf in self._other])[:3])
        empty = ", ".join([*(one.leaf.where for one in self._code), *(leaf.where for leaf in self._blank)][:3])
        fits = f" that defines {', '.join(sorted(file.names))}" if file.names else ""
        attempted = True
        if self._elsewhere:
            said, attempted = f"{self._where} holds nothing for {self._assignment.name}, only {there}.", False
        elif filled:
            said = f"{self._where} holds no {file.name}, and no file{fits}, only {there}."
        elif empty:
            said, attempted = f"{empty} is empty.", bool(self._other)
        elif there == self._where:
            said = f"{there} is no Python file, notebook or zip."
        elif self._other:
            said = f"{self._where} holds no Python file, only {there}."
        else:
            said, attempted = f"Nothing was handed in: {self._where} is empty.", False
        if not self.refusals:
            return f"{said} Hand in {file.name}.", attempted
        return " ".join([*self.refusals, *([said] if filled else []), f"Hand in {file.name}."]), True
