"""Look inside a module: its layers with their hyper-parameters, and what each one does in a forward run.

Used on the student's model in the worker and on the reference in the judge.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import gcd, prod
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

_SMALL = 4_096  # numbers; (4, 8, 9, 9) has 2,592
MOST_LINES = 20  # kept of what made one module, the innermost
_LINES = "_grader_lines"
_ABSENT = object()
_LAYERS = {  # torch's operations, and the functions of torch.nn.functional that end in them
    "relu": "relu",
    "relu_": "relu",
    "clamp_min": "relu",
    "mm": "linear",
    "addmm": "linear",
    "bernoulli_": "dropout",
    "native_dropout": "dropout",
}


@dataclass(frozen=True)
class Layer:
    """One module of a model: dotted name ("" for the model itself), class name, hyper-parameters.

    ``lines`` of the file it was made by, outermost first, where `note_lines` was called before it was made.
    """

    name: str
    type: str
    hyper_parameters: dict[str, Any]
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """What one module did in a forward run: shapes in and out (None: no tensor); the tensors where they were asked for.

    ``leaf``: it has no modules inside; ``training``: its mode during the run.
    """

    name: str
    type: str
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    output: torch.Tensor | None
    input: torch.Tensor | None = None
    leaf: bool = True
    training: bool = False


def layers(model: nn.Module) -> list[Layer]:
    """Every module of ``model``, itself included, in the order of ``named_modules``.

    >>> layers(nn.Sequential(nn.Linear(2, 3)))[1].hyper_parameters
    {'in_features': 2, 'out_features': 3, 'bias': True}
    """
    return [
        Layer(name, type(module).__name__, hyper_parameters(module), module.__dict__.get(_LINES, ()))
        for name, module in model.named_modules()
    ]


def note_lines(file: str) -> None:
    """From now on modules remember which lines of ``file`` made them (`Layer.lines`); for a process of its own."""
    plain = nn.Module.__init__

    def noting(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        lines: list[int] = []
        frame = sys._getframe(1)
        while frame is not None and len(lines) < MOST_LINES:
            own = frame.f_code.co_name == "__init__" and frame.f_locals.get("self") is self  # its class, not its maker
            if frame.f_code.co_filename == file and not own:
                lines.append(frame.f_lineno)
            frame = frame.f_back  # type: ignore[assignment]
        self.__dict__[_LINES] = tuple(reversed(lines))

    nn.Module.__init__ = noting  # type: ignore[method-assign]


def hyper_parameters(module: nn.Module) -> dict[str, Any]:
    """What a torch layer was made with, by its own list of constants; {} for containers and own classes."""
    found: dict[str, Any] = {}
    for name in (*getattr(type(module), "__constants__", ()), "p", "inplace"):
        value = getattr(module, name, _ABSENT)
        if value is None or type(value) in (bool, int, float, str):
            found[name] = value
        elif isinstance(value, tuple) and all(type(item) is int for item in value):
            found[name] = list(value)
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        found["bias"] = module.bias is not None
    return found


@contextlib.contextmanager
def without_compiling(*given: Any) -> Iterator[None]:
    """Within it, torch does convolutions by itself, if all tensors ``given`` are small.

    Otherwise oneDNN does them, and compiles a kernel for every shape it has not met (0.2 to 1 ms), which only pays
    where there is much to compute.

    >>> with without_compiling(torch.zeros(2, 3, 4, 4)):
    ...     nn.Conv2d(3, 1, 3)(torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 1, 2, 2])
    """
    tensors = [each for each in given if isinstance(each, torch.Tensor)]
    if not tensors or sum(each.numel() for each in tensors) > _SMALL:
        yield
        return
    flags: Any = torch.backends.mkldnn
    was, flags.enabled = flags.enabled, False
    try:
        yield
    finally:
        flags.enabled = was


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


def trace(
    model: nn.Module, x: torch.Tensor, outputs: bool = False, inputs: bool = False, seed: int | None = None
) -> tuple[list[Step], Exception | None]:
    """Run ``model(x)`` without gradients and list what its modules did, in the order in which they finished.

    Args:
        outputs, inputs: keep these tensors, too.
        seed: of torch, set before the run.

    Returns:
        The steps, and the exception that stopped the run (the steps are those before it; with ``inputs`` the last ones
        are those of the modules that it stopped, innermost first, with an input and no output).

    >>> [step.output_shape for step in trace(nn.Sequential(nn.Linear(2, 3)), torch.zeros(5, 2))[0]]
    [(5, 3), (5, 3)]
    """
    steps: list[Step] = []
    entered: list[Step] = []  # modules under way, outermost first

    def begin(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, given: tuple[Any, ...]) -> None:
            x = given[0] if given and isinstance(given[0], torch.Tensor) else None
            kept = x.detach().clone() if inputs and x is not None else None
            leaf = next(module.children(), None) is None
            shape = None if x is None else tuple(x.shape)
            entered.append(Step(name, type(module).__name__, shape, None, None, kept, leaf, module.training))

        return hook

    def finish(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            while (step := entered.pop()).name != name:
                pass  # one that raised, and the code around it went on
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else None
            kept = output.detach().clone() if outputs and shape is not None else None
            steps.append(replace(step, output_shape=shape, output=kept))

        return hook

    hooks = []
    for name, module in model.named_modules():
        hooks += [module.register_forward_pre_hook(begin(name)), module.register_forward_hook(finish(name))]
    if seed is not None:
        torch.manual_seed(seed)
    try:
        with torch.no_grad():
            run(model, x)
    except Exception as error:
        return steps + (entered[::-1] if inputs else []), error
    finally:
        for hook in hooks:
            hook.remove()
    return steps, None


def zeros_untouched(like: torch.Tensor) -> torch.Tensor:
    """Zeros of the shape and type of ``like``, which the system gives when they are touched; torch.zeros touches them.

    >>> zeros_untouched(torch.ones(2)).tolist()
    [0.0, 0.0]
    """
    return torch.from_numpy(np.zeros(tuple(like.shape), np.float32)).to(like.dtype)


class Watching(TorchDispatchMode):
    """Base of what is told of every operation of torch's (`__torch_dispatch__`), without torch's compiler."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """If so, torch imports its compiler at the first operation, which takes as long as importing torch did."""
        return False


class _Operations(Watching):
    """Notes the operations of `_LAYERS` as steps and layers, whatever function of torch's they come from."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.layers: list[Layer] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [tuple(each.shape) for each in args if isinstance(each, torch.Tensor)]
        output = func(*args, **(kwargs or {}))
        first = output[0] if isinstance(output, tuple) else output
        if not given or not isinstance(first, torch.Tensor):
            return output
        name, type_ = func._schema.name.removeprefix("aten::"), None
        shape, number, sizes = given[0], str(len(self.steps)), {}
        if name == "view" and len(shape) == 4 and first.dim() == 2:
            type_ = "flatten"
        elif name == "convolution":
            type_, sizes = "conv2d", {"kernel_size": given[1][2:], "stride": args[3], "padding": args[4]}
        elif name == "max_pool2d_with_indices":
            type_, sizes = "max_pool2d", dict(zip(("kernel_size", "stride", "padding"), args[1:4], strict=False))
        elif name in _LAYERS:
            type_, shape = _LAYERS[name], given[1] if name == "addmm" else shape
        if type_ is not None:
            self.steps.append(Step(number, type_, shape, tuple(first.shape), None))
            self.layers.append(Layer(number, type_, {key: list(value) for key, value in sizes.items()}))
        return output


