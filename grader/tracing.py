"""Look inside a module: its layers with their hyper-parameters, and what each one does in a forward run.

Used on the student's model in the worker and on the reference in the judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Layer:
    """One module of a model: dotted name ("" for the model itself), class name, hyper-parameters."""

    name: str
    type: str
    hyper_parameters: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """What one module did in a forward run: shapes in and out (None: no tensor); the output where it was asked for."""

    name: str
    type: str
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    output: torch.Tensor | None


def layers(model: nn.Module) -> list[Layer]:
    """Every module of ``model``, itself included, in the order of ``named_modules``.

    >>> layers(nn.Sequential(nn.Linear(2, 3)))[1].hyper_parameters
    {'in_features': 2, 'out_features': 3, 'bias': True}
    """
    return [Layer(name, type(module).__name__, hyper_parameters(module)) for name, module in model.named_modules()]


def hyper_parameters(module: nn.Module) -> dict[str, Any]:
    """What a torch layer was made with, by its own list of constants; {} for containers and own classes."""
    found: dict[str, Any] = {}
    for name in (*getattr(type(module), "__constants__", ()), "p", "inplace"):
        value = getattr(module, name, None)
        if type(value) in (bool, int, float, str):
            found[name] = value
        elif isinstance(value, tuple) and all(type(item) is int for item in value):
            found[name] = list(value)
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        found["bias"] = module.bias is not None
    return found


def run(function: Any, *args: Any, **kwargs: Any) -> Any:
    """``function(...)``; of an nn.ModuleList, which cannot be called, its modules one after the other.

    So a layer that a student keeps as a ModuleList, and runs in a loop of his own, is judged by what it computes.

    >>> run(nn.ModuleList([nn.Flatten(), nn.Linear(4, 3)]), torch.zeros(5, 2, 2)).shape
    torch.Size([5, 3])
    """
    if not isinstance(function, nn.ModuleList):
        return function(*args, **kwargs)
    (x,) = args
    for module in function:
        x = module(x)
    return x


def trace(model: nn.Module, x: torch.Tensor, outputs: bool = False) -> tuple[list[Step], Exception | None]:
    """Run ``model(x)`` without gradients and list what its modules did, in the order in which they finished.

    Returns:
        The steps, and the exception that stopped the run (the steps are those before it).

    >>> [step.output_shape for step in trace(nn.Sequential(nn.Linear(2, 3)), torch.zeros(5, 2))[0]]
    [(5, 3), (5, 3)]
    """
    steps: list[Step] = []

    def record(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            given = tuple(inputs[0].shape) if inputs and isinstance(inputs[0], torch.Tensor) else None
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else None
            kept = output.detach().clone() if outputs and shape is not None else None
            steps.append(Step(name, type(module).__name__, given, shape, kept))

        return hook

    hooks = [module.register_forward_hook(record(name)) for name, module in model.named_modules()]
    try:
        with torch.no_grad():
            run(model, x)
    except Exception as error:
        return steps, error
    finally:
        for hook in hooks:
            hook.remove()
    return steps, None


@torch.no_grad()
def repeat_into(target: torch.Tensor, numbers: torch.Tensor) -> None:
    """Fill ``target`` (contiguous, of any shape) with ``numbers``, again and again, in the order of its elements.

    >>> repeat_into(target := torch.empty(2, 3), torch.tensor([1.0, 2.0])); target.tolist()
    [[1.0, 2.0, 1.0], [2.0, 1.0, 2.0]]
    """
    flat = target.view(-1)
    numbers = numbers.reshape(-1)
    whole = len(flat) // len(numbers) * len(numbers)
    flat[:whole].view(-1, len(numbers)).copy_(numbers)
    flat[whole:].copy_(numbers[: len(flat) - whole])
