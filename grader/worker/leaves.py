"""Tensors that student code keeps by itself, in no nn.Module: look at them, fill them, differentiate by them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from grader.tracing import repeat_into, sampled, zeros_untouched

_TO = torch.Tensor.to


class Copying(TorchFunctionMode):
    """Within it ``tensor.to(...)`` gives a copy, as it does where the tensor is on another device.

    >>> weight = torch.ones(2, requires_grad=True)
    >>> with Copying():
    ...     moved = weight.to("cpu")
    >>> moved is weight, moved.is_leaf
    (False, False)
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is _TO:
            kwargs["copy"] = True
        return func(*args, **kwargs)


def held(found: Any) -> list[torch.Tensor] | str:
    """``found``, a list or what else can be looped over, as a list of tensors; in words what it is if it holds others.

    >>> held({"weight": torch.ones(2)}), held(None)
    ('a dict that holds a str', 'None')
    """
    if found is None:
        return "None"
    try:
        tensors = list(found)
    except TypeError:
        return f"a {type(found).__name__}"
    for each in tensors:
        if not isinstance(each, torch.Tensor):
            return f"a {type(found).__name__} that holds a {type(each).__name__}"
    return "a single tensor" if isinstance(found, torch.Tensor) else tensors


def look(tensors: Sequence[torch.Tensor], values: bool, gradients: bool, most: int | None = None) -> list[list[object]]:
    """Of each its shape, dtype, device, whether it is a leaf and trained; its value and its gradient, if asked for.

    Of what has more than ``most`` numbers they are a sample (`tracing.sampled`). Of what is on another device than the
    CPU there are none.
    """

    def shown(tensor: torch.Tensor | None, wanted: bool) -> torch.Tensor | None:
        return sampled(tensor, most) if wanted and tensor is not None and tensor.device.type == "cpu" else None

    return [
        [
            tensor.shape,
            str(tensor.dtype),
            tensor.device.type,
            tensor.is_leaf,
            tensor.requires_grad,
            shown(tensor, values),
            shown(tensor.grad if tensor.is_leaf else None, gradients),
        ]
        for tensor in tensors
    ]


def reaches(target: object, device: str, module: ModuleType) -> bool:
    """Whether ``target`` refers, through whatever objects, to a tensor on ``device``; also where that cannot be known.

    It looks into ``module``, to which its functions and classes belong, and into no other.

    >>> reaches([torch.ones(2)], "cpu", torch), reaches([{"a": torch.ones(2, device="meta")}], "cpu", torch)
    (True, False)
    """
    seen = {id(vars(each)) for each in list(sys.modules.values()) if each is not module and hasattr(each, "__dict__")}
    waiting = [target]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or (isinstance(each, ModuleType) and each is not module):
            continue
        seen.add(id(each))
        if isinstance(each, torch.Tensor):
            if each.device.type == device:
                return True
        elif type(each).__module__.startswith(("torch._C", "torch.jit")):  # what is in there, Python does not know
            return True
        elif not isinstance(each, type) or each.__module__ == module.__name__:
            waiting += gc.get_referents(each)
    return False


@torch.no_grad()
def fill(tensors: Sequence[torch.Tensor], values: Sequence[torch.Tensor], repeat: bool = False) -> None:
    """Copy ``values`` into ``tensors``, in place. A smaller value is that of the first rows and columns; the rest is 0.

    A tensor on the meta device becomes a real one; of the zeros in it most take no memory. With ``repeat`` a value is
    repeated instead, in the order of the tensor's elements.
    """
    for tensor, value in zip(tensors, values, strict=True):
        if repeat:
            whole = tensor.detach() if tensor.is_contiguous() else torch.empty(tensor.shape, dtype=tensor.dtype)
            repeat_into(whole, value)
            if not tensor.is_contiguous():
                tensor.copy_(whole)
            continue
        real = tensor if tensor.device.type == "cpu" else zeros_untouched(tensor)
        if real is tensor and value.shape != tensor.shape:
            tensor.zero_()
        real[tuple(slice(extent) for extent in value.shape)].copy_(value)
        if real is not tensor:
            torch.utils.swap_tensors(tensor, real.requires_grad_(tensor.requires_grad))


def made(values: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor | None] | None) -> list[torch.Tensor]:
    """Leaves of these values, with these gradients; without, tensors that are not trained."""
    if gradients is None:
        return [value.clone() for value in values]
    leaves = [value.clone().requires_grad_() for value in values]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = None if gradient is None else gradient.clone()
    return leaves


def differentiate(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    places: list[int],
    leaves: Sequence[torch.Tensor],
    cotangent: torch.Tensor,
    seed: int | None,
    fresh: bool,
    most: int | None,
) -> dict[str, object]:
    """Gradients of <function(*args, **kwargs), cotangent>, at the arguments in ``places`` and at the ``leaves``.

    The leaves' gradients are added to those they have (with ``fresh``, they have none), and stay. Where the output has
    another shape than ``cotangent`` there are none. Of leaves with more than ``most`` numbers a sample is returned.

    Returns:
        {"output", "arguments": tensors as they are afterwards, "places": gradients, "leaves": gradients}
    """
    inputs = {place: args[place].clone().requires_grad_() for place in places}
    given = [inputs[place].clone() if place in inputs else argument for place, argument in enumerate(args)]
    for leaf in leaves if fresh else ():
        leaf.grad = None
    if seed is not None:
        torch.manual_seed(seed)
    with torch.enable_grad():
        output = function(*given, **kwargs)
        if isinstance(output, torch.Tensor) and output.shape == cotangent.shape and output.requires_grad:
            # Not output.backward(cotangent): that makes torch import its symbolic shapes, which takes seconds.
            (output * cotangent).sum().backward()
    return {
        "output": output,
        "arguments": [argument if isinstance(argument, torch.Tensor) else None for argument in given],
        "places": [inputs[place].grad for place in places],
        "leaves": [None if not leaf.is_leaf or leaf.grad is None else sampled(leaf.grad, most) for leaf in leaves],
    }
