"""Single wrong edits of a source, as a student makes them: each one says in a sentence what it does.

The audit applies them to a solution. They know nothing of any assignment, so they can be applied to a student's source
as well, to ask which of them makes it right.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from grader.edits.code import Code, Edit, Function, callee, parameters, short

Edits = Iterator[Edit]

# What stands in for a layer, as a student might take it for the same.
LAYERS: dict[str, tuple[str, ...]] = {
    "ReLU": (
        "Identity()",
        "LeakyReLU()",
        "LeakyReLU(0.1)",
        "ReLU6()",
        "GELU()",
        "ELU()",
        "SiLU()",
        "Sigmoid()",
        "Tanh()",
    ),
    "MaxPool2d": ("AvgPool2d", "Identity"),
    "AvgPool2d": ("MaxPool2d",),
    "BatchNorm1d": ("Identity", "LayerNorm"),
    "BatchNorm2d": ("Identity", "InstanceNorm2d"),
    "Dropout": ("Identity", "Dropout1d", "AlphaDropout"),
}
# Methods and functions: the name alone is exchanged.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "relu": ("sigmoid", "tanh", "leaky_relu"),
    "max_pool2d": ("avg_pool2d",),
    "avg_pool2d": ("max_pool2d",),
    "normal_": ("uniform_",),
    "zero_": ("normal_",),
    "sqrt": ("exp", "sin"),
    "xavier_uniform_": ("xavier_normal_", "kaiming_uniform_", "zeros_"),
    "kaiming_normal_": ("kaiming_uniform_", "xavier_normal_"),
    "matmul": ("mul",),
    "mean": ("sum",),
    "sum": ("mean",),
    "train": ("eval",),
    "eval": ("train",),
    "out_channels": ("in_channels",),
    "in_channels": ("out_channels",),
}
# Arguments that are given although nobody asked for them.
SURPLUS: dict[str, tuple[str, ...]] = {
    "Conv2d": ("bias=False", "stride=2", "padding=1", "padding=0", "dilation=2", "padding_mode='reflect'"),
    "Linear": ("bias=False",),
    "BatchNorm1d": ("eps=1e-3", "momentum=0.01", "affine=False", "track_running_stats=False"),
    "BatchNorm2d": ("eps=1e-3", "momentum=0.01", "affine=False", "track_running_stats=False"),
    "MaxPool2d": ("padding=1", "ceil_mode=True", "dilation=2"),
    "AvgPool2d": ("padding=1", "ceil_mode=True"),
    "Dropout": ("p=0.1", "p=0.2", "p=0.8", "inplace=True"),
}
WEIGHTED = ("Conv2d", "Linear", "BatchNorm1d", "BatchNorm2d")
SYMBOLS: dict[type[ast.AST], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-", "*")),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("+", "/")),
    ast.Div: ("/", ("*", "//")),
    ast.FloorDiv: ("//", ("/", "*")),
    ast.Mod: ("%", ("//",)),
    ast.Pow: ("**", ("*",)),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
}
RESULTS = (".relu()", ".softmax(1)", ".log_softmax(1)", ".sigmoid()", ".detach()", ".flip(0)", ".unsqueeze(0)")
INPUTS = ("{x}.relu_()", "{x}.sub_(0.5)", "{x} / 255", "{x}.detach()", "{x}.flip(-1)", "{x}.transpose(2, 3)", "{x}[:1]")
SEQUENCES = ("Sequential", "ModuleList", "OrderedDict", "compose")


def numbers(code: Code) -> Edits:
    """A number, one off, doubled, halved."""
    for node in ast.walk(code.tree):
        value = getattr(node, "value", None)
        if isinstance(node, ast.Constant) and isinstance(value, (int, float)) and not isinstance(value, bool):
            others = [value + 1, value - 1, value * 2, value // 2 if isinstance(value, int) else value / 2]
            if code.roles.get(node) == "kernel_size":
                others += [value + 2, value - 2]
            if isinstance(value, int) and value <= 4:
                others += [0, value + 2]
            for other in dict.fromkeys(others):
                if other >= 0 and other != value:
                    old, new = code.named(node, repr(value)), code.named(node, repr(other))
                    yield code.change("number", node, repr(other), f"{old} became {new}")


def booleans(code: Code) -> Edits:
    """True for False, False for True."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            other = str(not node.value)
            what = f"{code.named(node, str(node.value))} became {code.named(node, other)}"
            yield code.change("boolean", node, other, what)


def default_values(code: Code) -> Edits:
    """A parameter that has lost its default value."""
    for function in code.functions():
        arguments = function.args.args
        for argument, default in zip(reversed(arguments), reversed(function.args.defaults), strict=False):
            if argument is arguments[-1]:
                what = f"{argument.arg} lost its default value"
                yield code.change("default", argument, argument.arg, what, default)