def operations(function: Callable[..., Any], *args: Any) -> tuple[list[Step], list[Layer]]:
    """Run ``function(*args)`` without gradients and list its operations as if each were a layer.

    For a network that is made of function calls: convolution, max pooling, ReLU, dropout, flattening and products
    with a matrix, by their names in torch.nn.functional.

    >>> x, weight = torch.zeros(1, 3, 8, 8), torch.zeros(4, 3, 3, 3)
    >>> steps, layers = operations(lambda x: torch.conv2d(x, weight, padding=1).relu(), x)
    >>> [(step.type, step.output_shape) for step in steps]
    [('conv2d', (1, 4, 8, 8)), ('relu', (1, 4, 8, 8))]
    >>> layers[0].hyper_parameters
    {'kernel_size': [3, 3], 'stride': [1, 1], 'padding': [1, 1]}
    """
    with torch.no_grad(), _Operations() as noted:
        function(*args)
    return noted.steps, noted.layers


def sampled(value: torch.Tensor, most: int | None) -> torch.Tensor:
    """``value``, or of more than ``most`` numbers every n-th as (count,), count at most ``most``.

    n has no divisor in common with their number, so that the sample has them from all rows and columns.

    >>> sampled(torch.arange(10).view(2, 5), 10).shape, sampled(torch.arange(10).view(2, 5), 5)
    (torch.Size([2, 5]), tensor([0, 3, 6, 9]))
    """
    step = _step(value.numel(), most)
    return value if step is None else value.reshape(-1)[::step]


def sampled_shape(shape: Sequence[int], most: int | None) -> tuple[int, ...]:
    """The shape of what `sampled` gives.

    >>> sampled_shape((2, 5), 5), sampled_shape((2, 5), None)
    ((4,), (2, 5))
    """
    step = _step(prod(shape), most)
    return tuple(shape) if step is None else (-(-prod(shape) // step),)


def _step(count: int, most: int | None) -> int | None:
    if most is None or count <= most:
        return None
    step = -(-count // most)
    while gcd(step, count) > 1:
        step += 1
    return step


@torch.no_grad()
def repeat_into(target: torch.Tensor, numbers: torch.Tensor, most: int | None = None) -> None:
    """Fill ``target`` (of any shape) with ``numbers``, again and again, in the order of its elements.

    With ``most`` only so many of its elements; the rest is left as it is.

    >>> repeat_into(target := torch.zeros(2, 3), torch.tensor([1.0, 2.0])); target.tolist()
    [[1.0, 2.0, 1.0], [2.0, 1.0, 2.0]]
    >>> repeat_into(target := torch.zeros(2, 3), torch.tensor([1.0, 2.0]), most=3); target.tolist()
    [[1.0, 2.0, 1.0], [0.0, 0.0, 0.0]]
    >>> repeat_into(target := torch.zeros(3, 2).T, torch.tensor([1.0, 2.0])); target.tolist()
    [[1.0, 2.0, 1.0], [2.0, 1.0, 2.0]]
    """
    if not target.is_contiguous():  # in the memory format channels_last, say
        whole = target.contiguous()
        repeat_into(whole, numbers, most)
        target.copy_(whole)
        return
    flat = target.view(-1)[:most]
    numbers = numbers.reshape(-1)
    even = len(flat) // len(numbers) * len(numbers)
    flat[:even].view(-1, len(numbers)).copy_(numbers)
    flat[even:].copy_(numbers[: len(flat) - even])
