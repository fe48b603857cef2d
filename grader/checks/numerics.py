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
from grader.checks.architecture import expect_module, expect_tensor
from grader.language import gettext
from grader.protocol import PERIOD
from grader.student import CheckFailed, Remote, StudentError, call_soon

Value = TypeVar("Value")

# Largest difference allowed, in standard deviations of the reference's output. Right code written differently stays
# below 2e-5 (float32 summed in another order); the smallest mistake of the bank is above 1e-2 (tests/test_bank.py).
TOLERANCE = 1e-3
NEAR = 6  # inputs near one where gradients differ: see `nearby`


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
    (`architecture.expect_state`).

    Raises:
        CheckFailed: the parameters do not correspond.
    """
    module = expect_module(student, str(student))
    original = _module(reference)
    state = original.state_dict()
    buffers = {name for name, _ in original.named_buffers()}
    theirs = {
        "parameter": [(key, tuple(value.shape)) for key, value in state.items() if key not in buffers],
        "buffer": [(key, tuple(value.shape)) for key, value in state.items() if key in buffers],
    }
    parameters, held = module.state()
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
        matched = _alike(expected, actual) if each == "parameter" else None
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
    call_soon(module.load_state_dict, renamed)
    return module


def _alike(
    expected: list[tuple[str, tuple[int, ...]]], actual: list[tuple[str, tuple[int, ...]]]
) -> dict[str, tuple[str, tuple[int, ...]]] | None:
    """For each expected tensor one of its own: of its shape, else of as many numbers in as many rows; or None.

    >>> _alike([("w", (2, 3, 1, 1)), ("b", (2,))], [("bias", (2,)), ("weight", (2, 3))])
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


def _module(reference: nn.Module | Answers) -> nn.Module:
    return reference.module() if isinstance(reference, Answers) else reference


def _answers(reference: nn.Module | Answers) -> Answers:
    return reference if isinstance(reference, Answers) else Answers(reference)


def expect_same_function(
    student: Remote, reference: nn.Module | Answers, inputs: Sequence[torch.Tensor], *, training: bool = False
) -> None:
    """Both give the same output on every input, twice, and the student's leaves the input as it is.

    With ``training`` both run in train mode (so no random layers), and their batch-norm statistics must then agree.

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
        if not same(called.result, expected):
            _explain(student, original.module(training), x, called.result, expected, what)
    if training:
        expect_same_buffers(student, original)
        return
    for x, expected in zip(inputs[:1], wanted, strict=False):
        again = expect_tensor(student(x), str(student))
        if not same(again, expected):
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
    matched = _alike(shapes, [(entry.name, entry.shape) for entry in student.parameters()])
    return found if matched is None else {own: (found[key][0], shape) for key, (own, shape) in matched.items()}


def expect_fresh(first: Remote, second: Remote, parameters: Sequence[str], *, drawn: bool = True) -> None:
    """Two models from two calls share nothing, and loading wrong weights is an error.

    With ``drawn`` the handout wants random weights, drawn anew; without, it leaves them to the student, who may begin
    with any, also the same ones every time.

    Raises:
        CheckFailed: the named ``parameters`` are the same in both, or load_state_dict takes what does not fit.
    """
    for name in parameters:
        one, other = (expect_tensor(each.get_parameter(name), f"{each}.{name}") for each in (first, second))
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
        if not torch.equal(expect_tensor(second.get_parameter(name), f"{second}.{name}"), other):
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
    held = dict(_module(reference).named_buffers())
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
