"""Numerics: the reference's function under the same weights, forward and backward, and where it first differs.

block = calibrate(reference.ResidualBlock(6, 2, 8), torch.randn(4, 6, 9, 9), seed=1)
mine = student.ResidualBlock(6, 2, 8)
give_weights(mine, block)
expect_same_function(mine, block, [torch.randn(2, 6, 9, 9)])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, TypeVar

import torch
from torch import nn

from grader import tracing
from grader.checks.answers import COMPARED, Answers, Gradient, ParameterGradient
from grader.checks.architecture import expect_tensor
from grader.checks.weights import alike, module_of
from grader.language import gettext
from grader.student import CheckFailed, Remote, StudentError, call_soon

Value = TypeVar("Value")

# Largest difference allowed, in standard deviations of the reference's output. Right code written differently stays
# below 2e-5 (float32 summed in another order); the smallest mistake of the bank is above 1e-2 (tests/test_bank.py).
TOLERANCE = 1e-3
NEAR = 6  # inputs near one where gradients differ: see `nearby`


def _answers(reference: nn.Module | Answers) -> Answers:
    return reference if isinstance(reference, Answers) else Answers(reference)


def expect_same_function(
    student: Remote,
    reference: nn.Module | Answers,
    inputs: Sequence[torch.Tensor],
    *,
    training: bool = False,
    again: bool = True,
) -> None:
    """Both give the same output on every input, and the student's leaves the input as it is.

    With ``training`` both run in train mode (so no random layers), and their batch-norm statistics must then agree;
    else, with ``again``, the first input is to give the same once more.

    Raises:
        CheckFailed: naming the first module whose output differs.
    """
    mode = "train" if training else "eval"
    original = _answers(reference)
    call_soon(student.train, training)
    wanted: list[torch.Tensor] = []

    def ask(x: torch.Tensor) -> None:
        wanted.append(original.output(x, training))

    for x in inputs:
        called = student.called(x, meanwhile=partial(ask, x))
        expected = wanted[-1]
        what = gettext("{student} on a {shape} batch in {mode} mode").format(
            student=student, shape=tuple(x.shape), mode=mode
        )
        if called.mutated:
            raise CheckFailed(
                gettext("{student} changes its input in place; work on a new tensor.").format(student=student)
            )
        if isinstance(called.result, torch.Tensor) and called.result.dtype != expected.dtype:
            said = gettext("{what} gives {dtype}; {expected} is expected.")
            raise CheckFailed(said.format(what=what, dtype=called.result.dtype, expected=expected.dtype))
        if not same(called.result, expected):
            _explain(student, original.module(training), x, called.result, expected, what)
    if training:
        expect_same_buffers(student, original)
        return
    for x, expected in zip(inputs[:1] if again else [], wanted, strict=False):
        if not same(expect_tensor(student(x), str(student)), expected):
            raise CheckFailed(
                gettext("{student} gives another output when it is called again with the same input.").format(
                    student=student
                )
            )


class GradientDiffers(CheckFailed):
    """There is a gradient of the right shape, and it is another one."""


def nearby(compare: Callable[[torch.Tensor], None], x: torch.Tensor) -> None:
    """``compare(x)``; where gradients differ there, on inputs near ``x``: on two of `NEAR` they must not.

    Whatever else fails, on whichever input, is a failure at once. A ReLU whose input is 0 up to rounding has its
    gradient here and none there: of a VGG-11 in float32 and in float64, 3 inputs in 100 give gradients that differ by
    more than a percent, the others by 1e-5 (measured with four images in train mode); of one with batch norm it is
    8 in 100 (12 of 150). Where it is one in five, five of six inputs fail beside the first in 3 cases of 10,000. Wrong
    code is wrong on all of them, or nearly.

    Raises:
        CheckFailed: what ``compare`` raised.

    >>> nearby(lambda x: None, torch.zeros(1))
    """
    try:
        compare(x)
    except GradientDiffers:
        generator = torch.Generator().manual_seed(x.numel())
        agreed = 0
        for tried in range(1, NEAR + 1):
            try:
                compare(x + 0.1 * torch.randn(x.shape, generator=generator))
                agreed += 1
            except GradientDiffers:
                if tried - agreed > NEAR - 2:
                    raise
            if agreed == 2:
                return


def expect_same_gradient(
    student: Remote, reference: nn.Module | Answers, x: torch.Tensor, *, training: bool = False
) -> None:
    """Both have the same gradient, at the input and at every parameter: on ``x``, or on inputs near it (`nearby`).

    Raises:
        CheckFailed: naming the first parameter without a gradient or with another one.
    """
    original = _answers(reference)
    nearby(lambda x: _expect_same_gradient(student, original, x, training), x)


def _expect_same_gradient(student: Remote, original: Answers, x: torch.Tensor, training: bool) -> None:
    call_soon(student.train, training)
    ours = original.gradient(x, training)
    found = student.gradients(x, ours.cotangent, COMPARED, ours.finish)
    if not same(found.output, ours.output):
        what = gettext("{student} with gradients enabled").format(student=student)
        _explain(student, original.module(training), x, found.output, ours.output, what)
    if found.input is None or not same(found.input, ours.input):
        raise wrong_gradient(
            found.input, x.shape, gettext("The gradient of {student} at its input").format(student=student)
        )
    names = list(found.parameters)
    expected = _in_order_of(names, _gradients(student, names, ours))
    if len(found.parameters) != len(expected):
        raise CheckFailed(
            gettext("{student} has {count} parameters; {expected} are expected.").format(
                student=student, count=len(found.parameters), expected=len(expected)
            )
        )
    for (name, gradient), (wanted, shape) in zip(found.parameters.items(), expected, strict=True):
        if wanted.sample is None:  # it is not trained: the check has frozen it on both sides
            continue
        # A bias before batch norm has gradient 0 up to rounding: compare on the scale of the whole gradient.
        allowed = 1e-2 * max(wanted.largest, 1e-3 * ours.cotangent.abs().max().item())
        sample = wanted.sample.reshape(shape) if wanted.sample.numel() == prod(shape) else wanted.sample
        if gradient is None or gradient.shape != sample.shape or not _within(gradient, sample, allowed):
            raise wrong_gradient(
                gradient,
                sample.shape,
                gettext("The gradient of {student} at {name}").format(student=student, name=name),
            )


def _gradients(
    student: Remote, names: list[str], ours: Gradient
) -> dict[str, tuple[ParameterGradient, tuple[int, ...]]]:
    """The reference's, by the student's ``names`` and with their shapes where `give_weights` had to look for these."""
    found = {key: (value, value.shape) for key, value in ours.parameters.items()}
    if set(names) == set(found):
        return found
    shapes = [(key, value.shape) for key, value in ours.parameters.items()]
    matched = alike(shapes, [(entry.name, entry.shape) for entry in student.parameters()])
    return found if matched is None else {own: (found[key][0], shape) for key, (own, shape) in matched.items()}


def expect_fresh(first: Remote, second: Remote, parameters: Sequence[str], *, drawn: bool = True) -> None:
    """Two models from two calls share nothing, and loading wrong weights is an error.

    With ``drawn`` the handout wants random weights, drawn anew; without, it leaves them to the student, who may begin
    with any, also the same ones every time.

    Raises:
        CheckFailed: the named ``parameters`` are the same in both, or load_state_dict takes what does not fit.
    """
    for name in parameters:
        one, other = (expect_tensor(parameter(each, name), f"{each}.{name}") for each in (first, second))
        if one.dtype != other.dtype or not torch.equal(one, other):
            continue
        if drawn:
            raise CheckFailed(
                gettext(
                    "{first}, called again, has the same {name} as before: make a new model in every "
                    "call, and set no seed."
                ).format(first=first, name=name)
            )
        first.load_repeated({name: one.flatten()[:1] + 1})
        if not torch.equal(expect_tensor(parameter(second, name), f"{second}.{name}"), other):
            raise CheckFailed(
                gettext("{first}, called twice, gives two models that share their {name}: make new layers.").format(
                    first=first, name=name
                )
            )
    try:
        first.load_state_dict({"no.such.key": torch.zeros(1)})
    except StudentError:
        return
    raise CheckFailed(
        gettext("{first}.load_state_dict takes a checkpoint that does not fit; leave it as nn.Module has it.").format(
            first=first
        )
    )


def parameter(model: Remote, name: str) -> Any:
    """The parameter of that name, e.g. "layer1.0.weight", as the model's get_parameter gives it; some have none."""
    try:
        return model.get_parameter(name)
    except StudentError:  # a ScriptModule, say
        found: Any = model
        for part in name.split("."):
            found = getattr(found, part)
        return found.value()


