"""From a class's folder or zip to one hand-in per student."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.assignment import Assignment
from grader.gradebook import Flag
from grader.intake import canvas, gradescope, names
from grader.intake.choose import Choice, choose
from grader.intake.handin import Handin, IntakeError
from grader.intake.source import NOTEBOOK, PYTHON, Wanted, suffix, wanted
from grader.intake.tree import Budget, Folder, Leaf, Node, RefusedError, on_disk, read, reason
from grader.intake.wrapping import Root, class_folder
from grader.language import gettext

# Beside hand-ins: rosters, grades, what a bulk download adds. Not of a student, unless an LMS's name says so.
_OF_THE_CLASS = {".csv", ".tsv", ".xls", ".xlsx", ".ods", ".yml", ".yaml", ".toml", ".md", ".log"}


@dataclass
class _Attempt:
    """What one student handed in at one time."""

    nodes: list[Node] = field(default_factory=list)
    when: float | None = None
    created: str = ""

    @property
    def where(self) -> str:
        return ", ".join(node.where for node in self.nodes[:3])


@dataclass
class _Student:
    """One student, and all that this student handed in."""

    key: tuple[str, str]
    raw: str
    identifiers: dict[str, str]
    attempts: dict[str, _Attempt] = field(default_factory=lambda: defaultdict(_Attempt))
    flags: set[Flag] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    name: str = ""


def collect(path: Path, assignment: Assignment) -> list[Handin]:
    """One hand-in per student of the class whose hand-ins are in the folder or zip ``path``, sorted by student.

    Raises:
        IntakeError: there is no such folder, it cannot be read, or it holds no hand-ins.
    """
    files = wanted(assignment)
    with ExitStack() as stack:
        root = class_folder(path.expanduser(), files, assignment.name, stack)
        students = list(_students(root, files))
        if not students:
            raise IntakeError(
                f"There are no hand-ins in {path}. Give the folder that holds one folder, one .py, .ipynb or .zip file "
                "for each student, or an LMS's bulk download."
            )
        _name(students)
        handins = [_handin(student, assignment, files, root.zipped) for student in students]
    return sorted(handins, key=lambda handin: handin.student)


def collect_named(folders: Mapping[str, Path], assignment: Assignment) -> list[Handin]:
    """One hand-in for each student in ``folders`` (name: the folder with all that this student handed in), sorted.

    The names are taken as they are, as those of an nbgrader course, where collecting has already found them out.
    """
    files = wanted(assignment)
    students = []
    for name, folder in sorted(folders.items()):
        student = _Student(("name", name), name, {}, name=name)
        student.attempts[""].nodes = [on_disk(folder, name, name)]
        students.append(student)
    return [_handin(student, assignment, files, zipped=0) for student in students]


def _students(root: Root, files: Sequence[Wanted]) -> Iterator[_Student]:
    """Who handed in, each with all that carries their name; in an order that does not depend on the file system's."""
    if root.single:
        alone = _Student(("name", root.single), root.single, {})
        alone.attempts[""].nodes = list(root.nodes)
        yield alone
        return
    records, complaint = _records(root.nodes)
    found: dict[tuple[str, str], _Student] = {}
    entries: dict[tuple[str, str], list[tuple[names.Owner, Node]]] = defaultdict(list)
    for node in sorted(root.nodes, key=lambda node: (node.name, type(node).__name__)):
        if number := gradescope.FOLDER.fullmatch(node.name):
            for student, created in _submitters(node, number[1], records.get(number[1]), complaint):
                known = found.setdefault(student.key, student)
                known.attempts[node.name] = _Attempt([node], created=created)
            continue
        owner = names.owner(node.name, folder=isinstance(node, Folder))
        if owner.key[0] != "name" or not _of_the_class(node, files):
            entries[owner.key].append((owner, node))
    for key, owned in entries.items():
        first = owned[0][0]
        student = found[key] = _Student(key, first.name, first.identifiers)
        if any(owner.late for owner, _ in owned):
            student.flags.add("late")
            student.notes.append(gettext("Canvas marks this hand-in as late."))
        if key[0] == "canvas":
            expected = {name for file in files for name in (file.name, file.notebook)}
            owned, resubmitted = canvas.latest(owned, expected)
            student.flags.update(["resubmitted"] if resubmitted else [])
            student.notes += resubmitted
        for owner, node in owned:
            attempt = student.attempts[owner.attempt]
            attempt.when = owner.when
            if isinstance(node, Leaf):
                node = replace(node, name=_called(node, owner, files))
            attempt.nodes.append(node)
    yield from found.values()


def _of_the_class(node: Node, files: Sequence[Wanted]) -> bool:
    """Whether ``node`` is no student's: a roster, the LMS's index, the handout itself."""
    if not isinstance(node, Leaf):
        return False
    if suffix(node.name) in _OF_THE_CLASS or node.name.casefold() == "index.html":
        return True
    handout = next((file.stub for file in files if file.name == node.name), None)
    if handout is None or node.size != len(handout):
        return False
    try:
        return read(node, len(handout), Budget()) == handout
    except RefusedError:
        return False


def _called(leaf: Leaf, owner: names.Owner, files: Sequence[Wanted]) -> str:
    """What to take the name of ``leaf`` for: of ``alice.py`` that of the file asked for, since alice is the student."""
    if owner.file:
        return owner.file
    if len(files) == 1 and owner.key[0] == "name":
        kind = suffix(leaf.name)
        if kind in PYTHON:
            return files[0].name
        if kind == NOTEBOOK:
            return files[0].notebook
    return leaf.name


