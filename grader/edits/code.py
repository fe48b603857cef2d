"""Source text with its syntax tree: where a node stands, what it says, and what role an argument has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

# What positional arguments of torch's calls are named, as far as a course uses them (torch's own signatures).
SIGNATURES: dict[str, tuple[str, ...]] = {
    "Conv2d": ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias"),
    "Linear": ("in_features", "out_features", "bias"),
    "MaxPool2d": ("kernel_size", "stride", "padding", "dilation"),
    "AvgPool2d": ("kernel_size", "stride", "padding", "ceil_mode"),
    "AdaptiveAvgPool2d": ("output_size",),
    "BatchNorm1d": ("num_features", "eps", "momentum", "affine"),
    "BatchNorm2d": ("num_features", "eps", "momentum", "affine"),
    "Dropout": ("p", "inplace"),
    "ReLU": ("inplace",),
    "flatten": ("input", "start_dim", "end_dim"),
    "normal_": ("mean", "std"),
    "conv2d": ("input", "weight", "bias", "stride", "padding"),
    "max_pool2d": ("input", "kernel_size", "stride", "padding"),
    "dropout": ("input", "p", "training"),
}
LONGEST = 60  # characters of code quoted in a description

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Edit:
    """One change of a text: characters ``start`` to ``end`` become ``new``; ``what`` says so to a student."""

    operator: str
    line: int
    what: str
    start: int
    end: int
    new: str

    def apply(self, text: str) -> str:
        """``text`` with this change.

        >>> Edit("number", 1, "2 became 3 in line 1", 4, 5, "3").apply("x = 2")
        'x = 3'
        """
        return text[: self.start] + self.new + text[self.end :]


class Code:
    """A module's source, with what operators ask of it.

    >>> code = Code("pool = nn.MaxPool2d(2, 2)")
    >>> [code.roles[argument] for argument in ast.walk(code.tree) if argument in code.roles]
    ['kernel_size', 'stride']

    Raises:
        SyntaxError: it is not Python.
    """

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.tree = ast.parse(self.text)
        lines = self.text.encode().split(b"\n")
        self._lines = lines
        self._starts = [0, *accumulate(len(line.decode()) + 1 for line in lines)]
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.signatures = SIGNATURES | _own_signatures(self.tree)
        self.roles: dict[ast.AST, str] = {}
        for call in self.calls():
            for name, argument in zip(self.signatures.get(callee(call), ()), call.args, strict=False):
                if isinstance(argument, ast.Starred):
                    break
                self.roles[argument] = name
            self.roles.update({keyword.value: keyword.arg for keyword in call.keywords if keyword.arg})

    def calls(self) -> Iterator[ast.Call]:
        """Every call."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def functions(self) -> Iterator[Function]:
        """Every function and method."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def blocks(self) -> Iterator[list[ast.stmt]]:
        """Every list of statements."""
        for node in ast.walk(self.tree):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(node, field, None)
                if isinstance(block, list) and block:
                    yield block

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where ``node`` begins and ends, in characters."""
        found = node.lineno, node.col_offset, node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return self._offset(*found[:2]), self._offset(*found[2:])

    def said(self, node: ast.AST) -> str:
        """The source of ``node``."""
        start, end = self.span(node)
        return self.text[start:end]

    def quoted(self, node: ast.AST) -> str:
        """The source of ``node`` on one line, cut to `LONGEST` characters."""
        return short(self.said(node))

    def named(self, node: ast.AST, said: str) -> str:
        """``said``, with the name of the argument that ``node`` is: "padding=1"."""
        return f"{self.roles[node]}={said}" if node in self.roles else said

    def change(self, operator: str, node: ast.AST, new: str, what: str, last: ast.AST | None = None) -> Edit:
        """The edit that puts ``new`` in the place of ``node`` (up to ``last``); the line is added to ``what``."""
        start, end = self.span(node)
        line: int = node.lineno  # type: ignore[attr-defined]
        return Edit(operator, line, f"{what} in line {line}", start, end if last is None else self.span(last)[1], new)

    def _offset(self, line: int, column: int) -> int:
        """From ast's line and column, the latter in bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1][:column].decode())


def callee(call: ast.Call) -> str:
    """The last name of what is called: "Conv2d" of nn.Conv2d(...); "" where it has none.

    >>> callee(ast.parse("self.layer1[0](x)", mode="eval").body), callee(ast.parse("nn.ReLU()", mode="eval").body)
    ('', 'ReLU')
    """
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def short(text: str) -> str:
    """``text`` on one line of at most `LONGEST` characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def parameters(function: Function) -> list[str]:
    """The names of ``function``'s positional parameters, without self."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return [name for name in names if name not in ("self", "cls")]


def _own_signatures(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for node in tree.body:
        if isinstance(node, Function):
            found[node.name] = tuple(parameters(node))
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, Function) and method.name == "__init__":
                    found[node.name] = tuple(parameters(method))
    return found