def expect_gradients_in_training(student: Remote, x: torch.Tensor, outputs: int) -> None:
    """In train mode every parameter that is trained has a gradient, after ``student`` has given (N, outputs) for ``x``.

    What it is, random layers may decide.

    Raises:
        CheckFailed: naming the first that has none, or one that is not finite.
    """
    student.train()
    trained = {entry.name for entry in student.parameters() if entry.requires_grad}
    for name, gradient in student.gradients(x, torch.ones(len(x), outputs), most=COMPARED).parameters.items():
        if name in trained and (gradient is None or not torch.isfinite(gradient).all()):
            raise CheckFailed(
                gettext("In train mode {name} of {student} has no gradient.").format(name=name, student=student)
            )


def same(actual: Any, expected: torch.Tensor, scale: float = 0.0) -> bool:
    """Whether ``actual`` is a tensor equal to ``expected`` within `TOLERANCE`, on that ``scale`` at least.

    >>> same(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.00001]))
    True
    >>> same(torch.tensor([1.0]), torch.tensor([float("nan")]))
    False
    """
    if not isinstance(actual, torch.Tensor) or actual.shape != expected.shape or not actual.is_floating_point():
        return False
    return difference(actual, expected, scale) <= TOLERANCE


def difference(actual: torch.Tensor, expected: torch.Tensor, scale: float = 0.0) -> float:
    """The largest difference, in standard deviations of the expected values; nan counts as inf.

    At least in 1 % of the largest of them, in 1e-6, and in ``scale``: of equal values, or of one, the standard
    deviation is 0, and float32 summed in another order is off by some 1e-6 of them.
    """
    if expected.numel() == 0:
        return 0.0
    spread, largest = expected.double().std(correction=0).item(), expected.abs().max().item()
    scale = max(scale, spread, 1e-2 * largest, 1e-6)
    found = (actual.double() - expected.double()).abs().max().item() / scale
    return found if found == found else float("inf")


