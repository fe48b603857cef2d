"""A function or class whose parameters are not the handout's, read from both sources; nothing is run."""

from __future__ import annotations

import ast

from grader.diagnosis.finding import Finding
from grader.edits.code import Code, Function
from grader.language import gettext


def difference(ours: Code, theirs: Code, name: str, failed: bool) -> Finding | None:
    """How the parameters of ``name`` differ: another order; where the call ``failed``, also what they lack.

    >>> one, other = Code("def conv(inputs, outputs=1): pass"), Code("def conv(outputs, inputs): pass")
    >>> difference(one, other, "conv", False).said
    'its parameters are (outputs, inputs); (inputs, outputs) is the order in the handout.'
    """
    wanted, found = _function(ours, name), _function(theirs, name)
    if wanted is None or found is None:
        return None
    expected, actual = (_parameters(each) for each in (wanted, found))
    lines = (found.lineno,)
    order = [parameter for parameter in actual if parameter in expected]
    if set(expected) == set(order) and order != list(expected):
        said = gettext("its parameters are ({order}); ({expected}) is the order in the handout.").format(
            order=", ".join(order), expected=", ".join(expected)
        )
        return Finding("", name, "signature", said, lines)
    if not failed:
        return None
    arguments = found.args
    if arguments.vararg is None and arguments.kwarg is None and len(actual) < len(expected):
        missing = [parameter for parameter in expected if parameter not in actual]
        if missing:
            return Finding("", name, "signature", gettext("it takes no {missing}.").format(missing=missing[0]), lines)
    for parameter, default in expected.items():
        if default and actual.get(parameter) is False:
            said = gettext("its parameter {parameter} has no default value; the handout gives it one.").format(
                parameter=parameter
            )
            return Finding("", name, "signature", said, lines)
    return None


def _function(code: Code, name: str) -> Function | None:
    for node in code.tree.body:
        if isinstance(node, Function) and node.name == name:
            return node
        if isinstance(node, ast.ClassDef) and node.name == name:
            inside = (each for each in node.body if isinstance(each, Function) and each.name == "__init__")
            return next(inside, None)
    return None


def _parameters(function: Function) -> dict[str, bool]:
    """Each parameter, without self: whether it has a default value."""
    arguments = function.args
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    without = len(names) - len(arguments.defaults)
    found = {name: index >= without for index, name in enumerate(names) if name not in ("self", "cls")}
    given = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return found | {each.arg: default is not None for each, default in given}
