"""Architecture: shapes, parameter counts, state_dict keys.

y = student.vgg16()(torch.zeros(2, 3, 32, 32))
expect_shape(y, (2, 10), "vgg16() on a (2, 3, 32, 32) batch")
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch

from grader.student import CheckFailed, Path, Remote, StudentError, call

Shape = tuple[int, ...]


def expect_tensor(value: Any, what: str) -> torch.Tensor:
    """``value`` as a tensor.

    Raises:
        CheckFailed: it is something else.

    >>> expect_tensor([1.0], "forward")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: forward returned a list; a tensor is expected.
    """
    if isinstance(value, torch.Tensor):
        return value
    if value is None:
        raise CheckFailed(f"{what} returned None. Is a return missing?", expected="a tensor", actual="None")
    kind = value.type if isinstance(value, Remote) else type(value).__name__
    raise CheckFailed(f"{what} returned a {kind}; a tensor is expected.", expected="a tensor", actual=kind)


def expect_module(value: Any, what: str) -> Remote:
    """``value`` as an nn.Module of the student's.

    Raises:
        CheckFailed: it is something else.
    """
    if isinstance(value, Remote) and value.is_module:
        return value
    kind = value.type if isinstance(value, Remote) else "None" if value is None else f"a {type(value).__name__}"
    raise CheckFailed(f"{what} gives {kind}; an nn.Module is expected.", expected="an nn.Module", actual=kind)


def expect_shape(value: Any, shape: Shape, what: str) -> torch.Tensor:
    """``value`` as a tensor of ``shape``.

    Raises:
        CheckFailed: no tensor, or another shape.

    >>> expect_shape(torch.zeros(2, 3), (2, 4), "fc")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: fc has shape (2, 3); (2, 4) is expected.
    """
    tensor = expect_tensor(value, what)
    actual = tuple(tensor.shape)
    if actual != shape:
        raise CheckFailed(f"{what} has shape {actual}; {shape} is expected.", expected=shape, actual=actual)
    return tensor


def expect_parameter_count(model: Remote, count: int) -> None:
    """``model`` has ``count`` parameters (numbers, not tensors), all of them trained.

    Raises:
        CheckFailed: more, fewer, or some that do not require a gradient.
    """
    parameters = model.parameters()
    actual = sum(prod(parameter.shape) for parameter in parameters)
    if actual != count:
        raise CheckFailed(
            f"{model} has {actual:,} parameters; {count:,} are expected ({actual - count:+,}).",
            expected=count,
            actual=actual,
        )
    frozen = [parameter.name for parameter in parameters if not parameter.requires_grad]
    if frozen:
        raise CheckFailed(f"{model}: {frozen[0]} is not trained (requires_grad is False).")


def expect_state(model: Remote, expected: Mapping[str, Shape]) -> None:
    """The keys and shapes of the state_dict are ``expected``: what a checkpoint needs in order to load.

    Raises:
        CheckFailed: naming the first missing, surplus or misshapen entries.
    """
    parameters, buffers = model.state()
    actual = {entry.name: entry.shape for entry in [*parameters, *buffers]}
    missing = [key for key in expected if key not in actual]
    surplus = [key for key in actual if key not in expected]
    if missing or surplus:
        parts = [f"has no {_some(missing)}"] if missing else []
        parts += [f"has {_some(surplus)}, which should not be there"] if surplus else []
        raise CheckFailed(
            f"The state_dict of {model} {' and '.join(parts)}; so the reference checkpoint does not fit.",
            expected=f"{len(expected)} entries",
            actual=f"{len(actual)} entries",
        )
    for key, shape in expected.items():
        if actual[key] != shape:
            raise CheckFailed(
                f"{key} of {model} has shape {actual[key]}; {shape} is expected.", expected=shape, actual=actual[key]
            )


def shapes_of(build: Path, *args: Any, **kwargs: Any) -> Remote:
    """What ``build(*args, **kwargs)`` returns, made without numbers (on torch's meta device) where that works.

    So a network of half a gigabyte costs milliseconds; its state has names, shapes and types.

    Raises:
        CheckFailed: it is no nn.Module.
    """
    what = f"{build}(...)"
    try:
        return expect_module(call(build, *args, device="meta", **kwargs).result, what)
    except StudentError:  # right code may look at its numbers while it is built
        return expect_module(build(*args, **kwargs), what)


def undrawn(build: Path, *args: Any, **kwargs: Any) -> Remote:
    """`shapes_of` where ``build`` runs the network: on the meta device torch would import its compiler (2 s).

    It is made with numbers, but the large tensors are not drawn: what is in them is what was in memory.

    Raises:
        CheckFailed: it is no nn.Module.
    """
    what = f"{build}(...)"
    try:
        return expect_module(call(build, *args, draws=0, **kwargs).result, what)
    except StudentError:  # right code may look at its numbers while it is built
        return expect_module(build(*args, **kwargs), what)


def expect_steps(model: Remote, x: torch.Tensor, expected: Mapping[str, Shape]) -> None:
    """Run ``model`` on ``x``; the modules named in ``expected`` give those shapes. The first that does not is named.

    Raises:
        CheckFailed: a module gives another shape, is not run, or the run stops before it.
    """
    steps, error = model.trace(x)
    seen = {step.name: step for step in reversed(steps)}  # the first run of each
    for name, shape in expected.items():
        if name not in seen:
            why = f": {error}" if error else ", or is never called"
            raise CheckFailed(f"{model}.{name} gives no output{why}.", expected=f"{name}: {shape}")
        step = seen[name]
        if step.output_shape != shape:
            raise CheckFailed(
                f"{model}.{name} ({step.type}) turns {step.input_shape} into {step.output_shape}; {shape} is expected.",
                expected=shape,
                actual=step.output_shape,
            )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
