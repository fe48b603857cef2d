"""Weights under which every layer matters, drawn for the reference and put into the student's module.

block = calibrate(reference.ResidualBlock(6, 2, 8), torch.randn(4, 6, 9, 9), seed=1)
mine = give_weights(student.ResidualBlock(6, 2, 8), block)
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import nn

from grader import tracing
from grader.checks.answers import Answers
from grader.checks.architecture import expect_module
from grader.language import gettext
from grader.protocol import PERIOD
from grader.student import CheckFailed, Remote, call_soon


@torch.no_grad()
def calibrate(module: nn.Module, x: torch.Tensor, seed: int, gain: float = 1.0) -> nn.Module:
    """Give ``module`` (in place) random weights under which every layer matters, and return it.

    Convolutions and linear layers: normal, std sqrt(2 / fan_in) (He et al., 2015), after a `PERIOD` the same numbers
    again, so that large ones are quickly drawn and sent; biases normal with std 0.2; batch norm: scale uniform in [0.5,
    1.5], shift normal with std 0.3, running statistics those of one forward run on ``x``.
    With the initial statistics (mean 0, variance 1) activations shrink or grow from layer to layer and mistakes drown.
    A small ``gain`` makes convolutions' weights that much smaller: then batch norm's eps matters.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = []
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            std = (2 / layer.weight[0].numel()) ** 0.5 * (gain if isinstance(layer, nn.Conv2d) else 1)
            drawn = torch.randn(min(layer.weight.numel(), PERIOD), generator=generator) * std
            tracing.repeat_into(layer.weight, drawn)
            if layer.bias is not None:
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) * 0.2)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.weight.copy_(0.5 + torch.rand(layer.weight.shape, generator=generator))
            layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) * 0.3)
            norms.append((layer, layer.momentum))
            layer.momentum = 1.0
    with torch.random.fork_rng(devices=[]), tracing.without_compiling(x):
        # Not torch.manual_seed: it also notes the call stack, for a GPU, which takes longer than the run itself.
        torch.default_generator.manual_seed(seed)
        module.train()(x)
    for layer, momentum in norms:
        layer.momentum = momentum
    return module.eval()


@torch.no_grad()
def give_repeated(student: Any, reference: nn.Module, x: torch.Tensor, seed: int, most: int | None = None) -> Remote:
    """`calibrate` and `give_weights` for 100 million weights: of each tensor only a block is drawn and sent.

    The rest of a tensor repeats it, with a period that divides no side of it; with ``most`` only so many elements are
    filled, and those after them are 0. Both models may be on the meta device, as if they were then given memory; their
    keys and shapes must be the same.
    """
    module = expect_module(student, str(student))
    generator = torch.Generator().manual_seed(seed)
    if any(value.is_meta for value in reference.parameters()):
        reference._apply(tracing.zeros_untouched)
    elif most is not None:
        for value in reference.parameters():
            value.zero_()
    held = reference.state_dict()
    sent: dict[str, torch.Tensor] = {}
    norms = [layer for layer in reference.modules() if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))]
    for key, value in held.items():
        drawn = torch.randn(min(value.numel(), PERIOD), generator=generator)
        if value.dim() > 1:
            sent[key] = drawn * (2 / value[0].numel()) ** 0.5
        elif key.endswith("running_var"):
            sent[key] = torch.ones_like(drawn)
        elif value.is_floating_point():
            is_scale = key.endswith("weight")
            sent[key] = 1 + 0.3 * drawn.clamp(-2, 2) if is_scale else 0.2 * drawn
        else:
            sent[key] = torch.zeros(1, dtype=value.dtype)
    module.load_repeated(sent, most)  # while the worker does that, so do we
    for key, value in held.items():
        tracing.repeat_into(value, sent[key], most)
    if norms:
        for layer in norms:
            layer.momentum = 1.0
        reference.train()(x)
        for layer in norms:
            layer.momentum = 0.1
        module.load_repeated(
            {key: value for key, value in held.items() if "running_" in key or key.endswith("num_batches_tracked")}
        )
    reference.eval()
    return module


