"""Tensors that a student's object keeps by itself, in no nn.Module, as a check sees them.

held = hold(model)
fill(held, values)
found = differentiate(model.forward, x, leaves=held, cotangent=c, training=False)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from grader.language import gettext
from grader.protocol import Handle
from grader.student.outcomes import CheckFailed, by_worker
from grader.student.remote import Path, Remote, Student, _shape, _tensor_or_none, localise


@dataclass(frozen=True)
class Leaf:
    """A tensor: dtype as in "float32", device as in "cpu", whether it is a leaf and trained; value and gradient."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    is_leaf: bool
    requires_grad: bool
    value: torch.Tensor | None
    gradient: torch.Tensor | None


@dataclass(frozen=True)
class Derivative:
    """Of a call: its result, its tensor arguments afterwards, gradients by place of an argument, and by leaf."""

    output: Any
    arguments: list[torch.Tensor | None]
    places: list[torch.Tensor | None]
    leaves: list[torch.Tensor | None]


def hold(owner: Remote, method: str = "parameters") -> Remote:
    """A list in the worker of the very tensors that ``owner``'s ``method`` gives.

    Raises:
        CheckFailed: it gives something else.
    """
    written = f"{owner}.{method}()"

    def read(answer: Any) -> Handle | str:
        if isinstance(answer, (Handle, str)):
            return by_worker(answer[:100]) if isinstance(answer, str) else answer
        raise ValueError(f"a {type(answer).__name__} where a list should be")

    found = owner._session.request("hold", written, read, target=owner, path=method)
    if isinstance(found, str):
        raise CheckFailed(
            gettext("{written} gives {found}; a list of tensors is expected.").format(
                written=written, found=found[:100]
            ),
            actual=found[:100],
        )
    return Remote(owner._session, found, written)


def make(
    student: Student, values: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor | None] | None = None
) -> Remote:
    """A list in the worker of new leaves, with values and gradients; without these, of tensors that are not trained."""
    handle = student._session.request(
        "leaves",
        gettext("Making tensors"),
        _handle,
        values=list(values),
        gradients=None if gradients is None else list(gradients),
    )
    return Remote(student._session, handle, "params" if gradients is not None else "velocities")


def _handle(answer: Any) -> Handle:
    if isinstance(answer, Handle):
        return answer
    raise ValueError(f"a {type(answer).__name__} where an object should be")


def look(held: Remote, *, values: bool = False, gradients: bool = False, most: int | None = None) -> list[Leaf]:
    """What the tensors of a list are like, and their ``values`` and ``gradients`` if asked for.

    Of those with more than ``most`` numbers these are samples (`grader.tracing.sampled`).
    """

    def read(answer: Any) -> list[Leaf]:
        return [
            Leaf(
                _shape(shape),
                str(dtype).removeprefix("torch."),
                str(device),
                bool(leaf),
                bool(trained),
                _tensor_or_none(value),
                _tensor_or_none(gradient),
            )
            for shape, dtype, device, leaf, trained, value, gradient in answer
        ]

    return held._session.request("look", str(held), read, tensors=held, values=values, gradients=gradients, most=most)


def fill(held: Remote, values: Sequence[torch.Tensor], repeat: bool = False) -> None:
    """Copy values into the tensors of a list, in place, and go on: what it raises, the next request raises.

    A value smaller than its tensor is that of the first rows and columns; the rest is then 0. A tensor on the meta
    device becomes a real one, of which zeros take next to no memory. With ``repeat`` a value is repeated instead, in
    the order of the tensor's elements; then it must have numbers.
    """
    written = gettext("filling {held}").format(held=held)
    held._session.soon("fill", written, tensors=held, values=list(values), repeat=repeat)


def reaches(owner: Remote, device: str) -> bool:
    """Whether anything that ``owner`` can get at in the student's file may be a tensor on ``device``."""
    written = gettext("looking into {owner}").format(owner=owner)
    return owner._session.request("reaches", written, bool, target=owner, device=device)


def differentiate(
    path: Path,
    *args: Any,
    cotangent: torch.Tensor,
    places: Sequence[int] = (0,),
    leaves: Remote | None = None,
    seed: int | None = None,
    fresh: bool = False,
    most: int | None = None,
    meanwhile: Callable[[], None] | None = None,
    **kwargs: Any,
) -> Derivative:
    """Call ``path`` with gradients, and go backward from ``cotangent`` (of the output's shape).

    The gradients of the ``leaves`` are added to those they have; with ``fresh`` these are forgotten first. Of leaves
    with more than ``most`` numbers a sample is sent (`grader.tracing.sampled`).
    ``meanwhile`` is called here while the worker is at work.
    """
    written = gettext("the backward pass of {written}").format(written=path._written)

    def read(answer: Any) -> Derivative:
        parts = [[_tensor_or_none(item) for item in answer[key]] for key in ("arguments", "places", "leaves")]
        if [len(part) for part in parts[:2]] != [len(args), len(places)]:
            raise ValueError("gradients of something else")
        return Derivative(localise(path._session, answer["output"], path._written), *parts)

    return path._session.request(
        "differentiate",
        written,
        read,
        meanwhile,
        target=path._target,
        path=path._path,
        args=args,
        kwargs=kwargs,
        places=list(places),
        leaves=[] if leaves is None else leaves,
        cotangent=cotangent,
        seed=seed,
        fresh=fresh,
        most=most,
    )


def move(path: Path, *args: Any) -> Any:
    """Call ``path``; meanwhile every tensor's ``to`` copies, as it does to another device: no such device is needed."""
    written = f"{path._written}({', '.join(map(repr, args))})"
    return path._session.request(
        "move",
        written,
        lambda answer: localise(path._session, answer, written),
        target=path._target,
        path=path._path,
        args=args,
    )
