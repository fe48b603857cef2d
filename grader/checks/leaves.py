"""Leaves: a network without nn.Module, whose parameters are tensors of its own; weights go in by their order.

model = student.VGGSmall("VGG11")
held = give(model, list(reference.parameters()))
expect_same_derivative(model, held, reference, x, training=False)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from grader.checks.answers import COMPARED
from grader.checks.architecture import expect_tensor
from grader.checks.numerics import difference, nearby, same, wrong_gradient
from grader.language import gettext
from grader.student import CheckFailed, Remote, Student, StudentError, call
from grader.student.leaves import Derivative, differentiate, fill, hold, look
from grader.student.outcomes import MissingName
from grader.student.remote import Path, release
from grader.tracing import sampled, sampled_shape

Shape = tuple[int, ...]
# Of a gradient, relative to its largest number: float32 summed in another order, through a dozen layers.
GRADIENT = 1e-2


def build(path: Path, *args: Any, seed: int | None = None, draws: int | None = None, **kwargs: Any) -> Remote:
    """The object that ``path(*args, **kwargs)`` makes, as everywhere but in `call` with gradients enabled.

    ``draws``: for weights that are overwritten, or may be any; see `call`.

    Raises:
        CheckFailed: it makes something else.
    """
    value = call(path, *args, grad=True, seed=seed, draws=draws, **kwargs).result
    if isinstance(value, Remote):
        return value
    raise CheckFailed(
        gettext("{path} gives {kind}; an object is expected.").format(
            path=path, kind="None" if value is None else type(value).__name__
        )
    )


def build_light(path: Path, *args: Any, **kwargs: Any) -> Remote:
    """`build` on the meta device, where weights take neither time nor memory, or else as it is.

    The latter where the student's code needs numbers, or says itself where its tensors are to be.
    """
    try:
        model = call(path, *args, device="meta", grad=True, **kwargs).result
        if isinstance(model, Remote) and all(leaf.device == "meta" for leaf in look(hold(model))):
            return model
    except (StudentError, CheckFailed):
        pass
    return build(path, *args, **kwargs)


def with_large(path: Path, compare: Callable[[Remote], None], *args: Any, **kwargs: Any) -> None:
    """``compare(model)`` with a model of `build_light`, and where that fails with one of `build`.

    The former cannot be right for a network that has kept something computed from its weights.
    """
    light = build_light(path, *args, **kwargs)
    try:
        compare(light)
    except (StudentError, CheckFailed):
        release(path)
        compare(build(path, *args, **kwargs))


SMALL = "VGG9"  # six convolutions, three linear layers
SMALL_CONFIG: list[int | str] = [8, "M", 16, "M", 24, 24, "M", 32, "M", 512, "M"]


def with_small(
    student: Student,
    compare: Callable[[str], None],
    failures: tuple[type[Exception], ...] = (StudentError, MissingName, CheckFailed),
) -> None:
    """``compare`` with `SMALL`, a configuration added to the submission's CONFIGS; where that fails, with "VGG11".

    That takes many times as long, and has the same kinds of layers. But right code need not know other names than those
    of the handout, and need not look into its table when it is called.
    """
    try:
        call(student.CONFIGS.update, {SMALL: SMALL_CONFIG})
        compare(SMALL)
    except failures:
        release(student)
        compare("VGG11")


def expect_shapes(model: Remote, expected: Sequence[Shape]) -> Remote:
    """``model.parameters()`` are tensors of the ``expected`` shapes, in this order; returns their list.

    Raises:
        CheckFailed: naming the first that is not.
    """
    held = hold(model)
    leaves = look(held)
    for place, (leaf, shape) in enumerate(zip(leaves, expected, strict=False)):
        if leaf.shape != shape:
            raise CheckFailed(
                gettext("{held}[{place}] has shape {shape}; {expected} is expected.").format(
                    held=held, place=place, shape=leaf.shape, expected=shape
                ),
                expected=shape,
                actual=leaf.shape,
            )
    if len(leaves) != len(expected):
        raise CheckFailed(
            gettext("{held} has {count} tensors; {expected} are expected.").format(
                held=held, count=len(leaves), expected=len(expected)
            ),
            expected=len(expected),
            actual=len(leaves),
        )
    return held


def give(model: Remote, values: Sequence[torch.Tensor], period: int | None = None) -> Remote:
    """Put ``values`` into ``model.parameters()``, in place; returns their list.

    Where each of them repeats itself after ``period`` elements, only these are sent.

    Raises:
        CheckFailed: the shapes are others.
    """
    held = expect_shapes(model, [tuple(value.shape) for value in values])
    if period is None:
        fill(held, [value.detach() for value in values])
    else:
        fill(held, [value.detach().reshape(-1)[:period] for value in values], repeat=True)
    return held


def expect_values(held: Remote, shapes: Sequence[Shape], most: int | None = None) -> list[torch.Tensor]:
    """What the tensors of a list hold, as float32; of those with more than ``most`` numbers a sample.

    Raises:
        CheckFailed: they are others than those of ``shapes``.
    """
    leaves = look(held, values=True, most=most)
    values = [leaf.value for leaf in leaves if leaf.value is not None]
    found = [leaf.shape for leaf in leaves], [tuple(each.shape) for each in values]
    if found != ([tuple(shape) for shape in shapes], [sampled_shape(shape, most) for shape in shapes]):
        raise CheckFailed(gettext("{held} has become a list of other tensors.").format(held=held))
    return [value.float() for value in values]


def expect_own(model: Remote) -> None:
    """What is written into ``model.parameters()`` stays there: they are the network's own, each one once.

    Raises:
        CheckFailed: naming the first that is not.
    """
    held = hold(model)
    values = [torch.full(leaf.shape, float(place)) for place, leaf in enumerate(look(held))]
    fill(held, values)
    found = expect_values(hold(model), [tuple(value.shape) for value in values])
    for place, (one, other) in enumerate(zip(found, values, strict=True)):
        if not torch.equal(one, other):
            raise CheckFailed(
                gettext(
                    "{held}[{place}] is not what was written into it: parameters() must always give the "
                    "same tensors, each parameter once."
                ).format(held=held, place=place)
            )


def expect_leaves(held: Remote, device: str = "") -> None:
    """The tensors of a list are leaves to be trained: what an optimiser needs.

    Raises:
        CheckFailed: naming the first that is not.
    """
    for place, leaf in enumerate(look(held)):
        if not leaf.requires_grad:
            raise CheckFailed(
                gettext("{held}[{place}] is not trained: its requires_grad is False.").format(held=held, place=place)
            )
        if not leaf.is_leaf:
            raise CheckFailed(
                gettext(
                    "{held}[{place}] is no leaf: it was computed from another tensor after requires_grad "
                    "was set, so gradients go there and a step does not change it."
                ).format(held=held, place=place),
                expected="is_leaf",
                actual=gettext("not is_leaf"),
            )
        if leaf.dtype != "float32":
            raise CheckFailed(
                gettext("{held}[{place}] has dtype {dtype}; float32 is expected.").format(
                    held=held, place=place, dtype=leaf.dtype
                ),
                actual=leaf.dtype,
            )
        if device and leaf.device != device:
            raise CheckFailed(
                gettext("{held}[{place}] is still on {device}.").format(held=held, place=place, device=leaf.device),
                expected=device,
                actual=leaf.device,
            )


def expect_output(
    path: Path,
    x: torch.Tensor,
    expected: torch.Tensor | Callable[[torch.Tensor], torch.Tensor],
    where: str | Callable[[], str] = "",
    **options: Any,
) -> None:
    """``path(x, **options)`` is ``expected``, or what that gives for ``x``; and leaves ``x`` as it is.

    Raises:
        CheckFailed: it is not; ``where``, or what it returns, is added to what is said.
    """
    wanted = [expected] if isinstance(expected, torch.Tensor) else []

    def compute() -> None:
        if not isinstance(expected, torch.Tensor):
            with torch.no_grad():
                wanted.append(expected(x.clone()))

    called = call(path, x, meanwhile=compute, **options)
    if callable(where):
        where = "" if same(called.result, wanted[0]) else where()
    images = gettext("{shape} images").format(shape=tuple(x.shape))
    said = ", ".join([images, *(f"{key}={value}" for key, value in options.items())])
    expect_same(called.result, wanted[0], gettext("{path} on {said}").format(path=path, said=said), where)
    if called.mutated:
        raise CheckFailed(gettext("{path} changes its input in place; work on a new tensor.").format(path=path))


def expect_same(actual: Any, expected: torch.Tensor, what: str, where: str = "") -> None:
    """``actual`` is a tensor equal to ``expected``.

    Raises:
        CheckFailed: it is not.

    >>> expect_same(torch.ones(2), torch.zeros(2), "forward")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: forward computes something else than it should.
    """
    tensor = expect_tensor(actual, what)
    if tensor.shape != expected.shape:
        said = gettext("{what} has shape {shape}; {expected} is expected.")
        raise CheckFailed(
            said.format(what=what, shape=tuple(tensor.shape), expected=tuple(expected.shape)),
            expected=tuple(expected.shape),
            actual=tuple(tensor.shape),
        )
    if not tensor.is_floating_point():
        raise CheckFailed(
            gettext("{what} gives {dtype}; {expected} is expected.").format(
                what=what, dtype=tensor.dtype, expected=expected.dtype
            ),
            actual=tensor.dtype,
        )
    if not torch.isfinite(tensor).all():
        raise CheckFailed(gettext("{what} gives nan or infinity.").format(what=what))
    if not same(tensor, expected):
        raise CheckFailed(
            gettext("{what} computes something else than it should.{where}").format(what=what, where=where),
            actual=gettext("off by up to {difference:.2g} standard deviations").format(
                difference=difference(tensor, expected)
            ),
        )


def expect_gradient(actual: torch.Tensor | None, expected: torch.Tensor, what: str, scale: float = 0.0) -> None:
    """``actual`` is the gradient ``expected``, up to `GRADIENT` of its largest number (at least ``scale``).

    Raises:
        CheckFailed: it is not, or there is none.

    >>> expect_gradient(None, torch.ones(2), "x")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: x has no gradient: something cuts the graph (detach, no_grad, .data, a copy).
    """
    if actual is None:
        raise CheckFailed(
            gettext("{what} has no gradient: something cuts the graph (detach, no_grad, .data, a copy).").format(
                what=what
            )
        )
    allowed = GRADIENT * max(expected.abs().max().item(), scale)
    if actual.shape != expected.shape or not (actual.float() - expected).abs().max().item() <= allowed:
        raise wrong_gradient(actual, expected.shape, gettext("The gradient at {what}").format(what=what))


def derivative(model: Remote, held: Remote, x: torch.Tensor, cotangent: torch.Tensor, **options: Any) -> Derivative:
    """Forward and backward through ``model.forward``; the output has the cotangent's shape.

    Of large leaves' gradients it is samples (`COMPARED`).

    Raises:
        CheckFailed: another shape.
    """
    found = differentiate(model.forward, x, cotangent=cotangent, leaves=held, most=COMPARED, **options)
    tensor = expect_tensor(found.output, f"{model}.forward")
    if tensor.shape != cotangent.shape:
        said = gettext("{model}.forward gives {shape}; {expected} is expected.")
        raise CheckFailed(
            said.format(model=model, shape=tuple(tensor.shape), expected=tuple(cotangent.shape)),
            expected=tuple(cotangent.shape),
            actual=tensor.shape,
        )
    return found


def expect_same_derivative(
    model: Remote, held: Remote, reference: nn.Module, x: torch.Tensor, *, training: bool
) -> None:
    """``model.forward`` and ``reference`` (in the mode it is in) have the same gradients, at the input and all leaves.

    Raises:
        CheckFailed: naming the first parameter without a gradient or with another one.
    """
    nearby(lambda x: _expect_same_derivative(model, held, reference, x, training), x)


def _expect_same_derivative(model: Remote, held: Remote, reference: nn.Module, x: torch.Tensor, training: bool) -> None:
    ours = x.clone().requires_grad_()
    reference.zero_grad(set_to_none=True)
    output = reference(ours)
    cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(output.numel()))
    backward = (output * cotangent).sum().backward
    found = derivative(model, held, x, cotangent, fresh=True, meanwhile=backward, training=training)
    expect_same(found.output, output.detach(), gettext("{model}.forward with gradients enabled").format(model=model))
    assert ours.grad is not None
    expect_gradient(found.places[0], ours.grad, gettext("the input of {model}.forward").format(model=model))
    parameters = list(reference.parameters())
    if len(found.leaves) != len(parameters):
        raise CheckFailed(
            gettext("{held} has {count} tensors; {expected} are expected.").format(
                held=held, count=len(found.leaves), expected=len(parameters)
            )
        )
    for place, (gradient, parameter) in enumerate(zip(found.leaves, parameters, strict=True)):
        assert parameter.grad is not None
        expect_gradient(gradient, sampled(parameter.grad, COMPARED), f"{held}[{place}]")


def expect_pair(value: Any, what: str) -> tuple[float, float]:
    """``value`` as two numbers: (mean loss, accuracy).

    Raises:
        CheckFailed: it is something else.

    >>> expect_pair((2.5, torch.tensor(0.1)), "evaluate")[0]
    2.5
    >>> expect_pair(2.5, "evaluate")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: evaluate returned a float; (mean loss, accuracy) is expected.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        kind = (
            gettext("{count} values").format(count=len(value))
            if isinstance(value, (tuple, list))
            else gettext("a {type}").format(type=type(value).__name__)
        )
        raise CheckFailed(
            gettext("{what} returned {kind}; (mean loss, accuracy) is expected.").format(what=what, kind=kind),
            actual=kind,
        )
    numbers = []
    for item in value:
        if isinstance(item, torch.Tensor) and item.numel() == 1:
            item = item.item()
        if type(item) not in (int, float):
            kind = item.type if isinstance(item, Remote) else type(item).__name__
            raise CheckFailed(
                gettext("{what} returned a {kind} where a number is expected.").format(what=what, kind=kind),
                actual=kind,
            )
        numbers.append(float(item))
    return numbers[0], numbers[1]
