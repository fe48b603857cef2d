"""Source: what a submission may not use, read from its syntax tree (never by running it).

>>> uses("from torchvision.models import vgg16 as v", ["torchvision.models"])
[(1, 'torchvision.models')]
>>> uses("import torchvision\\nnet = torchvision.models.vgg16()", ["torchvision.models"])
[(2, 'torchvision.models')]
>>> uses("# torchvision.models is not used here", ["torchvision.models"])
[]
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from grader.judge.outcomes import CheckFailed


def expect_unused(source: str, forbidden: Iterable[str]) -> None:
    """``source`` uses none of the ``forbidden`` dotted names, under whatever alias.

    Raises:
        CheckFailed: naming the line.
    """
    for line, name in uses(source, list(forbidden)):
        raise CheckFailed(f"Line {line} uses {name}, which this assignment does not allow: write it yourself.")


def uses(source: str, forbidden: list[str]) -> list[tuple[int, str]]:
    """(line, forbidden name) for every use, in the order of the lines.

    Follows ``import a.b``, ``import a.b as c``, ``from a import b as c``, assignments of these to names, attributes,
    ``getattr`` with a literal, ``__import__``, ``import_module`` and literals in ``exec``/``eval``. Code that will not
    parse uses nothing: the import check has said so.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    aliases: dict[str, str] = {}
    found: set[tuple[int, str]] = set()

    def note(line: int, dotted: str) -> None:
        for name in forbidden:
            if dotted == name or dotted.startswith(name + "."):
                found.add((line, name))

    for node in _in_order(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                aliases[alias.asname or alias.name.split(".")[0]] = alias.name if alias.asname else alias.name.split(".")[0]
                note(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                aliases[alias.asname or alias.name] = dotted
                note(node.lineno, dotted)
                if alias.name == "*":
                    note(node.lineno, node.module)
        elif isinstance(node, ast.Assign):
            dotted = _dotted(node.value, aliases)
            for target in node.targets:
                if dotted and isinstance(target, ast.Name):
                    aliases[target.id] = dotted
        if isinstance(node, (ast.Attribute, ast.Call, ast.Name)):
            note(node.lineno, _dotted(node, aliases) or "")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("exec", "eval"):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    for _, name in uses(argument.value, forbidden):
                        note(node.lineno, name)
    return sorted(found)


def _in_order(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from _in_order(child)


def _dotted(node: ast.AST, aliases: dict[str, str]) -> str | None:
    """The dotted name that ``node`` stands for, as far as the text tells."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, aliases)
        return f"{owner}.{node.attr}" if owner else None
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        literals = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if name in ("__import__", "import_module") and literals:
            return literals[0]
        if name == "getattr" and len(node.args) >= 2 and literals:
            owner = _dotted(node.args[0], aliases)
            return f"{owner}.{literals[0]}" if owner else None
    return None
