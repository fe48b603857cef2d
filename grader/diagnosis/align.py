"""Which layer of a student's model stands for which of the reference's: by order and kind, names only break ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grader.tracing import Layer, Step

MOST = 2_000  # layers that are looked at: the student's model is the student's
MOST_PAIRS = 250_000  # of which all are compared; where there are more, what the models begin and end with alike is not
# Modules that do nothing of their own between those inside.
PLAIN = ("Sequential", "ModuleList", "ModuleDict")
# Kinds that a student may take for one another. Another kind in the same place is a wrong type rather than a layer
# too few and one too many.
FAMILIES = (
    {
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "GELU",
        "ELU",
        "SELU",
        "SiLU",
        "Sigmoid",
        "Tanh",
        "Softmax",
        "LogSoftmax",
        "Hardswish",
    }
    | {"PReLU", "Softplus", "Mish", "CELU", "Hardtanh", "LogSigmoid"},
    {"MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "LPPool2d", "FractionalMaxPool2d"},
    {"BatchNorm1d", "BatchNorm2d", "LayerNorm", "InstanceNorm1d", "InstanceNorm2d", "GroupNorm", "LocalResponseNorm"},
    {"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"},
    {"Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d"},
)
# What an alignment costs: a layer on one side only, another name, each hyper-parameter that differs, another kind.
_GAP, _NAME, _VALUE, _VALUES, _KIND, _NEVER = 7, 1, 2, 8, 9, 30


@dataclass(frozen=True)
class Place:
    """A layer where it runs: what it is, and what it did there (None where the run never came to it)."""

    layer: Layer
    step: Step | None

    @property
    def name(self) -> str:
        """Its dotted name."""
        return self.layer.name

    @property
    def type(self) -> str:
        """Its class."""
        return self.layer.type


Pair = tuple[Place | None, Place | None]  # the reference's, the student's


def places(layers: Sequence[Layer], steps: Sequence[Step], complete: bool) -> list[Place]:
    """The layers without modules inside, as often and in the order as they ran.

    Where the run is not ``complete`` those follow that have not run, in the order of the model.
    """
    known = {layer.name: layer for layer in layers if layer.type not in PLAIN}  # an empty one is no layer
    found = [Place(known[step.name], step) for step in steps if step.leaf and step.name in known]
    if not complete:
        ran = {place.name for place in found}
        inner = {layer.name.rpartition(".")[0] for layer in layers if layer.name}
        found += [Place(layer, None) for name, layer in known.items() if name not in ran and name not in inner]
    return found[:MOST]


def differing(ours: Layer, theirs: Layer) -> list[str]:
    """The hyper-parameters that differ, those that decide the shape of the weights first; not ``inplace``.

    A class of the student's own has none, whatever it is called.
    """
    one, other = ours.hyper_parameters, theirs.hyper_parameters
    names = [name for name in one if name in other and name != "inplace" and not _equal(one[name], other[name])]
    return sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


_ORDER = (
    "kernel_size", "groups", "num_features", "normalized_shape", "in_channels", "in_features", "out_channels",
    "out_features", "bias", "stride", "padding", "dilation", "padding_mode",
)  # fmt: skip


def _equal(one: Any, other: Any) -> bool:
    """Whether two values mean the same: 2 and [2, 2] do."""
    if isinstance(one, list) != isinstance(other, list):
        number, several = (other, one) if isinstance(one, list) else (one, other)
        return bool(several) and all(item == number for item in several)
    return bool(one == other)


def align(ours: Sequence[Place], theirs: Sequence[Place]) -> list[Pair]:
    """Pairs in order, a None where one side has nothing for the other's layer; with as few differences as possible.

    >>> from torch import nn
    >>> from grader.tracing import layers
    >>> one, other = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Sequential(nn.Linear(2, 4))
    >>> pairs = align(*(places(layers(model), [], False) for model in (one, other)))
    >>> [(a and a.type, b and b.type) for a, b in pairs]
    [('Linear', 'Linear'), ('ReLU', None)]
    """
    costs = _Costs(ours, theirs)
    start = 0
    while start < min(len(ours), len(theirs)) and costs(ours[start], theirs[start]) == 0:
        start += 1
    end = 0
    while end < min(len(ours), len(theirs)) - start and costs(ours[-1 - end], theirs[-1 - end]) == 0:
        end += 1
    a, b = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    if len(a) * len(b) > MOST_PAIRS:
        b = b[: MOST_PAIRS // len(a)]
    tail = zip(ours[len(ours) - end :], theirs[len(theirs) - end :], strict=True)
    return [*zip(ours[:start], theirs[:start], strict=True), *_cheapest(a, b, costs), *tail]


def _cheapest(a: Sequence[Place], b: Sequence[Place], costs: _Costs) -> list[Pair]:
    """Needleman and Wunsch's alignment (1970)."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a), -1, -1):
        row = table[i]
        for j in range(len(b), -1, -1):
            if i == len(a) or j == len(b):
                row[j] = _GAP * (len(a) - i + len(b) - j)
            else:
                below = table[i + 1]
                row[j] = min(below[j + 1] + costs(a[i], b[j]), below[j] + _GAP, row[j + 1] + _GAP)
    pairs: list[Pair] = []
    i = j = 0
    while i < len(a) or j < len(b):
        here = table[i][j]
        if i < len(a) and j < len(b) and here == table[i + 1][j + 1] + costs(a[i], b[j]):
            pairs.append((a[i], b[j]))
            i, j = i + 1, j + 1
        elif i < len(a) and here == table[i + 1][j] + _GAP:
            pairs.append((a[i], None))
            i += 1
        else:
            pairs.append((None, b[j]))
            j += 1
    return pairs


class _Costs:
    """Of taking one layer for another: 0 for the same in its place, more than two gaps for what has nothing in common.

    Names without their numbers (layer2.0.downsize.1 is layer2.downsize) are those that a handout fixes: where both
    models have both, they do not stand for each other. The numbers may shift.
    """

    def __init__(self, ours: Sequence[Place], theirs: Sequence[Place]) -> None:
        self._common = {attributes(place.name) for place in ours} & {attributes(place.name) for place in theirs}
        self._kinds: dict[int, tuple[str, str, str]] = {}
        self._known: dict[tuple[object, ...], int] = {}

    def __call__(self, one: Place, other: Place) -> int:
        key = self._kind(one), self._kind(other), one.name == other.name
        if key not in self._known:
            self._known[key] = self._of(one, other)
        return self._known[key]

    def _kind(self, place: Place) -> tuple[str, str, str]:
        """All that counts but the numbers in its name."""
        if id(place) not in self._kinds:
            self._kinds[id(place)] = place.type, str(place.layer.hyper_parameters), attributes(place.name)
        return self._kinds[id(place)]

    def _of(self, one: Place, other: Place) -> int:
        names = attributes(one.name), attributes(other.name)
        if names[0] != names[1] and {*names} <= self._common:
            return _NEVER
        named = _NAME * (one.name != other.name)
        if one.type == other.type:
            return min(_VALUE * len(differing(one.layer, other.layer)), _VALUES) + named
        if any(one.type in family and other.type in family for family in FAMILIES):
            return _KIND + named
        return 2 * _GAP - 1 if one.name == other.name and other.type == "Identity" else _NEVER


def attributes(name: str) -> str:
    """A dotted name without its numbers.

    >>> attributes("layer2.0.downsize.1")
    'layer2.downsize'
    """
    return ".".join(part for part in name.split(".") if not part.isdecimal())
