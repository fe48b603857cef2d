"""Architecture: shapes, parameter counts, state_dict keys.

y = student.vgg16()(torch.zeros(2, 3, 32, 32))
expect_shape(y, (2, 10), "vgg16() on a (2, 3, 32, 32) batch")
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch

from grader.language import gettext
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
        raise CheckFailed(
            gettext("{what} returned None. Is a return missing?").format(what=what),
            expected=gettext("a tensor"),
            actual="None",
        )
    kind = value.type if isinstance(value, Remote) else type(value).__name__
    raise CheckFailed(
        gettext("{what} returned a {kind}; a tensor is expected.").format(what=what, kind=kind),
        expected=gettext("a tensor"),
        actual=kind,
    )


def expect_module(value: Any, what: str) -> Remote:
    """``value`` as an nn.Module of the student's.

    Raises:
        CheckFailed: it is something else.
    """
    if isinstance(value, Remote) and value.is_module:
        return value
    kind = (
        value.type
        if isinstance(value, Remote)
        else "None"
        if value is None
        else gettext("a {type}").format(type=type(value).__name__)
    )
    raise CheckFailed(
        gettext("{what} gives {kind}; an nn.Module is expected.").format(what=what, kind=kind),
        expected=gettext("an nn.Module"),
        actual=kind,
    )


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
        raise CheckFailed(
            gettext("{what} has shape {shape}; {expected} is expected.").format(
                what=what, shape=actual, expected=shape
            ),
            expected=shape,
            actual=actual,
        )
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
            gettext("{model} has {actual:,} parameters; {count:,} are expected ({difference:+,}).").format(
                model=model, actual=actual, count=count, difference=actual - count
            ),
            expected=count,
            actual=actual,
        )
    frozen = [parameter.name for parameter in parameters if not parameter.requires_grad]
    if frozen:
        raise CheckFailed(
            gettext("{model}: {frozen} is not trained (requires_grad is False).").format(model=model, frozen=frozen[0])
        )


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
        if not surplus:
            said = gettext("The state_dict of {model} has no {missing}; so the reference checkpoint does not fit.")
        elif not missing:
            said = gettext(
                "The state_dict of {model} has {surplus}, which should not be there; so the reference checkpoint "
                "does not fit."
            )
        else:
            said = gettext(
                "The state_dict of {model} has no {missing} and has {surplus}, which should not be there; so the "
                "reference checkpoint does not fit."
            )
        raise CheckFailed(
            said.format(model=model, missing=_some(missing), surplus=_some(surplus)),
            expected=gettext("{count} entries").format(count=len(expected)),
            actual=gettext("{count} entries").format(count=len(actual)),
        )
    for key, shape in expected.items():
        if actual[key] != shape:
            raise CheckFailed(
                gettext("{key} of {model} has shape {actual}; {shape} is expected.").format(
                    key=key, model=model, actual=actual[key], shape=shape
                ),
                expected=shape,
                actual=actual[key],
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

    One that is not seen may be right: its ``forward`` is called, or its weights are used without it.

    Raises:
        CheckFailed: a module gives another shape, or the run stops before it.
    """
    steps, error = model.trace(x)
    seen = {step.name: step for step in reversed(steps)}  # the first run of each
    for name, shape in expected.items():
        if name not in seen:
            if not error:
                continue
            raise CheckFailed(
                gettext("{model}.{name} gives no output: {error}.").format(model=model, name=name, error=error),
                expected=f"{name}: {shape}",
            )
        step = seen[name]
        if step.output_shape != shape:
            raise CheckFailed(
                gettext("{model}.{name} ({type}) turns {input_shape} into {output_shape}; {shape} is expected.").format(
                    model=model,
                    name=name,
                    type=step.type,
                    input_shape=step.input_shape,
                    output_shape=step.output_shape,
                    shape=shape,
                ),
                expected=shape,
                actual=step.output_shape,
            )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (gettext(" and {count} more").format(count=len(names) - 3) if len(names) > 3 else "")
