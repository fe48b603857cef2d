"""The first place in two forward runs on the same input, with the same weights, where they part, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from grader.checks.numerics import same
from grader.diagnosis.align import FAMILIES, PLAIN, Pair, Place, align, attributes, differing, places
from grader.diagnosis.finding import Finding
from grader.language import gettext, ngettext
from grader.tracing import Layer, Step

SHAPES = 6  # rows of the table of shapes
Known = dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[int | None, int | None]]]
# What a kind of layer is called where it is a function; a name of the student's own does not count.
_FUNCTIONS = (
    ("relu", "elu", "silu", "sigmoid", "tanh", "softmax", "clamp", "clip", "clamp_min", "maximum"),
    ("pool",),
    ("batch_norm", "layer_norm", "instance_norm", "group_norm"),
    ("dropout",),
    ("conv",),
)


@dataclass(frozen=True)
class Run:
    """One model: its layers, what they did (inputs and outputs kept), and what stopped them ("": nothing).

    ``functions``: the names of all functions that its source calls and does not define itself.
    """

    layers: Sequence[Layer]
    steps: Sequence[Step]
    stopped: str = ""
    functions: frozenset[str] = frozenset()

    def places(self) -> list[Place]:
        """Its layers as they ran."""
        return places(self.layers, self.steps, not self.stopped)

    def step(self, name: str) -> Step | None:
        """What module ``name`` did when it was last run."""
        return next((step for step in reversed(self.steps) if step.name == name), None)

    def children(self, name: str) -> list[str]:
        """The classes of the modules directly in module ``name``."""
        return [layer.type for layer in self.layers if layer.name and layer.name.rpartition(".")[0] == name]

    def type(self, name: str) -> str:
        """The class of module ``name``."""
        return next((layer.type for layer in self.layers if layer.name == name), "")


def pairs_of(ours: Run, theirs: Run, known: Known | None = None) -> list[Pair]:
    """`align`, in the order of the student's run; which of two branches is run first, or made first, does not matter.

    ``known`` keeps what was found for models that ran through the same layers: it takes a while for large ones.
    """
    mine, wanted = theirs.places(), ours.places()
    key = tuple(place.name for place in wanted), tuple(place.name for place in mine)
    if known is None or key not in known:
        indices = [{id(place): index for index, place in enumerate(each)} for each in (wanted, mine)]
        found = [
            (None if one is None else indices[0][id(one)], None if other is None else indices[1][id(other)])
            for one, other in _pairs(ours, theirs, wanted, mine)
        ]
        known = {} if known is None else known
        known[key] = found
    return [(None if i is None else wanted[i], None if j is None else mine[j]) for i, j in known[key]]


def _pairs(ours: Run, theirs: Run, wanted: list[Place], mine: list[Place]) -> list[Pair]:
    if any(len({place.name for place in each}) < len(each) for each in (mine, wanted)):
        return align(wanted, mine)  # something runs several times
    order = _Order(ours.layers, theirs.layers)
    made = align(sorted(wanted, key=order), sorted(mine, key=order))
    match = {other.name: one for one, other in made if other is not None}
    left = {one.name for one, other in made if other is None and one is not None}
    found: list[Pair] = [(match.get(place.name), place) for place in mine]
    for number, place in enumerate(wanted):
        if place.name in left:
            before = wanted[number - 1].name if number else None
            at = next((index for index, (one, _) in enumerate(found) if one is not None and one.name == before), -1)
            found.insert(at + 1, (place, None))
    return found


class _Order:
    """Layers of both models in the order in which the reference makes them, attribute by attribute.

    What only the student's model has comes after what it makes before that.
    """

    def __init__(self, ours: Sequence[Layer], theirs: Sequence[Layer]) -> None:
        self._rank: dict[str, float] = {}
        for layer in ours:
            self._rank.setdefault(attributes(layer.name), len(self._rank))
        last: dict[str, float] = {}
        for layer in theirs:
            name = attributes(layer.name)
            inside = name.rpartition(".")[0]
            self._rank.setdefault(name, last.get(inside, self._rank.get(inside, 0)) + 0.5)
            last[inside] = self._rank[name]

    def __call__(self, place: Place) -> list[float]:
        parts = place.name.split(".")
        return [
            float(part) if part.isdecimal() else self._rank[attributes(".".join(parts[: number + 1]))]
            for number, part in enumerate(parts)
        ]


def explain(ours: Run, theirs: Run, known: Known | None = None) -> Finding | None:
    """Why the student's run differs from the reference's; None where it does not.

    The first module is looked for, in the order of the run, that gives something else although it is given the same;
    where there is none, what lies between two modules of which the first still agrees.
    """
    pairs = pairs_of(ours, theirs, known)
    pending: list[Pair] = []
    passed: list[Pair] = []  # gaps after which everything agreed: in another branch they may matter all the same
    last: Pair = (None, None)
    for index, (one, other) in enumerate(pairs):
        if one is None or other is None:
            pending.append((one, other))
            continue
        assert one.step is not None
        if other.step is None:
            return _shown(_between(ours, theirs, pending, passed, last, (one, other), pairs[index + 1 :]), pairs)
        given = agree(other.step.input, one.step.input)
        if other.step.output_shape is not None and agree(other.step.output, one.step.output):
            passed += pending
            pending, last = [], (one, other)
        elif given:
            return _shown(_culprit(one, other), pairs)
        else:
            return _shown(_between(ours, theirs, pending, passed, last, (one, other), pairs[index + 1 :]), pairs)
    end = theirs.step("")
    if not theirs.stopped and end is not None and end.output_shape is None:
        return Finding("", end.type, "forward", gettext("it returns no tensor."))
    if agree_at_the_end(ours, theirs):
        return None
    return _shown(_between(ours, theirs, pending, passed, last, (None, None), []), pairs)


def agree_at_the_end(ours: Run, theirs: Run) -> bool:
    """Whether both models give the same, whatever happens on the way."""
    end, wanted = theirs.step(""), ours.step("")
    return not theirs.stopped and end is not None and wanted is not None and agree(end.output, wanted.output)


def agree(actual: torch.Tensor | None, expected: torch.Tensor | None) -> bool:
    """Whether two tensors are the same, as the checks ask it; two things that are none are."""
    if actual is None or expected is None:
        return actual is expected
    if not expected.is_floating_point():
        return actual.dtype == expected.dtype and torch.equal(actual, expected)
    return same(actual, expected)


def _culprit(one: Place, other: Place) -> Finding:
    """The same goes in, something else comes out."""
    assert one.step is not None
    assert other.step is not None
    shape = ""
    if other.step.output_shape is None:
        shape = gettext(", and it cannot be run on what it is given")
    elif one.step.output_shape is not None and other.step.output_shape != one.step.output_shape:
        sizes = _sizes(other.step.output_shape, one.step.output_shape)
        shape = gettext(", which gives {actual} where {expected} is expected").format(
            actual=sizes[0], expected=sizes[1]
        )
    if one.type != other.type:
        said = gettext("it is a {type}{shape}; a {expected} is expected here.").format(
            type=other.type, shape=shape, expected=one.type
        )
        return Finding(other.name, other.type, "type", said, other.layer.lines)
    wrong = differing(one.layer, other.layer)
    if wrong:
        return hyper_parameter(one.layer, other.layer, wrong, shape)
    if one.step.training != other.step.training:
        modes = ("eval", "train")
        said = gettext("it is in {mode} mode although the model was set to {expected} mode.").format(
            mode=modes[other.step.training], expected=modes[one.step.training]
        )
        return Finding(other.name, other.type, "mode", said, other.layer.lines)
    said = gettext("it is given the right input, and its output is not right{shape}.").format(shape=shape)
    return Finding(other.name, other.type, "output", said, other.layer.lines, confident=False)


def hyper_parameter(ours: Layer, theirs: Layer, wrong: Sequence[str], shape: str = "") -> Finding:
    """Of a layer of the right kind, with what it was made."""
    values = [
        gettext("its {name} is {value}").format(name=name, value=short(theirs.hyper_parameters[name])) for name in wrong
    ]
    wanted = [short(ours.hyper_parameters[name]) for name in wrong]
    said = ngettext(
        "{values}{shape}; {expected} is expected.", "{values}{shape}; {expected} are expected.", len(wrong)
    ).format(values=gettext(" and ").join(values), shape=shape, expected=gettext(" and ").join(wanted))
    given = [(name, theirs.hyper_parameters.get(name), ours.hyper_parameters[name]) for name in wrong]
    return Finding(theirs.name, theirs.type, wrong[0], said, theirs.lines, values=tuple(given))


def short(value: Any) -> str:
    """A pair of equal numbers as one number; bounded, since it may come from the student.

    >>> short([2, 2]), short("zeros")
    ('2', 'zeros')
    """
    if isinstance(value, list) and value and all(item == value[0] for item in value):
        value = value[0]
    return str(value)[:60]


def _sizes(actual: tuple[int, ...], expected: tuple[int, ...]) -> tuple[str, str]:
    """Both shapes; of images that differ in their size only that: ("18x18", "16x16")."""
    if len(actual) == len(expected) == 4 and actual[:2] == expected[:2]:
        return f"{actual[2]}x{actual[3]}", f"{expected[2]}x{expected[3]}"
    return str(actual), str(expected)


def _between(
    ours: Run,
    theirs: Run,
    pending: list[Pair],
    passed: list[Pair],
    last: Pair,
    following: Pair,
    rest: Sequence[Pair],
) -> Finding:
    """What goes in is not right already: something between the last layer that agrees and the next is not."""
    quiet = following[0] is not None and following[0].step is not None and not following[0].step.training
    missing = [one for one, _ in pending if one is not None and not (quiet and _harmless(one.type))]
    extra = [other for _, other in pending if other is not None and not (quiet and _harmless(other.type))]
    never = theirs.stopped and following[1] is not None and following[1].step is None
    failing = next((step for step in theirs.steps if step.output_shape is None and not step.leaf), None)
    if not theirs.stopped:
        failing = None
    first, then = following
    if not missing and not extra and never and first is not None and then is not None and failing is None:
        wrong = differing(first.layer, then.layer)
        if wrong:
            return hyper_parameter(first.layer, then.layer, wrong)
    here = last[1].name if last[1] is not None else ""
    names = {layer.name for layer in theirs.layers}
    if missing and not extra:
        if all(place.name in names for place in missing) and all(theirs.step(place.name) is None for place in missing):
            what = _common([place.name for place in missing]) or missing[0].name
            return _forward(
                ours, theirs, last, following, gettext("{what} is there, and forward never calls it.").format(what=what)
            )
        later = [two for one, two in rest[:4] if one is None and two is not None and two.type == missing[0].type]
        if len(missing) == 1 and later:
            said = gettext("{name} ({type}) comes too late; it is expected after {place}.").format(
                name=later[0].name, type=later[0].type, place=here or gettext("the input")
            )
            return Finding(later[0].name, later[0].type, "order", said, later[0].layer.lines)
        return lacking(ours, theirs, missing, here)
    if extra and not missing:
        later = [one for one, two in rest[:4] if two is None and one is not None and one.type == extra[0].type]
        if len(extra) == 1 and later:
            said = gettext("{name} ({type}) comes too early.").format(name=extra[0].name, type=extra[0].type)
            return Finding(extra[0].name, extra[0].type, "order", said, extra[0].layer.lines)
        return surplus(ours, theirs, extra)
    if missing and extra:
        kinds = [Counter(place.type for place in each) for each in (missing, extra)]
        if kinds[0] == kinds[1]:
            said = gettext("expected are, in this order, {expected}; there are {found}.").format(
                expected=_listed(missing), found=_listed(extra)
            )
            return Finding(extra[0].name, extra[0].type, "order", said, extra[0].layer.lines)
        if len(missing) == len(extra) == 1:
            said = gettext("it is a {type}; a {expected} is expected here.").format(
                type=extra[0].type, expected=missing[0].type
            )
            return Finding(extra[0].name, extra[0].type, "type", said, extra[0].layer.lines)
        said = gettext("expected are {expected}; there are {found}.").format(
            expected=_listed(missing), found=_listed(extra)
        )
        return Finding(extra[0].name, extra[0].type, "type", said, extra[0].layer.lines, confident=False)
    if failing is not None:
        inside = failing.name
        while inside and (theirs.type(inside) in PLAIN or not _given(ours, theirs, inside)):
            inside = inside.rpartition(".")[0]
        said = gettext("all that it calls does what it should, until the run stops: {stopped}").format(
            stopped=theirs.stopped[:200]
        )
        return Finding(inside, theirs.type(inside), "forward", said)
    itself = gettext("all that it calls does what it should; what it makes of that is wrong.")
    found = _forward(ours, theirs, last, following, itself)
    inside = f"{found.module}." if found.module else ""
    gaps = [pair for pair in passed if (pair[0] or pair[1]).name.startswith(inside)]  # type: ignore[union-attr]
    if gaps:
        return _between(ours, theirs, gaps, [], last, following, [])
    return found


def _around(name: str) -> list[str]:
    """The modules around ``name``, the innermost first.

    >>> _around("layer2.1.downsize")
    ['layer2.1', 'layer2', '']
    """
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(len(parts) - 1, -1, -1)]


def _given(ours: Run, theirs: Run, name: str) -> bool:
    """Whether module ``name`` is given what it is given in the reference, where that has it."""
    mine, wanted = theirs.step(name), ours.step(name)
    return mine is None or wanted is None or agree(mine.input, wanted.input)


def lacking(ours: Run, theirs: Run, missing: Sequence[Place], here: str) -> Finding:
    """What should be there after the student's layer ``here``, and is not."""
    for parent in _around(missing[0].name):
        wanted, found = ours.children(parent), theirs.children(parent)
        if 0 < len(found) < len(wanted) and len({*wanted, *found}) == 1:
            said = gettext("it has {count} {kind}s one after the other; {expected} are expected.").format(
                count=len(found), kind=wanted[0], expected=len(wanted)
            )
            return Finding(parent, theirs.type(parent), "missing", said)
    common = _common([place.name for place in missing]) if len(missing) > 1 else missing[0].name
    whole = ours.type(common) if common and len(missing) > 1 and ours.type(common) not in PLAIN else ""
    names = {layer.name for layer in theirs.layers}
    inside = common if len(missing) > 1 and not whole else common.rpartition(".")[0]
    while inside and inside not in names:
        inside = inside.rpartition(".")[0]
    what = gettext("a {type}").format(type=whole) if whole else _listed(missing)
    said = gettext("{what} is missing after {place}.").format(what=what, place=here or gettext("the input"))
    kind = next((number for number, family in enumerate(FAMILIES) if missing[0].type in family), None)
    functional = kind is not None and any(word in name for name in theirs.functions for word in _FUNCTIONS[kind])
    lines = next((layer.lines for layer in theirs.layers if layer.name == inside), ())
    return Finding(inside, theirs.type(inside), "missing", said, lines, confident=not functional)


