"""Imports go one way: from later rows of the table in docs/design.md to earlier ones."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| [\w ]+ \| ((?:`grader/[\w/.]+`(?:, )?)+) \|", re.MULTILINE)
TOP = {"grader": 0, "grader.__main__": 1_000}  # the version, which all may know; and what only starts the program


def table() -> dict[str, int]:
    """Module or package by its dotted name: the number of its row."""
    rows = ROW.findall((ROOT / "docs" / "design.md").read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        for path in re.findall(r"`([^`]+)`", row):
            assert (ROOT / path).exists(), f"docs/design.md names {path}, which is not there"
            found[path.removesuffix("/").removesuffix(".py").replace("/", ".")] = number
    return found


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    paths = sorted((ROOT / "grader").rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return dict(zip(names, paths, strict=True))


def imports(name: str, path: Path, all_modules: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """(line, module of grader's) for every import, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}, line {node.lineno}: a relative import"
            # `from grader import protocol` imports a module, `from grader.protocol import send` a name of one.
            names = [
                inner if (inner := f"{node.module}.{alias.name}") in all_modules else str(node.module)
                for alias in node.names
            ]
        else:
            continue
        yield from ((node.lineno, imported) for imported in names if imported.split(".")[0] == "grader")


ROWS, MODULES = table(), modules()


def row(name: str) -> int | None:
    """The row of the table that ``name`` belongs to: its own, or that of its package."""
    known = TOP | ROWS
    return next((known[part] for part in (name, name.rpartition(".")[0]) if part in known), None)


def test_every_module_has_its_row() -> None:
    assert len(ROWS) > 10
    assert [name for name in MODULES if name not in TOP and row(name) in (None, 0)] == []


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_to_earlier_rows_only(name: str) -> None:
    here = row(name)
    for line, imported in imports(name, MODULES[name], MODULES):
        there = row(imported)
        assert there is not None, f"{name}, line {line}: {imported} is not in the table"
        same_part = there == here and name.split(".")[:2] == imported.split(".")[:2]
        assert same_part or (here is not None and there < here), f"{name}, line {line} imports {imported}, a later row"


@pytest.mark.parametrize(
    ("part", "allowed"),
    [
        ("grader.worker", {"grader.worker", "grader.probes", "grader.protocol", "grader.tracing"}),
        ("grader.report", {"grader.language", "grader.result"}),
        ("grader.result", set()),
        ("grader.bootstrap", set()),
        ("grader.__main__", {"grader.cli"}),
    ],
)
def test_parts_that_know_little(part: str, allowed: set[str]) -> None:
    for name, path in MODULES.items():
        if name == part or name.startswith(f"{part}."):
            for line, imported in imports(name, path, MODULES):
                assert any(imported == one or imported.startswith(f"{one}.") for one in allowed), (
                    f"{name}, line {line} imports {imported}"
                )


def test_only_main_imports_the_command_line() -> None:
    users = {
        name
        for name, path in MODULES.items()
        for _, imported in imports(name, path, MODULES)
        if imported.split(".")[:2] == ["grader", "cli"] and name.split(".")[:2] != ["grader", "cli"]
    }
    assert users == {"grader.__main__"}


def test_the_bootstrap_needs_nothing_but_python() -> None:
    tree = ast.parse(MODULES["grader.bootstrap"].read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
