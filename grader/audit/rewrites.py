"""Rewrites of a source that change nothing of what it computes: the same solution as another student might write it.

Each works on a syntax tree, in place, and returns whether there was anything to rewrite. Whether nothing has changed is
not taken for granted: the audit asks its oracle.
"""

from __future__ import annotations

import ast
import builtins
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grader.edits.code import SIGNATURES, Code, Function, callee, parameters
from grader.edits.operators import dumped

Rewrite = Callable[[ast.Module], bool]


@dataclass(frozen=True)
class Rewritten:
    """A source, and in words what was done to it."""

    what: str
    text: str


def rewritten(source: str, count: int, seed: int) -> list[Rewritten]:
    """``source`` by each rewrite that applies, then by ``count`` combinations of two to five, drawn by ``seed``.

    >>> rewritten("def half(x):\\n    y = x / 2\\n    return y", 0, 0)[0].text
    'def half(x):\\n    y_ = x / 2\\n    return y_'

    Raises:
        SyntaxError: ``source`` is not Python.
    """
    draw = random.Random(seed)
    names = [name for name in REWRITES if _text(source, [name]) is not None]
    chosen = [[name] for name in names]
    chosen += [draw.sample(names, min(draw.randint(2, 5), len(names))) for _ in range(count)]
    found: dict[str, Rewritten] = {}
    for each in chosen:
        text = _text(source, each)
        if text is not None and text != source:
            found.setdefault(text, Rewritten(", ".join(each), text))
    return list(found.values())


def _text(source: str, names: Sequence[str]) -> str | None:
    """``source`` rewritten by all of ``names``; None where one finds nothing to rewrite."""
    tree = ast.parse(source)
    for name in names:
        if not REWRITES[name](ast.fix_missing_locations(tree)):
            return None
    text = ast.unparse(ast.fix_missing_locations(tree))
    return None if dumped(text) is None else text


def rename_locals(tree: ast.Module) -> bool:
    """Local variables have other names; parameters keep theirs, callers may use them as keywords."""
    changed = False
    for function in [node for node in ast.walk(tree) if isinstance(node, Function)]:
        uses = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        fixed = {*parameters(function), "self", *dir(builtins)}
        local = {node.id for node in uses if isinstance(node.ctx, ast.Store)} - fixed
        for node in uses:
            if node.id in local:
                node.id += "_"
                changed = True
    return changed


def keyword_arguments(tree: ast.Module) -> bool:
    """Positional arguments of known calls become keyword arguments."""
    code = Code(ast.unparse(tree))
    changed = False
    for call in _calls(tree):
        names = code.signatures.get(callee(call), ())
        methods = callee(call).endswith("_") or callee(call) in ("flatten", "dropout")
        if not call.args or methods or len(call.args) > len(names) or _starred(call):
            continue
        given = [ast.keyword(name, value) for name, value in zip(names, call.args, strict=False)]
        call.keywords, call.args, changed = [*given, *call.keywords], [], True
    return changed


def positional_arguments(tree: ast.Module) -> bool:
    """Keyword arguments of known calls become positional where their order allows it."""
    code = Code(ast.unparse(tree))
    changed = False
    for call in _calls(tree):
        names = code.signatures.get(callee(call), ())
        while call.keywords and len(call.args) < len(names) and call.keywords[0].arg == names[len(call.args)]:
            call.args.append(call.keywords.pop(0).value)
            changed = True
    return changed


def unroll_loops(tree: ast.Module) -> bool:
    """Loops over ranges and lists that are written out are unrolled."""

    class Unroll(_Blocks):
        def statement(self, node: ast.stmt) -> list[ast.stmt]:
            if not isinstance(node, ast.For) or node.orelse or _leaves(node):
                return [node]
            try:
                items = list(ast.literal_eval(node.iter))
            except (ValueError, TypeError):
                called = isinstance(node.iter, ast.Call) and callee(node.iter) == "range" and node.iter.args
                try:
                    items = list(range(*map(ast.literal_eval, called or ())))
                except (ValueError, TypeError):
                    return [node]
            body = ast.unparse(ast.Module(node.body, []))
            target = ast.unparse(node.target)
            return [each for item in items[:20] for each in ast.parse(f"{target} = {item!r}\n{body}").body]

    return Unroll().rewrite(tree)


def loops_by_index(tree: ast.Module) -> bool:
    """``for v in cfg`` becomes a loop over the places of list(cfg)."""
    places = iter(range(1_000))

    class ByIndex(_Blocks):
        def statement(self, node: ast.stmt) -> list[ast.stmt]:
            if not isinstance(node, ast.For):
                return [node]
            number = next(places)
            place, listed = f"place{number}", f"listed{number}"
            before = ast.parse(f"{listed} = list({ast.unparse(node.iter)})").body
            inner = ast.parse(f"{ast.unparse(node.target)} = {listed}[{place}]").body
            node.iter = ast.parse(f"range(len({listed}))", mode="eval").body
            node.target = ast.Name(place, ast.Store())
            node.body = [*inner, *node.body]
            return [*before, node]

    return ByIndex().rewrite(tree)