def surplus(ours: Run, theirs: Run, extra: Sequence[Place]) -> Finding:
    """What is there, and should not be."""
    again = Counter(step.name for step in theirs.steps if step.leaf)
    if len({place.name for place in extra}) == len(extra) and all(again[place.name] > 1 for place in extra):
        common = _common([place.name for place in extra])
        name = common if sum(step.name == common for step in theirs.steps) > 1 else extra[0].name
        said = gettext("{name} is called more often than it should.").format(name=name)
        return Finding(name, theirs.type(name), "extra", said, extra[0].layer.lines)
    common = _common([place.name for place in extra]) if len(extra) > 1 else extra[0].name
    if not common or theirs.type(common) in PLAIN:
        said = gettext("there is nothing like {listed} in this place.").format(listed=_listed(extra))
        return Finding(extra[0].name, extra[0].type, "extra", said, extra[0].layer.lines)
    lines = next((layer.lines for layer in theirs.layers if layer.name == common), ())
    return Finding(
        common,
        theirs.type(common),
        "extra",
        gettext("{common} is one {type} too many.").format(common=common, type=theirs.type(common)),
        lines,
    )


def _forward(ours: Run, theirs: Run, last: Pair, following: Pair, said: str) -> Finding:
    """What computes between two layers: the innermost module around the first whose own output is not right."""
    before = last[1].name if last[1] is not None else ""
    after = following[1].name if following[1] is not None else None
    inside = before.rpartition(".")[0]
    while inside:
        if after is not None and after.startswith(f"{inside}."):
            break
        mine, wanted = theirs.step(inside), ours.step(inside)
        different = mine is not None and wanted is not None and not agree(mine.output, wanted.output)
        if different and theirs.type(inside) not in PLAIN:
            break
        inside = inside.rpartition(".")[0]
    while inside and theirs.type(inside) in PLAIN:
        inside = inside.rpartition(".")[0]
    return Finding(inside, theirs.type(inside), "forward", said)