def _in_order_of(names: list[str], values: dict[str, Value]) -> list[Value]:
    """``values`` by ``names`` where these are their keys, in whatever order; else as they come."""
    return [values[name] for name in names] if set(names) == set(values) else list(values.values())


def _within(actual: torch.Tensor, expected: torch.Tensor, allowed: float) -> bool:
    """Whether they differ by at most ``allowed`` everywhere; a nan does not."""
    return (actual.float() - expected).abs().max().item() <= allowed


def first_difference(student: Remote, reference: nn.Module, x: torch.Tensor) -> tuple[str, str, str] | None:
    """The first module, in the reference's order of execution, that gives something else in the student's model.

    Modules are compared by name, so it finds nothing where names differ.

    Returns:
        A sentence, what is expected and what is there; None if all modules that both have agree.
    """
    ours, _ = tracing.trace(reference, x.clone(), outputs=True)
    steps, stopped = student.trace(x, outputs=True)
    theirs = {step.name: step for step in reversed(steps)}
    for step in ours:
        other = theirs.get(step.name)
        if other is None or step.output is None or step.name == "":
            continue
        if other.output_shape != step.output_shape:
            sentence = gettext("{student}.{name} ({type}) turns {input_shape} into {output_shape}").format(
                student=student,
                name=other.name,
                type=other.type,
                input_shape=other.input_shape,
                output_shape=other.output_shape,
            )
            return _with_hyper_parameters(
                student, reference, step.name, sentence, step.output_shape, other.output_shape
            )
        if not same(other.output, step.output):
            sentence = gettext("{student}.{name} ({type}) is the first module whose output differs").format(
                student=student, name=other.name, type=other.type
            )
            return _with_hyper_parameters(student, reference, step.name, sentence, "", "")
    if stopped:
        return gettext("the run stops: {stopped}").format(stopped=stopped), "", ""
    return None


