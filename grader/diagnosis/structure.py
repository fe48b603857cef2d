"""What two models differ in beside what they compute: names, weights that are shared or not trained, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from grader.diagnosis.align import Pair, Place, differing
from grader.diagnosis.compare import Known, Run, hyper_parameter, lacking, pairs_of, surplus
from grader.diagnosis.finding import Finding
from grader.language import gettext
from grader.tracing import Layer

# What decides the shape of a weight, so that no checkpoint fits where it is another.
_SHAPING = (
    "kernel_size", "groups", "num_features", "normalized_shape", "in_channels", "in_features", "out_channels",
    "out_features", "bias", "affine", "track_running_stats", "num_embeddings", "embedding_dim",
)  # fmt: skip
# What only layers with weights or running statistics have.
_WEIGHTED = {"num_features", "normalized_shape", "in_channels", "in_features", "num_embeddings"}


@dataclass(frozen=True)
class State:
    """Key and shape of every entry of both state_dicts, and the names of the parameters that are not trained."""

    ours: Mapping[str, tuple[int, ...]]
    theirs: Mapping[str, tuple[int, ...]]
    our_frozen: set[str]
    their_frozen: set[str]


def shared(pairs: Sequence[Pair]) -> Finding | None:
    """One layer with weights in the place of several of the reference's."""
    seen: dict[str, str] = {}
    for one, other in pairs:
        if one is None or other is None or not _weighted(one):
            continue
        first = seen.setdefault(other.name, one.name)
        if first != one.name:
            said = gettext(
                "it is one and the same object in the place of {first} and of {name}; make a new one for each."
            ).format(first=first, name=one.name)
            return Finding(other.name, other.type, "shared", said, other.layer.lines)
    return None


def difference(ours: Run, theirs: Run, state: State, known: Known | None = None) -> Finding | None:
    """Of two models that compute the same, as far as it could be seen; or of which nothing could be seen."""
    pairs = pairs_of(ours, theirs, known)
    both = [(one, other) for one, other in pairs if one is not None and other is not None]
    fits = state.ours == state.theirs  # so every layer with weights has its shape, whatever it is paired with

    def unlike(one: Place, other: Place) -> list[str]:
        expected = _SHAPING if fits and _weighted(one) else ()
        return [name for name in differing(one.layer, other.layer) if name not in expected]

    for one, other in both:
        wrong = [name for name in unlike(one, other) if name in _SHAPING]
        if wrong and one.type == other.type:
            return hyper_parameter(one.layer, other.layer, wrong)
    if set(state.ours) != set(state.theirs):
        gaps = [(one, other) for one, other in pairs if one is None or other is None]
        if gaps:
            return _swapped(gaps) or _gap(ours, theirs, pairs)
        renamed = next(((one, other) for one, other in both if one.name != other.name and _weighted(one)), None)
        if renamed is not None:
            return _named(*renamed)
        more = [key for key in state.theirs if key not in state.ours]
        if more:
            owner = more[0].rpartition(".")[0]
            said = gettext("it has {more}, which is not asked for.").format(more=more[0])
            return Finding(owner, theirs.type(owner), "extra", said)
    frozen_ = frozen(pairs, state)
    if frozen_ is not None:
        return frozen_
    kinds: dict[str, tuple[Place, Place]] = {}
    for one, other in both:
        names = unlike(one, other) if one.type == other.type else ["type"]
        for name in names:
            kinds.setdefault(name, (one, other))
    if len(kinds) == 1:
        ((name, (one, other)),) = kinds.items()
        if name == "type":
            said = gettext("it is a {type}; a {expected} is expected here.").format(type=other.type, expected=one.type)
            return Finding(other.name, other.type, "type", said, other.layer.lines, confident=False)
        found = hyper_parameter(one.layer, other.layer, [name])
        return replace(found, confident=False)
    return None


def _weighted(place: Place) -> bool:
    return bool(_WEIGHTED & set(place.layer.hyper_parameters))


def _named(one: Place, other: Place) -> Finding:
    mine, wanted = other.name.split("."), one.name.split(".")
    same = 0
    while same < min(len(mine), len(wanted)) - 1 and mine[same] == wanted[same]:
        same += 1
    ours, theirs = ".".join(wanted[: same + 1]), ".".join(mine[: same + 1])
    if ours == theirs or len(mine) != len(wanted):
        ours, theirs = one.name, other.name
    said = gettext("{theirs} is called {ours} in the handout; with other names the checkpoint does not fit.").format(
        theirs=theirs, ours=ours
    )
    return Finding(theirs, other.type if theirs == other.name else "", "name", said, other.layer.lines)


