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

from grader.language import gettext
from grader.student import CheckFailed


def expect_unused(source: str | bytes, forbidden: Iterable[str]) -> None:
    """``source`` uses none of the ``forbidden`` dotted names, under whatever alias.

    Raises:
        CheckFailed: naming the line.
    """
    for line, name in uses(source, list(forbidden)):
        raise CheckFailed(
            gettext("Line {line} uses {name}, which this assignment does not allow: write it yourself.").format(
                line=line, name=name
            )
        )


def uses(source: str | bytes, forbidden: list[str]) -> list[tuple[int, str]]:
    """(line, forbidden name) for every use, in the order of the lines.

    Follows ``import a.b``, ``import a.b as c``, ``from a import b as c``, ``from a import *``, assignments of these to
    names, attributes, ``getattr`` with a literal, ``__import__``, ``import_module`` and literals in ``exec``/``eval``.
    Code that will not parse uses nothing: the import check has said so.
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

    for node in [*_in_order(tree)] * 2:  # twice: a function may use what is imported below it
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                aliases[alias.asname or top] = alias.name if alias.asname else top
                note(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                note(node.lineno, f"{node.module}.{alias.name}")
                if alias.name == "*":
                    note(node.lineno, node.module)
                    inner = [name[len(node.module) + 1 :] for name in forbidden if name.startswith(f"{node.module}.")]
                    aliases |= {name.split(".")[0]: f"{node.module}.{name.split('.')[0]}" for name in inner}
        elif isinstance(node, ast.Assign):
            dotted = _dotted(node.value, aliases)
            for name in [target.id for target in node.targets if isinstance(target, ast.Name)]:
                aliases.pop(name, None)
                if dotted:
                    aliases[name] = dotted
        if isinstance(node, (ast.Attribute, ast.Call, ast.Name)):
            note(node.lineno, _dotted(node, aliases) or "")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("exec", "eval"):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    for _, name in uses(argument.value, forbidden):
                        note(node.lineno, name)
    return sorted(found)


def _in_order(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]  # a long sum is nested more deeply than Python recurses
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed([*ast.iter_child_nodes(node)]))


def _dotted(node: ast.AST, aliases: dict[str, str]) -> str | None:
    """The dotted name that ``node`` stands for, as far as the text tells."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    owner = None
    if isinstance(node, ast.Name):
        owner = aliases.get(node.id)
    elif isinstance(node, ast.Call):
        function = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if function in ("__import__", "import_module"):
            given = [_literal(value) for value in (*node.args, *(keyword.value for keyword in node.keywords))]
            name, package = (*filter(None, given), "", "")[:2]
            owner = f"{package}{name}" if name.startswith(".") else name
        elif function == "getattr" and len(node.args) >= 2:
            inner, name = _dotted(node.args[0], aliases), _literal(node.args[1])
            owner = f"{inner}.{name}" if inner and name else None
    return ".".join([owner, *attributes]) if owner else None


def _literal(node: ast.AST) -> str:
    """The text of a string literal; "" of anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
