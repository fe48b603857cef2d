"""What a model does, for a solution's interface.py: its state; outputs, gradients, statistics under fixed weights.

Made without the checks and their helpers: these are what is under audit. Everything is computed in float64, where right
code written differently agrees to ten digits and the slightest mistake does not.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

# Of one number between two runs, relative to the largest of its tensor: float64 has 16 digits.
TOLERANCE = 1e-8
# Two samples of n numbers of one distribution: their empirical distributions differ by more than 3 sqrt(2/n) once in
# 3e7 (Smirnov, 1948: 2 exp(-2 * 3^2)).
SMIRNOV = 3.0
MOST = 2_000_000  # numbers of a gradient that are kept; of larger tensors `digest` is compared

Observation = tuple[str, object]


@dataclass(frozen=True)
class Drawn:
    """Numbers drawn at random: two of them agree when they can be of one distribution."""

    numbers: torch.Tensor


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers: float64, of ``shape``."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def state(model: nn.Module) -> dict[str, object]:
    """Key: (shape, dtype, whether it is trained) of every entry of the state_dict.

    >>> state(nn.Linear(2, 3))["bias"]
    ((3,), 'torch.float32', True)
    """
    trained = dict(model.named_parameters())
    return {
        key: (tuple(value.shape), str(value.dtype), key in trained and trained[key].requires_grad)
        for key, value in model.state_dict().items()
    }


@torch.no_grad()
def fill(model: nn.Module) -> nn.Module:
    """Give ``model`` (in place, in float64) weights that follow from the keys of its state_dict alone; returns it."""
    model.double()
    for key, value in model.state_dict().items():
        value.copy_(_weights(key, value.shape))
    return model


@lru_cache(maxsize=4_000)  # drawing 15 million numbers takes longer than computing with them
def _weights(key: str, shape: torch.Size) -> torch.Tensor:
    drawn = noise(*shape, seed=zlib.crc32(key.encode())) if shape else torch.tensor(0.0)
    if key.endswith("running_var"):
        return drawn.abs() + 0.5
    if len(shape) > 1:
        return drawn * math.sqrt(2 / shape[1:].numel())
    return 0.3 * drawn + (1 if key.endswith("weight") else 0)  # the weight of a norm, else a bias or a mean


def behaviour(model: nn.Module, *inputs: torch.Tensor, gradients: bool = True) -> Iterator[Observation]:
    """State, outputs in eval mode, then train mode with its buffers and gradients (of the first input).

    Random layers draw from one seed, so that two models with the same law and the same order of drawing agree.
    """
    yield "state_dict", state(model)
    yield "loading an empty state_dict", outcome(lambda: model.load_state_dict({}))
    fill(model).eval()
    for x in inputs:
        given = x.clone()
        with torch.no_grad():
            yield f"output on {tuple(x.shape)}", model(given)
            yield "the input afterwards", given.clone()
            yield "output, called again", model(given)
    for training in (False, True) if gradients else ():
        mode = "train" if training else "eval"
        fill(model).train(training)
        torch.manual_seed(0)
        x = inputs[0].clone().requires_grad_()
        output = model(x * 1)  # not a leaf: what works in place on its input can be differentiated
        yield f"output in {mode} mode", output.detach()
        model.zero_grad(set_to_none=True)
        (output * noise(*output.shape, seed=1)).sum().backward()
        yield f"gradient of the input in {mode} mode", x.grad
        for name, parameter in sorted(model.named_parameters()):  # the order in which layers are made is free
            yield f"gradient of {name} in {mode} mode", digest(parameter.grad)
    for name, buffer in sorted(model.named_buffers()):
        yield f"{name} after a run in train mode", buffer.clone()
    model.zero_grad(set_to_none=True)


def digest(value: torch.Tensor | None) -> object:
    """A large tensor as its norm and a weighted sum; a small one as it is.

    >>> digest(torch.ones(3))
    tensor([1., 1., 1.])
    """
    if value is None or value.numel() <= MOST:
        return value
    flat = value.flatten().double()
    return torch.stack([flat.norm(), flat @ torch.arange(len(flat), dtype=torch.float64).cos()])


def shared(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models have an entry of their state_dict in common, not only equal ones.

    >>> shared(layer := nn.Linear(1, 1), nn.Sequential(layer)), shared(nn.Linear(1, 1), nn.Linear(1, 1))
    (True, False)
    """
    addresses = {value.data_ptr() for value in one.state_dict().values()}
    return any(value.data_ptr() in addresses for value in other.state_dict().values())


def outcome(function: Callable[[], Any]) -> str:
    """ "works", or "raises" where ``function()`` does.

    >>> outcome(lambda: 1 / 0)
    'raises'
    """
    try:
        function()
    except Exception:
        return "raises"
    return "works"


def same(one: object, other: object) -> bool:
    """Whether two observations agree.

    >>> same({"a": [torch.ones(2)]}, {"a": [torch.ones(2)]}), same(torch.ones(2), torch.ones(2, 1)), same(1, True)
    (True, False, False)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, Drawn) and isinstance(other, Drawn):
        return _one_distribution(one.numbers, other.numbers)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        if not one.is_floating_point() or not one.numel():
            return torch.equal(one, other)
        scale = max(float(one.abs().max()), 1e-30) if torch.isfinite(one).all() else 1.0
        return torch.allclose(one, other, rtol=0, atol=TOLERANCE * scale, equal_nan=True)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _one_distribution(one: torch.Tensor, other: torch.Tensor) -> bool:
    """The two-sample test of Kolmogorov and Smirnov."""
    if one.shape != other.shape:
        return False
    first, second = one.flatten().sort().values, other.flatten().sort().values
    points = torch.cat([first, second])
    below = [torch.searchsorted(each, points, right=True).double() / len(each) for each in (first, second)]
    return float((below[0] - below[1]).abs().max()) <= SMIRNOV * math.sqrt(2 / len(first))