def _gap(ours: Run, theirs: Run, pairs: Sequence[Pair]) -> Finding:
    """The first layers that only one of the models has."""
    here = ""
    missing: list[Place] = []
    extra: list[Place] = []
    for one, other in pairs:
        if one is not None and other is not None:
            if missing or extra:
                break
            here = other.name
        elif one is not None and not extra:
            missing.append(one)
        elif other is not None and not missing:
            extra.append(other)
    return lacking(ours, theirs, missing, here) if missing else surplus(ours, theirs, extra)


def _swapped(gaps: Sequence[Pair]) -> Finding | None:
    """Where the first gap is closed by what stands in another one."""
    one, other = gaps[0]
    for first, second in gaps[1:]:
        if one is not None and second is not None and second.type == one.type:
            found = second
        elif other is not None and first is not None and first.type == other.type:
            found = other
        else:
            continue
        said = gettext("{name} ({type}) is there, but not in its place.").format(name=found.name, type=found.type)
        return Finding(found.name, found.type, "order", said, found.layer.lines)
    return None


def frozen(pairs: Sequence[Pair], state: State) -> Finding | None:
    """The first layer with a parameter that is not trained although it should be."""
    for one, other in pairs:
        if one is None or other is None:
            continue
        for key in sorted(state.their_frozen):
            inside, _, last = key.rpartition(".")
            if inside == other.name and f"{one.name}.{last}".strip(".") not in state.our_frozen:
                said = gettext("its {last} has requires_grad=False, so it is never trained.").format(last=last)
                return Finding(other.name, other.type, "requires_grad", said, other.layer.lines)
    return None


def buffers(one: Place, other: Place, key: str) -> Finding:
    """A layer whose running statistics after a run in train mode are not the reference's."""
    wrong = differing(one.layer, other.layer) if one.type == other.type else []
    if wrong:
        return hyper_parameter(one.layer, other.layer, wrong)
    said = gettext("after a run in train mode its {statistic} is not what it should be.").format(
        statistic=key.rpartition(".")[2]
    )
    return Finding(other.name, other.type, "output", said, other.layer.lines, confident=False)


def gradient_agrees(actual: torch.Tensor | None, expected: torch.Tensor | None, cotangent: torch.Tensor) -> bool:
    """As `grader.checks.numerics.expect_same_gradient` asks it."""
    if actual is None or expected is None or actual.shape != expected.shape:
        return actual is expected
    scale = max(expected.abs().max().item(), 1e-3 * cotangent.abs().max().item())
    return (actual.float() - expected).abs().max().item() <= 1e-2 * scale


def gradient(
    pairs: Sequence[Pair], right: Mapping[str, bool], at_input: bool, layers: Sequence[Layer]
) -> Finding | None:
    """Where the gradient, which comes from the end of the model, stops being right."""
    types = {layer.name: layer.type for layer in layers}
    after = None
    for _, other in reversed(pairs):
        if other is None:
            continue
        own = [agrees for key, agrees in right.items() if key.rpartition(".")[0] == other.name]
        if own and not all(own):
            inside = _around(other.name, after, types)
            said = gettext(
                "no gradient, or a wrong one, comes to {name}: detach, no_grad, .data or numpy cut it."
            ).format(name=other.name)
            return Finding(inside, types.get(inside, ""), "gradient", said)
        if own:
            after = other.name
    if not at_input:
        said = gettext(
            "the gradient at its input is not right: something in forward cuts it (detach, no_grad, .data, numpy)."
        )
        return Finding("", types.get("", ""), "gradient", said)
    return None


def _around(one: str, other: str | None, types: Mapping[str, str]) -> str:
    """The innermost module that holds both, and that does something of its own."""
    inside = one.rpartition(".")[0]
    while inside and (
        (other is not None and not other.startswith(f"{inside}."))
        or types.get(inside) in ("Sequential", "ModuleList", "ModuleDict")
    ):
        inside = inside.rpartition(".")[0]
    return inside