def operators(code: Code) -> Edits:
    """An arithmetic or comparison operator for another."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.BinOp):
            left, right = node.left, node.right
            kind: type[ast.AST] = type(node.op)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right, kind = node.left, node.comparators[0], type(node.ops[0])
        else:
            continue
        symbol, others = SYMBOLS.get(kind, ("", ()))
        (_, start), (end, _) = code.span(left), code.span(right)
        between = code.text[start:end]
        for other in others if symbol in between else ():
            what = f"{code.quoted(node)} has {other} instead of {symbol} in line {node.lineno}"
            yield Edit("operator", node.lineno, what, start, end, between.replace(symbol, other, 1))


def conditions(code: Code) -> Edits:
    """A condition turned round, or always met, or never."""
    for node in ast.walk(code.tree):
        if isinstance(node, (ast.If, ast.IfExp, ast.While)):
            said = code.said(node.test)
            for new in (f"not ({said})", "True", "False")[: 1 if isinstance(node, ast.While) else 3]:
                yield code.change("condition", node.test, new, f"the condition {short(said)} became {short(new)}")


def items(code: Code) -> Edits:
    """Layers and other items of a sequence: left out, twice, in another order."""
    for node in ast.walk(code.tree):
        if isinstance(node, (ast.List, ast.Tuple)) and isinstance(node.ctx, ast.Load):
            parts = node.elts
        elif isinstance(node, ast.Call) and callee(node) in SEQUENCES:
            parts = node.args
        else:
            continue
        for index, part in enumerate(parts):
            said = code.quoted(part)
            yield code.change("twice", part, f"{code.said(part)}, {code.said(part)}", f"{said} is there twice")
            if index + 1 < len(parts):
                following = parts[index + 1]
                start, end = code.span(part)[0], code.span(following)[0]
                yield Edit("left out", part.lineno, f"{said} left out in line {part.lineno}", start, end, "")
                if ast.dump(part) != ast.dump(following):
                    yield _swapped(code, part, following)
            elif index:
                start, end = code.span(parts[index - 1])[1], code.span(part)[1]
                yield Edit("left out", part.lineno, f"{said} left out in line {part.lineno}", start, end, "")


def _swapped(code: Code, first: ast.AST, second: ast.AST) -> Edit:
    between = code.text[code.span(first)[1] : code.span(second)[0]]
    new = code.said(second) + between + code.said(first)
    what = f"{code.quoted(first)} and {code.quoted(second)} are the other way round"
    return code.change("swapped", first, new, what, second)


def arguments(code: Code) -> Edits:
    """Arguments of a call: the other way round, left to their default, or given although nobody asked for them."""
    for call in code.calls():
        if callee(call) in SEQUENCES:
            continue
        for first, second in zip(call.args, call.args[1:], strict=False):
            if ast.dump(first) != ast.dump(second) and not {type(first), type(second)} & {ast.Starred}:
                yield _swapped(code, first, second)
        parts: list[ast.AST] = sorted((*call.args, *call.keywords), key=code.span)
        for index, part in enumerate(parts):
            if isinstance(part, ast.keyword) or (part is parts[-1] and index and part in code.roles):
                start = code.span(parts[index - 1])[1] if index else code.span(part)[0]
                line: int = part.lineno  # type: ignore[attr-defined]
                said = code.named(part, code.quoted(part))
                yield Edit("left out", line, f"{said} left out in line {line}", start, code.span(part)[1], "")
        given = {code.roles.get(getattr(part, "value", part)) or code.roles.get(part) for part in parts}
        for surplus in SURPLUS.get(callee(call), ()):
            if surplus.partition("=")[0] not in given:
                _, end = code.span(call)
                what = f"{callee(call)} has {surplus} in line {call.lineno}"
                new = f", {surplus})" if parts else f"{surplus})"
                yield Edit("surplus", call.lineno, what, code.span(parts[-1])[1] if parts else end - 1, end, new)


def layers(code: Code) -> Edits:
    """A layer or a function for another; a layer that is not trained; a list where layers must be registered."""
    for call in code.calls():
        name = callee(call)
        if name in WEIGHTED:
            yield code.change("frozen", call, f"{code.said(call)}.requires_grad_(False)", f"{name} is not trained")
        if name in ("Sequential", "ModuleList") and call.args:
            listed = f"[{', '.join(map(code.said, call.args))}]"
            yield code.change("layer", call, listed, f"{name} became a list")
        for other in LAYERS.get(name, ()):
            head = code.said(call.func).removesuffix(name)
            rest = "" if "(" in other else code.said(call).removeprefix(code.said(call.func))
            yield code.change("layer", call, f"{head}{other}{rest}", f"{name} became {other.partition('(')[0]}")
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            for other in FUNCTIONS.get(node.attr, ()):
                new = f"{code.said(node.value)}.{other}"
                yield code.change("function", node, new, f"{code.quoted(node)} became {short(new)}")


def names(code: Code) -> Edits:
    """A variable or an attribute for another of the same function or class."""
    for function in code.functions():
        local = parameters(function)
        inside = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        local += [node.id for node in inside if isinstance(node.ctx, ast.Store)]
        for node in inside:
            called = isinstance(parent := code.parents.get(node), ast.Call) and parent.func is node
            if isinstance(node.ctx, ast.Load) and node.id in local and not called:
                for other in dict.fromkeys(local):
                    if other != node.id:
                        old, new = code.named(node, node.id), code.named(node, other)
                        yield code.change("name", node, other, f"{old} became {new}")
    for owner in (node for node in ast.walk(code.tree) if isinstance(node, ast.ClassDef)):
        own = [each for each in ast.walk(owner) if isinstance(each, ast.Attribute) and code.said(each.value) == "self"]
        known = dict.fromkeys(each.attr for each in own if isinstance(each.ctx, ast.Store))
        for each in own:
            for other in known if isinstance(each.ctx, ast.Load) and each.attr in known else ():
                if other != each.attr:
                    yield code.change("name", each, f"self.{other}", f"self.{each.attr} became self.{other}")


def statements(code: Code) -> Edits:
    """A statement left out, twice, or before the one above it."""
    for block in code.blocks():
        for statement, following in zip(block, [*block[1:], None], strict=True):
            if _fixed(statement):
                continue
            said = code.quoted(statement)
            yield code.change("left out", statement, "pass", f"{said} left out")
            if isinstance(statement, (ast.Return, ast.Break, ast.Continue, ast.If, ast.For, ast.While, ast.With)):
                continue
            twice = f"{code.said(statement)}\n{' ' * statement.col_offset}{code.said(statement)}"
            yield code.change("twice", statement, twice, f"{said} is there twice")
            if following is not None and not _fixed(following):
                yield _swapped(code, statement, following)


def _fixed(statement: ast.stmt) -> bool:
    """Imports, definitions, docstrings and pass: nothing that a student leaves out."""
    told = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    kinds = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.Pass, ast.FunctionDef, ast.AsyncFunctionDef)
    return told or isinstance(statement, kinds)


def calls(code: Code) -> Edits:
    """In a method: a call of a layer left out or made twice."""
    for call in code.calls():
        if len(call.args) == 1 and not call.keywords and isinstance(call.func, ast.Attribute):
            if not code.said(call.func).startswith("self."):
                continue
            inner, function = code.said(call.args[0]), code.said(call.func)
            yield code.change("left out", call, inner, f"the call of {function} left out")
            yield code.change("twice", call, f"{function}({code.said(call)})", f"{function} is called twice")


def forwards(code: Code) -> Edits:
    """In forward: something done to the result or to the input, no gradient, or a return too early."""
    for function in code.functions():
        if function.name == "forward":
            yield from _forward(code, function)


def _forward(code: Code, function: Function) -> Edits:
    line, indent = function.lineno, " " * function.col_offset
    start, _ = code.span(function)
    yield Edit("gradient", line, f"no_grad above line {line}", start, start, f"@torch.no_grad()\n{indent}")
    body = [statement for statement in function.body if not _fixed(statement)]
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            for after in RESULTS:
                yield code.change(
                    "result", node.value, f"({code.said(node.value)}){after}", f"{after} after the result"
                )
    for statement in body[:-1]:
        if isinstance(statement, ast.Assign):
            new = f"return {code.said(statement.value)}"
            yield code.change("early", statement, new, f"{short(new)}, too early,")
    for x in parameters(function)[:1]:
        for template in INPUTS if body else ():
            start, _ = code.span(body[0])
            put = f"{x} = {template.format(x=x)}"
            line = body[0].lineno
            inside = " " * body[0].col_offset
            yield Edit("input", line, f"{put} before line {line}", start, start, f"{put}\n{inside}")


OPERATORS: tuple[Callable[[Code], Edits], ...] = (
    numbers,
    booleans,
    default_values,
    operators,
    conditions,
    items,
    arguments,
    layers,
    names,
    statements,
    calls,
    forwards,
)


def edits(source: str) -> list[Edit]:
    """All single edits of ``source`` that leave it Python and change its syntax tree, each only once.

    >>> [edit.what for edit in edits("pool = nn.MaxPool2d(2, padding=1)")][:2]
    ['kernel_size=2 became kernel_size=3 in line 1', 'kernel_size=2 became kernel_size=1 in line 1']

    Raises:
        SyntaxError: ``source`` is not Python.
    """
    code = Code(source)
    seen = {ast.dump(code.tree)}
    found = []
    for operator in OPERATORS:
        for edit in operator(code):
            tree = dumped(edit.apply(code.text))
            if tree is not None and tree not in seen:
                seen.add(tree)
                found.append(edit)
    return found


def dumped(source: str) -> str | None:
    """The syntax tree of ``source`` as text; None where it does not compile.

    >>> dumped("x = ("), dumped("x=1") == dumped("x = 1  # one")
    (None, True)
    """
    return ast.dump(ast.parse(source)) if compiles(source) else None


def compiles(source: str) -> bool:
    """Whether ``source`` is Python.

    >>> compiles("x = ("), compiles("return"), compiles("x = 1")
    (False, False, True)
    """
    try:
        compile(source, "edited", "exec")
    except SyntaxError:
        return False
    return True
