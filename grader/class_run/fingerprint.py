"""What a stored result depends on, as hashes: the submission's code, each check, and what all checks share."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import grader
from grader import language
from grader.assignment import Assignment

# Parts of this package whose change may change a verdict. Reports and the command line do not.
_VERDICTS = (
    "checks",
    "diagnosis",
    "edits",
    "judge",
    "language.py",
    "student",
    "worker",
    "datasets.py",
    "probes.py",
    "protocol.py",
    "sequential.py",
    "tracing.py",
)


def content(files: Mapping[str, bytes]) -> str:
    """The hash of the files' names and bytes."""
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def code(files: Mapping[str, bytes]) -> str:
    """The hash of what Python makes of the files: the same for files that differ in comments and formatting only.

    >>> code({"a.py": b"x = 1  # one"}) == code({"a.py": b"x=1"})
    True
    >>> code({"a.py": b"x = 1"}) == code({"a.py": b"x = 2"})
    False
    """
    try:
        trees = {name: ast.dump(ast.parse(data)) for name, data in files.items()}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return content(files)
    return content({name: tree.encode("utf-8", "surrogatepass") for name, tree in trees.items()})


def checks(assignment: Assignment) -> dict[str, str]:
    """For each check, the hash of what only it and its file's helpers say: changed, it has to be run again."""
    found: dict[str, str] = {}
    for folder in assignment.check_folders:
        paths = sorted(folder.glob("**/*.py"))
        helpers = {
            str(path.relative_to(folder)): path.read_bytes() for path in paths if not path.name.startswith("test_")
        }
        for path in paths:
            if path.name.startswith("test_"):
                tree = ast.parse(path.read_bytes())
                tests = [
                    node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
                ]
                rest = ast.dump(ast.Module([node for node in tree.body if node not in tests], []))
                shared = content({**helpers, path.name: rest.encode()})
                for node in tests:
                    key = hashlib.sha256(f"{shared}{ast.dump(node)}".encode()).hexdigest()
                    found[node.name.removeprefix("test_")] = key
    return found


def requirements(assignment: Assignment) -> dict[str, tuple[str, ...]]:
    """For each check, what it requires to pass first; all other checks where the text does not say it plainly."""
    found: dict[str, tuple[str, ...]] = {}
    for folder in assignment.check_folders:
        for path in sorted(folder.glob("**/test_*.py")):
            for node in ast.parse(path.read_bytes()).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    found[node.name.removeprefix("test_")] = _required(node)
    return {name: tuple(found) if needed is _ANY else needed for name, needed in found.items()}


_ANY = ("",)


def _required(node: ast.FunctionDef) -> tuple[str, ...]:
    for decorator in node.decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else []:
            if keyword.arg == "requires":
                try:
                    return tuple(map(str, ast.literal_eval(keyword.value)))
                except (ValueError, TypeError):
                    return _ANY
    return ()


def surroundings(assignment: Assignment, data: str, exact: bool) -> str:
    """The hash of what every result depends on beside submission and checks: data, checkpoint, solution, grader.

    And the language that it speaks, with the catalogues of that language.
    """
    spoken = language.current()
    digest = hashlib.sha256(f"{data}\0{exact}\0{grader.__version__}\0{spoken}\0".encode())
    paths = [assignment.folder / "assignment.toml"]
    if assignment.checkpoint_path is not None:
        paths.append(assignment.checkpoint_path)
    if assignment.secret is not None:
        paths += [assignment.secret / name for name in assignment.settings.files]
    if spoken != "en":
        folders = (assignment.folder, assignment.secret)
        paths += [language.catalogue(each, language.CHECKS_DOMAIN, spoken) for each in folders if each is not None]
        paths.append(language.catalogue(Path(grader.__file__).parent, language.DOMAIN, spoken))
    digest.update(_files(paths))
    digest.update(_own())
    return digest.hexdigest()


@cache
def _own() -> bytes:
    """Of this package as this process first saw it: what is changed on disk later is not what runs here."""
    package = Path(grader.__file__).parent
    paths: list[Path] = []
    for name in _VERDICTS:
        part = package / name
        paths += sorted(part.rglob("*.py")) if part.is_dir() else [part]
    return _files(paths)


def _files(paths: Iterable[Path]) -> bytes:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"missing")
    return digest.digest()
