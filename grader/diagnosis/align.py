"""Which layer of a student's model stands for which of the reference's: by order and kind, names only break ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grader.tracing import Layer, Step

MOST = 2_000  # layers that are looked at: the student's model is the student's
MOST_PAIRS = 250_000  # of which all are compared; where there are more, what the models begin and end with alike is not
# Kinds that a student may take for one another. Another kind in the same place is a wrong type rather than a layer
# too few and one too many.
FAMILIES = (
    {"ReLU", "ReLU6", "LeakyReLU", "GELU", "ELU", "SELU", "SiLU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Hardswish"}
    | {"PReLU", "Softplus", "Mish", "CELU", "Hardtanh", "LogSigmoid"},
    {"MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "LPPool2d", "FractionalMaxPool2d"},
    {"BatchNorm1d", "BatchNorm2d", "LayerNorm", "InstanceNorm1d", "InstanceNorm2d", "GroupNorm", "LocalResponseNorm"},
    {"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"},
    {"Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d"},
)
_GAP, _NAME = 0.7, 0.1


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
    known = {layer.name: layer for layer in layers}
    found = [Place(known[step.name], step) for step in steps if step.leaf and step.name in known]
    if not complete:
        ran = {place.name for place in found}
        inner = {name.rpartition(".")[0] for name in known if name}
        inner |= {"" for name in known if name and "." not in name}
        found += [Place(layer, None) for name, layer in known.items() if name not in ran and name not in inner]
    return found[:MOST]


def differing(ours: Layer, theirs: Layer) -> list[str]:
    """The hyper-parameters that differ, those that decide the shape of the weights first; not ``inplace``."""
    names = [
        name
        for name, value in ours.hyper_parameters.items()
        if name != "inplace" and name in theirs.hyper_parameters and not _equal(value, theirs.hyper_parameters[name])
    ]
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
    """Pairs in order, a None where one side has nothing for the other's layer; as few and small differences as possible.

    >>> from torch import nn
    >>> from grader.tracing import layers
    >>> one, other = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Sequential(nn.Linear(2, 4))
    >>> pairs = align(*(places(layers(model), [], False) for model in (one, other)))
    >>> [(a and a.type, b and b.type) for a, b in pairs]
    [('Linear', 'Linear'), ('ReLU', None)]
    """
    start = 0
    while start < min(len(ours), len(theirs)) and _cost(ours[start], theirs[start]) == 0:
        start += 1
    end = 0
    while end < min(len(ours), len(theirs)) - start and _cost(ours[-1 - end], theirs[-1 - end]) == 0:
        end += 1
    a, b = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    if len(a) * len(b) > MOST_PAIRS:
        b = b[: MOST_PAIRS // len(a)]
    tail = zip(ours[len(ours) - end :], theirs[len(theirs) - end :], strict=True)
    return [*zip(ours[:start], theirs[:start], strict=True), *_cheapest(a, b), *tail]


def _cheapest(a: Sequence[Place], b: Sequence[Place]) -> list[Pair]:
    """Needleman and Wunsch's alignment (1970)."""
    table = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a), -1, -1):
        for j in range(len(b), -1, -1):
            if i == len(a) or j == len(b):
                table[i][j] = _GAP * (len(a) - i + len(b) - j)
            else:
                table[i][j] = min(
                    table[i + 1][j + 1] + _cost(a[i], b[j]), table[i + 1][j] + _GAP, table[i][j + 1] + _GAP
                )
    pairs: list[Pair] = []
    i = j = 0
    while i < len(a) or j < len(b):
        here = table[i][j]
        if i < len(a) and j < len(b) and here == table[i + 1][j + 1] + _cost(a[i], b[j]):
            pairs.append((a[i], b[j]))
            i, j = i + 1, j + 1
        elif i < len(a) and here == table[i + 1][j] + _GAP:
            pairs.append((a[i], None))
            i += 1
        else:
            pairs.append((None, b[j]))
            j += 1
    return pairs


def _cost(one: Place, other: Place) -> float:
    """Of taking one for the other: 0 for the same in the same place, more than two gaps for what has nothing in common."""
    named = 0.0 if one.name == other.name else _NAME
    if one.type == other.type:
        return min(0.2 * len(differing(one.layer, other.layer)), 0.8) + named
    if any(one.type in family and other.type in family for family in FAMILIES):
        return 0.9 + named
    return 2.0 if one.name == other.name and other.type == "Identity" else 3 * _GAP
