"""Edits that may undo a mistake: the operators of `grader.edits.operators`, and those of them that run backwards.

Most operators are their own inverse (numbers, order, what is left out); the others have theirs here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import Any

from grader.edits import operators
from grader.edits.code import Code, Edit, callee, short
from grader.edits.operators import Edits


def set_value(code: Code, lines: tuple[int, ...], kind: str, name: str, actual: Any, expected: Any) -> Edits:
    """Give argument ``name`` of a layer of ``kind`` the value ``expected``: where it is written, innermost line first.

    >>> code = Code("pool = nn.MaxPool2d(2, padding=1)")
    >>> [edit.apply(code.text) for edit in set_value(code, (1,), "MaxPool2d", "padding", 1, 0)]
    ['pool = nn.MaxPool2d(2, padding=0)']
    """
    actual, expected = _scalar(actual), _scalar(expected)
    if expected is None or not isinstance(expected, (bool, int, float, str, list)):
        return
    new = repr(tuple(expected) if isinstance(expected, list) else expected)
    near = [[node for node in ast.walk(code.tree) if getattr(node, "lineno", 0) == line] for line in reversed(lines)]
    here = list(dict.fromkeys(node for each in near for node in each))
    for certain in (True, False):
        for node in here:
            if (code.roles.get(node) == name) is not certain or not isinstance(node, ast.Constant):
                continue
            if type(node.value) is type(actual) and node.value == actual:
                what = f"{code.named(node, new)} instead of {code.named(node, repr(node.value))}"
                yield code.change("value", node, new, what)
    for call in here:
        if not isinstance(call, ast.Call) or callee(call) != kind:
            continue
        given = [*call.args, *(each.value for each in call.keywords)]
        known = [argument for argument in given if code.roles.get(argument) == name]
        if not known:
            _, end = code.span(call)
            what = f"{kind} with {name}={new} in line {call.lineno}"
            yield Edit("value", call.lineno, what, end - 1, end, f", {name}={new})" if given else f"{name}={new})")
        elif not isinstance(known[0], ast.Constant):
            yield code.change("value", known[0], new, f"{name}={new} instead of {name}={code.quoted(known[0])}")


def _scalar(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value and all(item == value[0] for item in value) else value


def small_numbers(code: Code) -> Edits:
    """Any small number for one that decides the size of an image."""
    for node, role in code.roles.items():
        value = getattr(node, "value", None)
        if role in ("padding", "stride", "kernel_size", "dilation") and type(value) is int:
            for other in range(8):
                if other != value:
                    old, new = code.named(node, str(value)), code.named(node, str(other))
                    yield code.change("number", node, str(other), f"{new} instead of {old}")


def right_layers(code: Code) -> Edits:
    """The layer that another one is mistaken for; a function likewise."""
    for call in code.calls():
        name = callee(call)
        for right, others in operators.LAYERS.items():
            if name in {other.partition("(")[0] for other in others} and name != "Identity":
                head = code.said(call.func).removesuffix(name)
                rest = code.said(call).removeprefix(code.said(call.func))
                for new in dict.fromkeys((f"{head}{right}{rest}", f"{head}{right}()")):
                    yield code.change("layer", call, new, f"{right} instead of {name}")
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            for right, others in operators.FUNCTIONS.items():
                if node.attr in others and right not in operators.FUNCTIONS.get(node.attr, ()):
                    new = f"{code.said(node.value)}.{right}"
                    yield code.change("function", node, new, f"{short(new)} instead of {code.quoted(node)}")


def unwrapped(code: Code) -> Edits:
    """A call left out whose first argument, or whose object, takes its place."""
    for call in code.calls():
        if callee(call) == "super" or callee(call)[:1].isupper():
            continue
        inner: list[ast.expr] = []
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(owner, (ast.Call, ast.Name, ast.BinOp)) and code.said(owner) not in _LIBRARIES:
            inner.append(owner)
        if call.args and not isinstance(call.args[0], (ast.Constant, ast.Starred)):
            inner.append(call.args[0])
        for node in inner:
            what = f"{code.quoted(node)} instead of {code.quoted(call)}"
            yield code.change("left out", call, f"({code.said(node)})", what)


def one_sided(code: Code) -> Edits:
    """One side of an arithmetic expression instead of the whole; a sum where there is something else."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.BinOp):
            for side in (node.left, node.right):
                what = f"{code.quoted(side)} instead of {code.quoted(node)}"
                yield code.change("one side", node, f"({code.said(side)})", what)
            new = f"{code.said(node.left)} + {code.said(node.right)}"
            if not isinstance(node.op, ast.Add):
                yield code.change("sum", node, f"({new})", f"{short(new)} instead of {code.quoted(node)}")


def undecorated(code: Code) -> Edits:
    """A function without its decorator."""
    for function in code.functions():
        for decorator in function.decorator_list:
            start, end = code.span(decorator)
            said = code.quoted(decorator)
            what = f"{function.name} without @{said} in line {decorator.lineno}"
            yield Edit("decorator", decorator.lineno, what, start - 1, end, "")


def beginnings(code: Code) -> Edits:
    """super().__init__() at the beginning of __init__, where it is missing or too late."""
    for owner in (node for node in ast.walk(code.tree) if isinstance(node, ast.ClassDef) and node.bases):
        for method in owner.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                first = method.body[0]
                start, _ = code.span(first)
                what = f"super().__init__() at the beginning of {owner.name}.__init__ (line {first.lineno})"
                new = "super().__init__()\n" + " " * first.col_offset
                yield Edit("super", first.lineno, what, start, start, new)


_LIBRARIES = ("self", "torch", "F", "nn", "np")
_BACKWARDS: tuple[Callable[[Code], Edits], ...] = (
    beginnings,
    undecorated,
    right_layers,
    unwrapped,
    one_sided,
    small_numbers,
)
_SELDOM = (operators.arguments, operators.names, operators.forwards, operators.default_values)


def repairs(code: Code, lines: Collection[int]) -> Iterator[Edit]:
    """Edits of ``lines`` that leave the source Python, those first that undo the most common mistakes."""
    usual = [operator for operator in operators.OPERATORS if operator not in _SELDOM]
    seen = {code.text}
    for edit in chain.from_iterable(operator(code) for operator in (*_BACKWARDS, *usual, *_SELDOM)):
        if edit.line not in lines:
            continue
        text = edit.apply(code.text)
        if text not in seen:
            seen.add(text)
            if operators.compiles(text):
                yield edit