def _with_hyper_parameters(
    student: Remote, reference: nn.Module, name: str, sentence: str, expected: object, actual: object
) -> tuple[str, str, str]:
    ours = {layer.name: layer for layer in tracing.layers(reference)}[name]
    theirs = {layer.name: layer for layer in student.layers()}.get(name)
    if theirs is None:
        return sentence, str(expected), str(actual)
    wrong = [
        key
        for key, value in ours.hyper_parameters.items()
        if key != "inplace" and theirs.hyper_parameters.get(key, value) != value
    ]
    if ours.type != theirs.type and ours.hyper_parameters:
        return (
            gettext("{sentence}: look at its type").format(sentence=sentence),
            f"{name}: {ours.type}",
            f"{name}: {theirs.type}",
        )
    if wrong:
        key = wrong[0]
        return (
            gettext("{sentence}: its {key} is {value}").format(
                sentence=sentence, key=key, value=_short(theirs.hyper_parameters[key])
            ),
            f"{name}: {key} {_short(ours.hyper_parameters[key])}",
            f"{name}: {key} {_short(theirs.hyper_parameters[key])}",
        )
    return sentence, str(expected), str(actual)


def _short(value: object) -> str:
    """A pair of equal numbers as one number; bounded, since it may come from the student."""
    if isinstance(value, list) and value and all(item == value[0] for item in value):
        value = value[0]
    return str(value)[:60]


def _explain(
    student: Remote, reference: nn.Module, x: torch.Tensor, actual: Any, expected: torch.Tensor, what: str
) -> None:
    tensor = expect_tensor(actual, what)
    if not torch.isfinite(tensor).all() if tensor.is_floating_point() else False:
        headline = gettext("{what} gives nan or infinity.").format(what=what)
    elif tensor.shape != expected.shape:
        headline = gettext("{what} has shape {shape}; {expected} is expected.").format(
            what=what, shape=tuple(tensor.shape), expected=tuple(expected.shape)
        )
    elif not tensor.is_floating_point():
        headline = gettext("{what} gives {dtype}; {expected} is expected.").format(
            what=what, dtype=tensor.dtype, expected=expected.dtype
        )
    else:
        headline = gettext("{what} computes something else than it should.").format(what=what)
    found = first_difference(student, reference, x)
    if found is None:
        raise CheckFailed(headline, expected=tuple(expected.shape), actual=tuple(tensor.shape))
    sentence, wanted, there = found
    raise CheckFailed(
        gettext("{headline} Where: {sentence}.").format(headline=headline, sentence=sentence),
        expected=wanted,
        actual=there,
    )


def expect_same_buffers(student: Remote, reference: nn.Module | Answers) -> None:
    """Both keep the same running statistics; after a forward run of each in train mode, on the same input.

    Raises:
        CheckFailed: naming the first that differs.
    """
    kept = student.kept()
    if kept is None:
        raise CheckFailed(gettext("{student}.state_dict() is no dictionary.").format(student=student))
    names, state = kept
    held = dict(module_of(reference).named_buffers())
    if len(names) != len(held):
        raise CheckFailed(
            gettext("{student} has other buffers after a forward run than before.").format(student=student)
        )
    # A mean is as exact as what it is the mean of: of one channel it may be 0 up to rounding.
    scales = {
        key: held[key.removesuffix("mean") + "var"].max().item() ** 0.5 for key in held if key.endswith("running_mean")
    }
    wanted = {key: (value, scales.get(key, 0.0)) for key, value in held.items()}
    for name, (expected, scale) in zip(names, _in_order_of(names, wanted), strict=True):
        actual = state.get(name)
        if expected.is_floating_point() and not same(actual, expected, scale):
            raise CheckFailed(
                gettext(
                    "After a forward run in train mode, {name} of {student} is not what batch "
                    "normalisation keeps (momentum 0.1)."
                ).format(name=name, student=student),
                actual=name,
            )


def wrong_gradient(gradient: torch.Tensor | None, shape: Sequence[int], what: str) -> CheckFailed:
    """What to raise of a gradient that is not the one of ``shape`` that is expected."""
    message = gettext("{what} is {how}.").format(what=what, how=_state(gradient))
    if gradient is None or gradient.shape != shape or not torch.isfinite(gradient).all() or not gradient.any():
        return CheckFailed(message)
    return GradientDiffers(message)


def _state(gradient: torch.Tensor | None) -> str:
    if gradient is None:
        return gettext("missing: something cuts the graph (detach, no_grad, a tensor made anew)")
    if not torch.isfinite(gradient).all():
        return gettext("nan or infinite")
    if not gradient.any():
        return gettext("zero")
    return gettext("not that of the function asked for")