def turn_conditions(tree: ast.Module) -> bool:
    """``if a: b else: c`` becomes ``if not a: c else: b``, also in expressions."""
    changed = False
    for node in ast.walk(tree):
        if isinstance(node, (ast.If, ast.IfExp)) and node.orelse:
            node.test = ast.UnaryOp(ast.Not(), node.test)
            node.body, node.orelse = node.orelse, node.body
            changed = True
    return changed


def name_results(tree: ast.Module) -> bool:
    """What is returned is given a name first."""

    class Name(_Blocks):
        def statement(self, node: ast.stmt) -> list[ast.stmt]:
            if not isinstance(node, ast.Return) or node.value is None or isinstance(node.value, ast.Name):
                return [node]
            return ast.parse(f"the_result = {ast.unparse(node.value)}\nreturn the_result").body

    return Name().rewrite(tree)


def dead_code(tree: ast.Module) -> bool:
    """Functions that nobody calls, variables that nobody reads, branches that are never taken."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            node.body += ast.parse("def describe(self):\n    return type(self).__name__ + ' of mine'").body
        elif isinstance(node, Function) and node.body:
            told = isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
            unused = ast.parse("debug = False\nif debug:\n    print('here')").body
            node.body[int(told) : int(told)] = unused
    tree.body += ast.parse("def count(model):\n    return sum(p.numel() for p in model.parameters())").body
    return True


def ordered_dicts(tree: ast.Module) -> bool:
    """nn.Sequential(a, b) becomes nn.Sequential(OrderedDict([("0", a), ("1", b)]))."""
    changed = False
    for call in _sequentials(tree):
        named = [ast.Tuple([ast.Constant(str(place)), layer], ast.Load()) for place, layer in enumerate(call.args)]
        maker = ast.parse("__import__('collections').OrderedDict", mode="eval").body
        call.args, changed = [ast.Call(maker, [ast.List(list(named), ast.Load())], [])], True
    return changed


def nested_sequentials(tree: ast.Module) -> bool:
    """nn.Sequential(a, b, c) becomes nn.Sequential(*nn.Sequential(a, b), c): the same keys."""
    changed = False
    for call in _sequentials(tree):
        inner = ast.Call(call.func, call.args[:-1], [])
        call.args, changed = [ast.Starred(inner, ast.Load()), call.args[-1]], True
    return changed


def listed_layers(tree: ast.Module) -> bool:
    """nn.Sequential(a, b) becomes nn.Sequential(*[a, b])."""
    changed = False
    for call in _sequentials(tree):
        call.args, changed = [ast.Starred(ast.List(call.args, ast.Load()), ast.Load())], True
    return changed


def other_flatten(spelling: str) -> Rewrite:
    """torch.flatten(x, 1) becomes ``spelling``, with {x} in it."""

    def rewrite(tree: ast.Module) -> bool:
        def flatten(node: ast.AST) -> ast.AST | None:
            x = node.args[0] if isinstance(node, ast.Call) and node.args else None
            if not isinstance(x, ast.Name) or ast.unparse(node) != f"torch.flatten({x.id}, 1)":
                return None
            return ast.parse(spelling.format(x=x.id), mode="eval").body

        return _exchange(tree, flatten)

    return rewrite


def functional(name: str, function: str) -> Rewrite:
    """nn.``name``(...) becomes a small module of one's own that calls torch.nn.functional.``function``."""
    helper = f"""
class Own{name}(torch.nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.args, self.kwargs = args, kwargs

    def forward(self, x):
        return torch.nn.functional.{function}(x, *self.args, **self.kwargs)
"""

    def rewrite(tree: ast.Module) -> bool:
        def own(node: ast.AST) -> ast.AST | None:
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"nn.{name}":
                return ast.Call(ast.Name(f"Own{name}", ast.Load()), node.args, node.keywords)
            return None

        return _exchange(tree, own) and _put_first(tree, f"import torch\n{helper}")

    return rewrite


def pairs(tree: ast.Module) -> bool:
    """kernel_size=3 becomes kernel_size=(3, 3), and so on, in two-dimensional layers."""
    changed = False
    for call in _calls(tree):
        if callee(call) not in ("Conv2d", "MaxPool2d", "AvgPool2d"):
            continue
        names = SIGNATURES[callee(call)]
        wanted = ("kernel_size", "stride", "padding")
        for place, value in enumerate(call.args):
            if place < len(names) and names[place] in wanted and isinstance(value, ast.Constant):
                call.args[place], changed = ast.Tuple([value, value], ast.Load()), True
        for keyword in call.keywords:
            if keyword.arg in wanted and isinstance(keyword.value, ast.Constant):
                keyword.value, changed = ast.Tuple([keyword.value, keyword.value], ast.Load()), True
    return changed


