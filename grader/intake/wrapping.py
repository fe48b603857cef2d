"""Where in what was given the class begins: in the folder itself, in a zip, or in a folder around the hand-ins."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from grader.intake import gradescope, names, zips
from grader.intake.handin import IntakeError
from grader.intake.source import NOTEBOOK, PYTHON, Wanted, load, suffix
from grader.intake.tree import Budget, Folder, Leaf, Node, RefusedError, on_disk, open_regular

MAX_WRAPPERS = 4  # folders and zips around the hand-ins
MAX_TRIED = 20  # files that are looked into to tell a class's from one student's


@dataclass(frozen=True)
class Root:
    """The entries of the class folder.

    Attributes:
        zipped: how many zips they are in.
        single: the name of the only student, where the folder is not a class's but this one's; else "".
    """

    nodes: list[Node]
    zipped: int = 0
    single: str = ""


def class_folder(path: Path, files: Sequence[Wanted], assignment: str, stack: ExitStack) -> Root:
    """What is in the folder or zip ``path``, without what only wraps the class as a whole.

    Raises:
        IntakeError: it is not there, or neither a folder nor a zip that can be read.
    """
    try:
        root, zipped = _opened(path, stack)
        nodes = list(root.children())
    except OSError as error:
        raise IntakeError(f"{path} cannot be read: {error.strerror or error}.") from None
    except RefusedError as error:
        raise IntakeError(str(error)) from None
    for _ in range(MAX_WRAPPERS):
        # A student's zip is never taken for a class's while there are others beside it: it could hold hand-ins under
        # the names of other students.
        alone = [node for node in nodes if _could_be_handin(node)]
        if len(alone) != 1:
            break
        inner = _inside(alone[0], zipped, stack)
        if inner is None or not _looks_like_class(inner, files, assignment):
            break
        zipped += isinstance(alone[0], Leaf)
        nodes = inner
    single = ""
    directly = {node.name for node in nodes if isinstance(node, Leaf)}
    expected = {name for file in files for name in (file.name, file.notebook)}
    if all(directly & {file.name, file.notebook} for file in files):
        strangers = [node for node in nodes if _could_be_handin(node) and node.name not in expected]
        single = "" if strangers else path.resolve().stem if zipped else path.resolve().name
        # (Nothing was unwrapped then: what looks like a class holds no file of that name.)
    return Root(nodes, zipped, single)


def _opened(path: Path, stack: ExitStack) -> tuple[Folder, int]:
    if not path.exists():
        raise IntakeError(f"There is no {path}. Give the folder or the zip with the class's hand-ins.")
    if path.is_dir():
        return on_disk(path, "", path.name), 0
    if not path.is_file() or not zips.is_zip(path.name):
        raise IntakeError(
            f"{path} is neither a folder nor a zip. Give the folder or the zip with the class's hand-ins."
        )
    leaf = Leaf(path.name, str(path), path.stat().st_size, 0.0, lambda: open_regular(path.resolve()), on_disk=True)
    return zips.opened(leaf, Budget(), stack, inside="", whole_class=True), 1


def _could_be_handin(node: Node) -> bool:
    if isinstance(node, Leaf):
        return suffix(node.name) in PYTHON or suffix(node.name) == NOTEBOOK or zips.is_zip(node.name)
    return isinstance(node, Folder)


def _inside(node: Node, zipped: int, stack: ExitStack) -> list[Node] | None:
    """What the one folder or zip holds; None where it is neither, or cannot be read."""
    try:
        if isinstance(node, Leaf) and zips.is_zip(node.name):
            node = zips.opened(node, Budget(), stack, zipped + 1, whole_class=True)
        return list(node.children()) if isinstance(node, Folder) else None
    except RefusedError:
        return None  # it is one student's then, whom its problem is told


def _looks_like_class(nodes: list[Node], files: Sequence[Wanted], assignment: str, folders: int = 0) -> bool:
    """Whether these, ``folders`` below what is asked about, are several students' hand-ins and not the files of one."""
    expected = {name for file in files for name in (file.name, file.notebook)}
    if any(node.name in expected or node.name == assignment for node in nodes):
        return False
    if any(node.name == gradescope.FILE for node in nodes):
        return True
    owners = [names.owner(node.name, folder=isinstance(node, Folder)) for node in nodes]
    if any(owner.key[0] != "name" for owner in owners):
        return True
    if len(nodes) == 1:
        # An export is zipped with one folder around it.
        inner = _listed(nodes[0]) if folders < MAX_WRAPPERS else []
        return bool(inner) and _looks_like_class(inner, files, assignment, folders + 1)
    zipped = [node for node in nodes if isinstance(node, Leaf) and zips.is_zip(node.name)]
    handed_in = [node for node in nodes if isinstance(node, Folder) and _holds(node, {*expected, assignment})]
    return len(zipped) + len(handed_in) > 1 or _several_solutions(nodes, files[0])


def _holds(folder: Folder, expected: set[str]) -> bool:
    """Whether ``folder`` is like a student's."""
    return any(node.name in expected for node in _listed(folder))


def _several_solutions(nodes: list[Node], file: Wanted) -> bool:
    """Whether more than one of the files defines all that one student has to."""
    complete = 0
    for node in sorted(nodes, key=lambda node: node.name)[:MAX_TRIED]:
        if isinstance(node, Leaf) and suffix(node.name) in {*PYTHON, NOTEBOOK}:
            try:
                complete += 0 < len(file.names) == load(node, 0, Budget()).rank(file)
            except Exception:
                continue  # whose it is will be told
    return complete > 1


def _listed(node: Node) -> list[Node]:
    """What a folder holds; nothing of what is none, cannot be read, or holds too much to be one student's."""
    budget, children = Budget(), []
    try:
        for child in node.children() if isinstance(node, Folder) else ():
            budget.spend_files(1, node.where)
            children.append(child)
    except RefusedError:
        return []
    return children