def _shown(finding: Finding, pairs: Sequence[Pair]) -> Finding:
    """With the shapes along the way, where they differ."""
    rows = []
    for one, other in pairs:
        if other is None or other.step is None or one is None or one.step is None:
            continue
        mine, wanted = other.step.output_shape, one.step.output_shape
        rows.append((other.name or other.type, str(mine) if mine else gettext("stops here"), str(wanted)))
        if mine != wanted:
            return replace(finding, shapes=tuple(rows[-SHAPES:]))
    return finding


def _harmless(kind: str) -> bool:
    """In eval mode."""
    return kind == "Identity" or "Dropout" in kind


def _listed(found: Sequence[Place]) -> str:
    kinds = [place.type for place in found]
    return ", ".join(kinds[:4]) + (gettext(" and {count} more").format(count=len(kinds) - 4) if len(kinds) > 4 else "")


def _common(names: Sequence[str]) -> str:
    """The innermost module that holds all of ``names``.

    >>> _common(["layer3.1.layer.0", "layer3.1.downsize.0"]), _common(["a", "b"])
    ('layer3.1', '')
    """
    parts = [name.split(".") for name in names]
    found = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        found.append(level[0])
    if len(found) == min(map(len, parts)):
        found = found[:-1]
    return ".".join(found)