def not_in_place(tree: ast.Module) -> bool:
    """inplace=True is left out."""
    changed = False
    for call in _calls(tree):
        kept = [keyword for keyword in call.keywords if keyword.arg != "inplace"]
        changed |= len(kept) < len(call.keywords)
        call.keywords = kept
    return changed


def long_super(tree: ast.Module) -> bool:
    """super() becomes super(Class, self)."""
    changed = False
    for owner in [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]:
        for call in _calls(owner):
            if ast.unparse(call) == "super()":
                call.args, changed = [ast.Name(owner.name, ast.Load()), ast.Name("self", ast.Load())], True
    return changed


def full_names(tree: ast.Module) -> bool:
    """nn.Conv2d becomes torch.nn.Conv2d."""

    def full(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Name) and node.id == "nn" and isinstance(node.ctx, ast.Load):
            return ast.parse("torch.nn", mode="eval").body
        return None

    return _exchange(tree, full) and _put_first(tree, "import torch")


def composed_numbers(tree: ast.Module) -> bool:
    """64 becomes 8 * 8 or 60 + 4: any whole number from 8 on is computed."""

    def composed(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value >= 8:
            half, rest = divmod(node.value, 2)
            return ast.parse(f"2 * {half}" if not rest else f"2 * {half} + 1", mode="eval").body
        return None

    return _exchange(tree, composed)


def annotated(tree: ast.Module) -> bool:
    """Every parameter has a type."""
    changed = False
    for function in [node for node in ast.walk(tree) if isinstance(node, Function)]:
        for argument in function.args.args:
            if argument.arg != "self" and argument.annotation is None:
                argument.annotation, changed = ast.Name("object", ast.Load()), True
    return changed


def reformatted(tree: ast.Module) -> bool:
    """As Python itself writes the syntax tree: no comments, other line breaks."""
    return True


REWRITES: dict[str, Rewrite] = {
    "other names of local variables": rename_locals,
    "other format": reformatted,
    "keyword arguments": keyword_arguments,
    "positional arguments": positional_arguments,
    "loops unrolled": unroll_loops,
    "loops by index": loops_by_index,
    "conditions turned round": turn_conditions,
    "results named": name_results,
    "dead code": dead_code,
    "OrderedDict": ordered_dicts,
    "nested Sequential": nested_sequentials,
    "a list of layers": listed_layers,
    "x.flatten": other_flatten("{x}.flatten(start_dim=1)"),
    "view": other_flatten("{x}.view({x}.size(0), -1)"),
    "reshape": other_flatten("{x}.reshape(len({x}), -1)"),
    "an nn.Flatten": other_flatten("torch.nn.Flatten()({x})"),
    "own ReLU": functional("ReLU", "relu"),
    "own max pooling": functional("MaxPool2d", "max_pool2d"),
    "own average pooling": functional("AvgPool2d", "avg_pool2d"),
    "pairs of numbers": pairs,
    "nothing in place": not_in_place,
    "super with arguments": long_super,
    "full names": full_names,
    "composed numbers": composed_numbers,
    "annotations": annotated,
}


class _Blocks(ast.NodeTransformer):
    """Replaces statements by lists of statements."""

    changed = False

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        """What stands in the place of ``node``; [node] if that is itself."""
        raise NotImplementedError

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                before = ast.dump(ast.Module(block, []))
                block[:] = [new for statement in block for new in self.statement(statement)]
                self.changed |= ast.dump(ast.Module(block, [])) != before
        return node

    def rewrite(self, tree: ast.Module) -> bool:
        """Visit all of ``tree``; whether anything has changed."""
        self.visit(tree)
        return self.changed


def _exchange(tree: ast.Module, new: Callable[[ast.AST], ast.AST | None]) -> bool:
    """Put ``new(node)`` in the place of every node for which it is not None."""
    changed = False

    class Exchange(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            nonlocal changed
            self.generic_visit(node)
            other = new(node)
            changed |= other is not None
            return node if other is None else other

    Exchange().visit(tree)
    return changed


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _starred(call: ast.Call) -> bool:
    unnamed = any(keyword.arg is None for keyword in call.keywords)
    return unnamed or any(isinstance(argument, ast.Starred) for argument in call.args)


def _sequentials(tree: ast.Module) -> list[ast.Call]:
    """Calls of nn.Sequential with two layers or more."""
    return [call for call in _calls(tree) if callee(call) == "Sequential" and len(call.args) > 1 and not _starred(call)]


def _leaves(node: ast.For) -> bool:
    """Whether the loop's body may leave it or go on early."""
    return any(isinstance(each, (ast.Break, ast.Continue)) for each in ast.walk(node))


def _put_first(tree: ast.Module, source: str) -> bool:
    """Put ``source`` after the docstring and the imports that must be first."""
    place = 0
    while place < len(tree.body) and (
        (isinstance(tree.body[place], ast.Expr) and place == 0)
        or (isinstance(first := tree.body[place], ast.ImportFrom) and first.module == "__future__")
    ):
        place += 1
    tree.body[place:place] = ast.parse(source).body
    return True