def give_weights(student: Any, reference: nn.Module | Answers) -> Remote:
    """Load the reference's state_dict into the student's module; returns the latter.

    Names that differ do not matter here as long as the shapes, in order, are the same, or each has its like in another
    order or form, as a convolution's weight has in (out, in * k * k): whether a checkpoint loads is a check of its own
    (`architecture.expect_state`). So do further names of the same parameters.

    Raises:
        CheckFailed: the parameters do not correspond.
    """
    module = expect_module(student, str(student))
    original = module_of(reference)
    state = original.state_dict()
    buffers = {name for name, _ in original.named_buffers()}
    theirs = {
        "parameter": [(key, tuple(value.shape)) for key, value in state.items() if key not in buffers],
        "buffer": [(key, tuple(value.shape)) for key, value in state.items() if key in buffers],
    }
    parameters, held = module.state()
    aliases = module.aliases() if len(held) > len(theirs["buffer"]) else {}
    held = [entry for entry in held if entry.name not in aliases]
    mine = {
        "parameter": [(entry.name, entry.shape) for entry in parameters],
        "buffer": [(entry.name, entry.shape) for entry in held],
    }
    words = {"parameter": gettext("parameter"), "buffer": gettext("buffer")}
    renamed = {}
    for each, expected in theirs.items():
        actual, kind = mine[each], words[each]
        if dict(actual) == dict(expected):
            renamed.update({key: state[key] for key, _ in expected})
            continue
        matched = alike(expected, actual) if each == "parameter" else None
        if matched is not None:
            renamed.update({own: state[key].reshape(shape) for key, (own, shape) in matched.items()})
            continue
        for (key, shape), (own, own_shape) in zip(expected, actual, strict=False):
            if shape != own_shape:
                raise CheckFailed(
                    gettext(
                        "{module}: the {kind} {own} has shape {own_shape}; {shape} is expected in its place."
                    ).format(module=module, kind=kind, own=own, own_shape=own_shape, shape=shape),
                    expected=f"{key}: {shape}",
                    actual=f"{own}: {own_shape}",
                )
            renamed[own] = state[key]
        if len(actual) != len(expected):
            raise CheckFailed(
                gettext("{module} has {count} {kind} tensors; {expected} are expected.").format(
                    module=module, count=len(actual), kind=kind, expected=len(expected)
                ),
                expected=len(expected),
                actual=len(actual),
            )
    renamed.update({alias: renamed[name] for alias, name in aliases.items() if name in renamed})
    call_soon(module.load_state_dict, renamed)
    return module


def alike(
    expected: list[tuple[str, tuple[int, ...]]], actual: list[tuple[str, tuple[int, ...]]]
) -> dict[str, tuple[str, tuple[int, ...]]] | None:
    """For each expected tensor one of its own: of its shape, else of as many numbers in as many rows; or None.

    >>> alike([("w", (2, 3, 1, 1)), ("b", (2,))], [("bias", (2,)), ("weight", (2, 3))])
    {'w': ('weight', (2, 3)), 'b': ('bias', (2,))}
    """
    if len(expected) != len(actual):  # of which a hostile network may have a hundred thousand
        return None
    left, found = dict(actual), {}
    for key, shape in expected:
        like = [
            (own, each)
            for own, each in left.items()
            if each == shape or (len(each) > 1 and each[0] == shape[0] and prod(each) == prod(shape))
        ]
        if not like:
            return None
        found[key] = min(like, key=lambda each: each[1] != shape)
        del left[found[key][0]]
    return found


def module_of(reference: nn.Module | Answers) -> nn.Module:
    """The reference's module itself."""
    return reference.module() if isinstance(reference, Answers) else reference