def _records(nodes: Sequence[Node]) -> tuple[dict[str, gradescope.Record], str]:
    """What Gradescope's metadata says, and what is to be said where it says nothing."""
    for node in nodes:
        if isinstance(node, Leaf) and node.name == gradescope.FILE:
            try:
                text = read(node, gradescope.MAX_SIZE, Budget()).decode("utf-8-sig", "replace")
            except RefusedError as error:
                return {}, str(error)
            return gradescope.parse(text), gettext("{file} does not name who handed this in.").format(
                file=gradescope.FILE
            )
    return {}, gettext("There is no {file} that names who handed this in.").format(file=gradescope.FILE)


def _submitters(
    node: Node, number: str, record: gradescope.Record | None, complaint: str
) -> Iterator[tuple[_Student, str]]:
    """Who handed in one folder of Gradescope's export: each member of a group has a hand-in of their own."""
    identifiers = {"gradescope_id": number}
    if record is None or not record.submitters:
        yield _Student(("gradescope", node.name), node.name, identifiers, notes=[complaint]), ""
        return
    for person in record.submitters:
        known = {**identifiers, **({"email": names.tidy(person.email)} if person.email else {})}
        key = person.email or person.sid or f"{number} {person.name}"
        yield _Student(("gradescope", key), person.name or person.email or person.sid, known), record.created


def _name(students: list[_Student]) -> None:
    """Give everyone a name of their own; who shares one with others gets the LMS's number or a count added."""
    students.sort(key=lambda student: (student.raw, student.key))
    sharing: dict[str, list[_Student]] = defaultdict(list)
    for student in students:
        sharing[names.student(student.raw)].append(student)
    used = set(sharing)
    for name, several in sorted(sharing.items()):
        several.sort(key=lambda student: student.key[0] != "name")  # a plain name stays as it is
        for number, student in enumerate(several):
            student.name = name
            if len(several) == 1:
                continue
            identifier = next((value for key, value in sorted(student.identifiers.items()) if key.endswith("_id")), "")
            candidates = [f"{name} ({identifier})"] if identifier else [name] if number == 0 else []
            candidates += [f"{name} ({count})" for count in range(2, len(students) + 3)]
            student.name = next(one for one in candidates if one not in used or (one == name and number == 0))
            used.add(student.name)
            student.notes.append(
                gettext(
                    "{count} students are called {name} in this upload; they are kept apart, and this "
                    "one is listed as {listed}."
                ).format(count=len(several), name=name, listed=student.name)
            )


def _handin(student: _Student, assignment: Assignment, files: Sequence[Wanted], zipped: int) -> Handin:
    """The latest attempt of ``student`` that can be graded; else what is wrong with the latest."""
    with ExitStack() as stack:
        ordered = sorted(student.attempts.values(), key=_order, reverse=True)
        choices: list[tuple[_Attempt, Choice]] = []
        for attempt in ordered:
            choices.append((attempt, _choice(attempt, assignment, files, stack, zipped)))
            if choices[-1][1].submission is not None:
                break
        attempt, choice = choices[-1] if choices[-1][1].submission is not None else choices[0]
        flags, notes = student.flags | choice.flags, [*student.notes, *choice.notes]
        if len(ordered) > 1:
            flags.add("resubmitted")
            every = ", ".join(sorted(one.where for one in ordered)[:5])
            if attempt is ordered[0]:
                said = gettext("There is more than one hand-in ({every}); {where}, the latest, counts.")
            else:
                said = gettext(
                    "There is more than one hand-in ({every}); {where}, the latest that can be graded, counts."
                )
            notes.append(said.format(every=every, where=attempt.where))
    return Handin(
        student.name,
        choice.submission,
        choice.problem,
        any(choice.attempted for _, choice in choices),
        tuple(sorted(flags)),
        tuple(notes),
        dict(sorted(student.identifiers.items())),
    )


def _choice(
    attempt: _Attempt, assignment: Assignment, files: Sequence[Wanted], stack: ExitStack, zipped: int
) -> Choice:
    try:
        return choose(attempt.nodes, attempt.where, assignment, files, stack, zipped)
    except Exception as error:
        # What is handed in may be made to break this program. It stops one hand-in, not the class.
        sentence = gettext("{where} cannot be read ({reason}). Hand in {name} by itself.").format(
            where=attempt.where, reason=reason(error), name=files[0].name
        )
        return Choice(problem=sentence, flags={"refused"})


def _order(attempt: _Attempt) -> tuple[float, str, float, str]:
    """Later is greater: by what the LMS says, else by the time of the latest file, else by name."""
    return attempt.when or 0.0, attempt.created, max(map(_modified, attempt.nodes), default=0.0), attempt.where


def _modified(node: Node) -> float:
    """When ``node`` was changed last; of a folder, the latest of its files, zips not looked into."""
    budget, latest, waiting = Budget(), 0.0, [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf):
            latest = max(latest, node.modified)
        elif isinstance(node, Folder):
            try:
                for child in node.children():
                    budget.spend_files(1, node.where)
                    waiting.append(child)
            except RefusedError:
                continue
    return latest
