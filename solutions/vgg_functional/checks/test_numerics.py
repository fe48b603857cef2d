"""Hidden checks of vgg_functional: the same function and gradients as layers of torch.nn under the same weights."""

from functools import lru_cache, partial
from math import prod
from unittest.mock import patch

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.sgd import sgd

from grader.checks import CheckFailed, check
from grader.checks.answers import COMPARED
from grader.checks.architecture import expect_shape, expect_tensor
from grader.checks.leaves import (
    SMALL,
    SMALL_CONFIG,
    build,
    derivative,
    expect_gradient,
    expect_leaves,
    expect_output,
    expect_pair,
    expect_same,
    expect_same_derivative,
    expect_shapes,
    expect_values,
    give,
    with_large,
    with_small,
)
from grader.checks.loops import expect_recording
from grader.checks.numerics import nearby, same
from grader.language import gettext
from grader.student import StudentError, call, release
from grader.student.leaves import differentiate, fill, hold, look, make, move, reaches
from grader.tracing import repeat_into, sampled

PERIOD = 100_003  # numbers after which weights repeat themselves; a prime
SAMPLE = 200_000  # of a large weight, so many numbers tell how it was drawn
CONFIGS = {
    "VGG11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "VGG13": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "VGG16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "VGG19": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
    SMALL: SMALL_CONFIG,
}


def features(config, channels=3, use_bn=False):
    """The convolutional part, of torch's own layers; ``config`` is a name in CONFIGS, or what could stand there."""
    layers = []
    for width in CONFIGS[config] if isinstance(config, str) else config:
        if width == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1)] + [nn.BatchNorm2d(width)] * use_bn + [nn.ReLU()]
        channels = width
    return nn.Sequential(*layers)


def classifier(classes=10):
    """The linear part of VGGSmall."""
    hidden = [nn.Linear(512, 512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 512), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(512, classes))


@torch.no_grad()
def calibrated(seed, use_bn, config="VGG11", classes=10, channels=3):
    """VGGSmall of torch's own layers, with weights under which every layer matters, in eval mode.

    `PERIOD` normal numbers, over and over again: drawing ten million takes longer than computing with them.
    """
    with patch.object(nn.Conv2d, "reset_parameters"), patch.object(nn.Linear, "reset_parameters"):
        model = nn.Sequential(features(config, channels, use_bn), classifier(classes))
    drawn = torch.randn(PERIOD, generator=torch.Generator().manual_seed(seed))
    place = 0
    for layer in model.modules():
        for key, each in layer.named_parameters(recurse=False):
            values = drawn.roll(-place)
            place += each.numel()
            if each.dim() > 1:
                values *= (2 / each[0].numel()) ** 0.5
            else:
                values = values * 0.2 + (isinstance(layer, nn.BatchNorm2d) and key == "weight")
            repeat_into(each, values)
    return model.eval()


@lru_cache(maxsize=4)
def _kept(seed, use_bn, name):
    model = calibrated(seed, use_bn, name)
    return model, {key: value.clone() for key, value in model.state_dict().items()}


def vgg(context, use_bn=False, name="VGG11"):
    """A calibrated network in eval mode, its weights and statistics as they were at the start."""
    model, state = _kept(context.seed, use_bn, name)
    model.load_state_dict(state)
    model.zero_grad()
    return model.eval()


def noise(context, count, salt, channels=3):
    """Images (count, channels, 32, 32)."""
    return torch.randn(count, channels, 32, 32, generator=context.generator(salt))


def warm_up(model, reference, context, passes=1):
    """Passes in train mode, so that the running statistics are no longer those of the start."""
    reference.train()
    for salt in range(passes):
        x = noise(context, 2, 20 + salt)
        # Training is the default.
        call(model.forward, x, grad=True, meanwhile=torch.no_grad()(partial(reference, x)))
    reference.eval()


def values_of(model, reference):
    """What model.parameters() hold, of the shapes of the reference's; of large ones a sample."""
    return expect_values(hold(model), [each.shape for each in reference.parameters()], COMPARED)


def parameters_of(reference):
    """The same of the reference's."""
    return [sampled(each.detach(), COMPARED) for each in reference.parameters()]


def where(student, model, reference, x):
    """A sentence that names the first feature map which differs; "" where none can be had or does."""
    try:
        maps = call(student.visualize_features, model, x[:1]).result
    except StudentError:
        return ""
    if not isinstance(maps, (list, tuple)):
        return ""
    for number, (mine, wanted) in enumerate(zip(maps, maps_of(reference[0], x[:1]), strict=False), 1):
        if not same(mine, wanted):
            said = gettext("By visualize_features, block {number} is the first that does.")
            return " " + said.format(number=min(number, 5))
    return " " + gettext("By visualize_features, the blocks are right: look at the linear layers.")


@torch.no_grad()
def maps_of(blocks, x):
    """What visualize_features is to give."""
    found = []
    for layer in blocks.eval():
        if isinstance(layer, nn.MaxPool2d):
            found.append(x)
        x = layer(x)
    return [*found, x]


@check(
    points=7,
    hint="Normalise by the batch's mean and biased variance; the running variance takes the unbiased one, as "
    "F.batch_norm does: times n / (n - 1) with n = N * H * W.",
    requires=["batch_norm_shape"],
)
@given(
    shape=st.tuples(st.integers(2, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
    training=st.booleans(),
    options=st.sampled_from([{}, {"momentum": 0.3}, {"eps": 0.1}, {"momentum": 0.02, "eps": 1e-3}]),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=20)
def test_batch_norm(student, shape, training, options, seed):
    """batch_norm is F.batch_norm: output, gradients, running statistics"""
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(size, generator=generator) for size in (shape, *[shape[1:2]] * 4, shape)]
    x, gamma, beta, mean, var, cotangent = draw
    x, gamma, var = 2 * x + 1, gamma + 2, var.abs() + 0.5
    leaves = [each.clone().requires_grad_() for each in (x, gamma, beta)]
    statistics = [mean.clone(), var.clone()]
    output = F.batch_norm(leaves[0], *statistics, *leaves[1:], training=training, **options)
    (output * cotangent).sum().backward()
    found = differentiate(
        student.batch_norm, x, gamma, beta, mean, var, training, cotangent=cotangent, places=(0, 1, 2), **options
    )
    expect_same(found.output, output.detach(), "batch_norm")
    for name, mine, wanted, place in zip(("running_mean", "running_var"), statistics, (mean, var), (3, 4), strict=True):
        held = expect_tensor(found.arguments[place], name).float()
        if held.shape != mine.shape or not torch.allclose(held, mine, rtol=1e-4, atol=1e-5):
            if not training:
                said = gettext("{name} is changed although training is off.")
            elif torch.equal(held, wanted):
                said = gettext("{name} is not updated in place.")
            else:
                said = gettext("{name} is not what F.batch_norm leaves.")
            raise CheckFailed(said.format(name=name))
    for name, before, after in zip(("x", "gamma", "beta"), (x, gamma, beta), found.arguments, strict=False):
        if after is None or not torch.equal(after, before):
            raise CheckFailed(gettext("batch_norm changes its {name}.").format(name=name))
    for name, gradient, leaf in zip(("x", "gamma", "beta"), found.places, leaves, strict=True):
        # That of x is a difference of large numbers, and 0 where there are but two of them.
        expect_gradient(gradient, leaf.grad, gettext("{name} of batch_norm").format(name=name), scale=0.1)


@check(
    points=7,
    hint="Convolution with padding 1, ReLU, in the order of CONFIGS; then flatten, linear, ReLU, linear, ReLU, linear. "
    "No dropout if training is False.",
    requires=["shape", "leaves"],
)
def test_function(student, context):
    """VGGSmall computes the same as layers of torch.nn, for every configuration"""
    for number, name in enumerate(name for name in CONFIGS if name != SMALL):
        classes, channels = 5 + number, 1 + number
        references = []

        def calibrate(*given, made=references):
            made.append(calibrated(context.seed, False, *given))

        release(student)  # of the last one: these are large
        model = build(
            student.VGGSmall,
            name,
            num_classes=classes,
            input_channels=channels,
            draws=PERIOD,
            meanwhile=partial(calibrate, name, classes, channels),
        )
        reference = references[0]
        give(model, list(reference.parameters()), PERIOD)
        x = noise(context, 2, number, channels)
        x[1] *= 8  # F.relu6 shows
        named = partial(where, student, model, reference, x)
        expect_output(model.forward, x, reference, named, training=False)


@check(
    points=4,
    hint="In train mode every batch norm uses the batch's statistics and updates its own running ones; else it uses "
    "these.",
    requires=["function", "batch_norm"],
)
def test_statistics(student, context):
    """With use_bn, running statistics are kept in train mode, which is the default, and used out of it"""
    reference = vgg(context, use_bn=True)
    model = build(student.VGGSmall, "VGG11", use_bn=True, draws=PERIOD)
    give(model, list(reference.parameters()), PERIOD)
    reference.eval()
    x = noise(context, 2, 30)
    for passes in (0, 2):
        warm_up(model, reference, context, passes)
        after = " " + gettext("That is after {count} runs in train mode.").format(count=passes)
        expect_output(model.forward, x, reference, after, training=False)
        again = " " + gettext("That is when it is called again.")
        expect_output(model.forward, x, reference, again, training=False)


@check(
    points=4,
    hint="Do not cut the graph: no detach, no no_grad, no .data in forward. Only the running statistics are updated "
    "under no_grad.",
    requires=["function"],
)
def test_gradient(student, context):
    """VGGSmall has the right gradients out of train mode, at the images and at every parameter"""

    def compare_with(name, use_bn=False):
        reference = vgg(context, use_bn, name)
        model = build(student.VGGSmall, name, use_bn=use_bn, draws=PERIOD)
        held = give(model, list(reference.parameters()), PERIOD)
        if use_bn:  # running statistics that drag the graph of an earlier run along show here
            warm_up(model, reference, context)
        expect_same_derivative(model, held, reference, noise(context, 2, 31), training=False)

    with_small(student, compare_with)
    compare_with("VGG11", use_bn=True)


@check(
    points=4,
    hint="In training the batch's mean and variance depend on x: gradients flow through them, too.",
    requires=["gradient", "batch_norm"],
)
def test_training_gradient(student, context):
    """With use_bn, VGGSmall has the right gradients in train mode"""

    def compare_with(name):
        # Linear layers that make dropout a factor: all 512 units of both hidden layers hold the same number y, so that
        # image i has the logits w * y[i] * s[i], with s near 1, whatever is drawn. What s is, the logits tell.
        reference = vgg(context, True, name)[0].train()
        generator = context.generator(32)
        row, w = 0.01 + torch.rand(512, generator=generator) / 50, 1 + torch.rand(10, generator=generator)
        ones = torch.ones(512, 512)
        linear = [ones * row, torch.full((512,), 0.5), ones / 512, torch.zeros(512)]
        linear += [w.unsqueeze(1).expand(10, 512) / 512, torch.zeros(10)]
        model = build(student.VGGSmall, name, use_bn=True, draws=PERIOD)
        held = give(model, [*reference.parameters(), *linear])
        cotangent = torch.randn(4, 10, generator=generator)

        def compare(x):
            features = []

            def run():
                reference.zero_grad()
                features.append(reference(x).flatten(1))

            found = derivative(model, held, x, cotangent, fresh=True, training=True, meanwhile=run)
            y = features[0] @ row + 0.5
            factors = expect_tensor(found.output, "forward") / (w * y.detach().unsqueeze(1))
            s = factors.mean(1)
            # Standard deviation of s: sqrt(2 / 512) = 0.06.
            if not ((factors - s.unsqueeze(1)).abs() < 1e-2).all() or not ((s - 1).abs() < 0.5).all():
                raise CheckFailed(
                    gettext("VGGSmall(..., use_bn=True) computes something else than it should in train mode.")
                )
            (y * s * (cotangent @ w)).sum().backward()
            scale = max(parameter.grad.abs().max().item() for parameter in reference.parameters())
            for place, (gradient, parameter) in enumerate(zip(found.leaves, reference.parameters(), strict=False)):
                # A convolution's bias has gradient 0 before batch norm, up to rounding: compare on the whole's scale.
                tiny = 0.01 * scale if place % 4 == 1 else 0.0
                what = gettext("{what} in train mode").format(what=f"{held}[{place}]")
                expect_gradient(gradient, sampled(parameter.grad, COMPARED), what, tiny)
            if any(gradient is None for gradient in found.leaves):
                raise CheckFailed(gettext("In train mode the linear layers get no gradient."))

        nearby(compare, noise(context, 4, 33))
        model.zero_grad()
        for place, leaf in enumerate(look(held, gradients=True)):
            if leaf.gradient is not None and leaf.gradient.any():
                message = gettext("With use_bn, {what} still has a gradient after zero_grad().")
                raise CheckFailed(message.format(what=f"{held}[{place}]"))

    with_small(student, compare_with)


@check(
    points=4,
    hint="F.dropout(x, 0.5, training) after each of the first two linear layers and its ReLU.",
    requires=["function"],
)
def test_dropout(student, context):
    """In train mode half of the signals are dropped after each of the two hidden linear layers"""

    def compare_with(name):
        for use_bn in (False, True):
            _expect_dropout(student, context, build(student.VGGSmall, name, 512, use_bn=use_bn, draws=PERIOD))

    with_small(student, compare_with)


def _expect_dropout(student, context, model):
    # Zero weights and a last bias (or beta) of 1 give features of 1. The first linear layer copies feature 0 into all
    # its units, the second and the third copy every unit: so each logit is 4 with probability 1/4 and else 0, by
    # itself.
    shapes = [leaf.shape for leaf in look(hold(model))]
    values = [torch.zeros(shape) for shape in shapes]
    values[-7].fill_(1)
    values[-6][:, 0] = 1
    for place in (-4, -2):
        values[place].copy_(torch.eye(512))
    give(model, values)
    x = torch.zeros(8, 3, 32, 32)
    expect_output(model.forward, x[:1], torch.ones(1, 512), training=False)
    result = call(model.forward, x, seed=context.seed, grad=True).result
    logits = expect_shape(result, (8, 512), f"{model}.forward").float()
    on = (logits - 4).abs() < 1e-3
    # 4,096 logits, each on with probability 1/4: standard deviation 0.007.
    if not (on | (logits.abs() < 1e-3)).all() or abs(on.float().mean().item() - 0.25) > 0.05:
        raise CheckFailed(
            gettext("In train mode {share:.0%} of the signals pass both dropouts, as {values} for 1.").format(
                share=logits.ne(0).float().mean(), values=_values(logits)
            ),
            expected=gettext("a quarter of them, as 4"),
        )
    # One of 8 images without any signal: never, unless whole images or the features are dropped.
    if not on.any(1).all() or torch.equal(on[0], on[1]):
        raise CheckFailed(
            gettext("In train mode the dropouts drop whole images, or the same of each; drop signal by signal.")
        )


def _values(logits):
    found = sorted({round(value, 2) for value in logits.flatten().tolist()} - {0.0})
    return ", ".join(f"{value:g}" for value in found[:3]) or gettext("nothing")


@check(
    points=3,
    hint="The same as VGGSmall but for the sizes of the linear layers: 25088 -> 4096 -> 4096 -> num_classes.",
    requires=["large_shape", "function"],
)
def test_large_function(student, context):
    """VGGLowLevel computes the same as layers of torch.nn on 224 x 224 images"""
    # Of every layer only the first 32 rows are other than 0, so that here only these are computed. In the worker, what
    # was not made takes no memory.
    rows = 32
    generator = context.generator(40)
    weights = [torch.randn(rows, 25088, generator=generator) / 112, torch.randn(rows, rows, generator=generator) / 4]
    weights.append(torch.randn(6, rows, generator=generator) / 4)
    biases = [torch.randn(4096, generator=generator), torch.randn(4096, generator=generator)]
    biases.append(torch.randn(6, generator=generator))
    x = torch.randn(1, 3, 224, 224, generator=generator)

    def compare_with(name, drops):
        widths = [each if each == "M" else min(each, rows) for each in CONFIGS[name]]
        convolutions = calibrated(41, False, widths)[0]
        values = [*(each.detach() for each in convolutions.parameters()), *_alternating(weights, biases)]

        def reference(x):
            hidden = convolutions(x).flatten(1)
            for weight, bias in zip(weights[:2], biases[:2], strict=True):
                hidden = F.relu(F.linear(hidden, weight[:, : hidden.shape[1]], bias[:rows]))
            return F.linear(hidden, weights[2], biases[2])

        def compare(model):
            fill(hold(model), values)
            with model.threads(context.threads):
                expect_output(model.forward, x, reference, training=False)
                if drops:
                    _expect_dropped(model, x)

        with_large(student.VGGLowLevel, compare, name, num_classes=6)

    compare_with("VGG11", drops=False)
    with_small(student, partial(compare_with, drops=True))


def _expect_dropped(model, x):
    """Two runs in train mode differ."""
    one, other = (call(model.forward, x, seed=seed, grad=True).result for seed in (1, 2))
    if same(expect_tensor(one, f"{model}.forward"), expect_tensor(other, f"{model}.forward")):
        raise CheckFailed(gettext("In train mode {model} drops no signals.").format(model=model))


def _alternating(weights, biases):
    return [each for pair in zip(weights, biases, strict=True) for each in pair]


@check(
    points=5,
    hint="Convolutions: std sqrt(2 / fan_in), fan_in = 9 * in_channels; linear: sqrt(2 / (in + out)); normal. Biases "
    "and beta 0, gamma 1.",
    requires=["leaves"],
)
def test_init(student):
    """Initial weights are normal with the right standard deviations, biases are 0, gamma 1"""
    # fan_in is 9 * in also where the images have another number of channels.
    shapes = [tuple(each.shape) for each in features("VGG11", channels=1, use_bn=True).parameters()]
    shapes += [(512, 512), (512,), (512, 512), (512,), (300, 512), (300,)]
    first, second = (build(student.VGGSmall, "VGG11", 300, 1, use_bn=True) for _ in range(2))
    held = expect_shapes(first, shapes)
    drawn = expect_values(held, shapes, SAMPLE), expect_values(hold(second), shapes, SAMPLE)
    for place, (shape, value, other) in enumerate(zip(shapes, *drawn, strict=True)):
        if len(shape) == 1:
            kind = place % 4 if place < 32 else 1
            if not (value == (kind == 2)).all():
                message = gettext("{what} is not {number} at the start.")
                raise CheckFailed(
                    message.format(what=f"{held}[{place}]", number=int(kind == 2)), expected=int(kind == 2)
                )
            continue
        if torch.equal(value, other):
            message = gettext("{what} is the same in two models: draw new weights, and set no seed.")
            raise CheckFailed(message.format(what=f"{held}[{place}]"))
        value = value.double()
        outputs, inputs = shape[0], prod(shape[1:])
        expected = (2 / inputs if len(shape) == 4 else 2 / (inputs + outputs)) ** 0.5
        mean, std = value.mean().item(), value.std().item()
        # The standard error of a standard deviation of k normal numbers is std / sqrt(2 k): allow seven of them.
        allowed = 7 * expected / (2 * value.numel()) ** 0.5
        if not (abs(std - expected) <= allowed and abs(mean) <= 2 * allowed):
            raise CheckFailed(
                gettext("{what}, {shape}, has mean {mean:.4f} and standard deviation {std:.4f}.").format(
                    what=f"{held}[{place}]", shape=shape, mean=mean, std=std
                ),
                expected=gettext("mean 0, standard deviation {std:.4f}").format(std=expected),
                actual=gettext("mean {mean:.4f}, standard deviation {std:.4f}").format(mean=mean, std=std),
            )
        beyond = (value.abs() > 2.5 * expected).double().mean().item()
        if abs(beyond - BEYOND) > 7 * (BEYOND / value.numel()) ** 0.5:
            message = gettext("{what} is not normally distributed.").format(what=f"{held}[{place}]")
            raise CheckFailed(message, expected=gettext("a normal distribution"))


BEYOND = 0.01242  # the share of normal numbers that are further off than 2.5 standard deviations


class Optimiser:
    """torch.optim.SGD by its functional form: its class imports torch's compiler, which takes a second."""

    def __init__(self, params, momentum=0.9, weight_decay=5e-4):
        self.params, self.momenta = params, [None] * len(params)
        self.options = {"momentum": momentum, "weight_decay": weight_decay, "dampening": 0}

    @torch.no_grad()
    def step(self, lr):
        """One step; what has no gradient is left out, as torch.optim.SGD does."""
        places = [place for place, each in enumerate(self.params) if each.grad is not None]
        momenta = [self.momenta[place] for place in places]
        params = [self.params[place] for place in places]
        sgd(params, [each.grad for each in params], momenta, lr=lr, nesterov=False, maximize=False, **self.options)
        for place, momentum in zip(places, momenta, strict=True):
            self.momenta[place] = momentum


@check(
    points=4,
    hint="g = gradient + weight_decay * p, v = momentum * v + g, p = p - lr * v, in place; without a gradient nothing.",
    requires=["sgd_step"],
)
def test_sgd(student, context):
    """sgd_step_with_momentum is torch.optim.SGD, over several steps"""
    generator = context.generator(50)
    shapes = [(3, 4), (5,), (2, 3, 2, 2), ()]
    ours = [torch.randn(shape, generator=generator) for shape in shapes]
    for options in ({}, {"momentum": 0.5, "weight_decay": 0.2}):
        optimiser = Optimiser(ours, **options)
        # What an earlier step has left for the one that has no gradient now: that must not change either.
        velocities = make(student, [torch.full(shape, float(place == 1)) for place, shape in enumerate(shapes)])
        for number, lr in enumerate((0.1, 0.2, 0.05, 0.1)):
            if number < 3:  # the last step has the gradients of the one before
                for place, each in enumerate(ours):
                    each.grad = None if place == 1 else torch.randn(each.shape, generator=generator)
                held = make(student, ours, [each.grad for each in ours])
            passed = hold(held, "copy")
            optimiser.step(lr)
            call(student.sgd_step_with_momentum, passed, velocities, lr, grad=True, **options)
            expect_leaves(held)
            for place, (value, each) in enumerate(zip(expect_values(held, shapes), ours, strict=True)):
                if not torch.allclose(value, each, rtol=1e-4, atol=1e-5):
                    said = gettext(
                        "After a step with lr {lr}, a parameter of shape {shape} is not what torch.optim.SGD gives."
                    )
                    if place == 1:
                        said = gettext(
                            "After a step with lr {lr}, a parameter of shape {shape} has no gradient, but changes."
                        )
                    raise CheckFailed(said.format(lr=lr, shape=shapes[place]))
            if not (expect_values(velocities, shapes)[1] == 1).all():
                said = gettext("After a step with lr {lr}, a parameter has no gradient, but its velocity changes.")
                raise CheckFailed(said.format(lr=lr))


@check(
    points=4,
    hint="tensor.to(device) of a tensor that requires a gradient is no leaf: detach, move, requires_grad_ again, and "
    "keep the result where forward and parameters() find it.",
    requires=["gradient"],
)
def test_to(student, context):
    """to(device) moves everything, returns the model, and training goes on with what parameters() then gives"""

    def compare_with(name):
        reference = vgg(context, True, name)
        model = build(student.VGGSmall, name, use_bn=True, draws=PERIOD)
        give(model, list(reference.parameters()), PERIOD)
        warm_up(model, reference, context)
        moved = move(model.to, "cpu")
        if moved is None or getattr(moved, "_grader_handle", None) != model._grader_handle:
            raise CheckFailed(gettext("to(device) does not return the model itself."))
        expect_leaves(hold(model), "cpu")
        if not all(map(torch.equal, values_of(model, reference), parameters_of(reference))):
            raise CheckFailed(gettext("to(device) changes the values of the parameters."))
        held = give(model, list(reference.parameters()), PERIOD)
        warm_up(model, reference, context)
        expect_same_derivative(model, held, reference, noise(context, 1, 61), training=False)
        model.zero_grad()
        if any(leaf.gradient is not None and leaf.gradient.any() for leaf in look(held, gradients=True)):
            raise CheckFailed(gettext("After to(device), zero_grad() leaves the gradients as they are."))
        # torch's meta device is there on every machine, and is another one than the CPU.
        other = build(student.VGGSmall, name, use_bn=True, draws=PERIOD)
        try:
            move(other.to, "meta")
        except StudentError as error:
            if "incompatible tensor type" not in error.text:  # .data, which can go to a GPU but not there
                raise
            return
        expect_leaves(hold(other), "meta")
        if not reaches(other, "cpu"):
            return  # nothing is left behind; running it there makes torch import its compiler (2 s)
        images = getattr(make(student, [torch.zeros(2, 3, 32, 32)]), "0")
        try:
            other.forward(images.to("meta"), training=False)
        except StudentError as error:
            if "device" in error.text:
                message = gettext("After to(device), forward finds running statistics on the old device.")
                raise CheckFailed(message) from None

    with_small(student, compare_with)


@check(
    points=3,
    hint="Weight every batch's mean loss by its size. In evaluate: training=False, and no step.",
    requires=["statistics", "sgd"],
)
def test_evaluate(student, context):
    """evaluate gives the mean over images, not over batches, out of train mode, and changes nothing"""

    def compare_with(name):
        reference = vgg(context, True, name)
        model = build(student.VGGSmall, name, use_bn=True, draws=PERIOD)
        held = give(model, list(reference.parameters()), PERIOD)
        warm_up(model, reference, context)
        before = derivative(model, held, noise(context, 1, 72), torch.ones(1, 10), training=False).leaves
        x = noise(context, 3, 70)
        with torch.no_grad():
            logits = reference(x)
        labels = (logits.argmax(1) + torch.tensor([0, 0, 3])) % 10  # two are right
        expected = F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()
        for size in (3, 2):
            found = call(student.evaluate, model, student.probe("loader", x, labels, batch_size=size), grad=True).result
            _expect_figures(
                expect_pair(found, "evaluate"), expected, gettext("evaluate, in batches of {size},").format(size=size)
            )
        expect_output(model.forward, x, logits, " " + gettext("That is after evaluate."), training=False)
        if not all(map(torch.equal, values_of(model, reference), parameters_of(reference))):
            raise CheckFailed(gettext("evaluate changes the parameters."))
        after = [leaf.gradient for leaf in look(held, gradients=True, most=COMPARED)]
        if not all(same(now, kept) for now, kept in zip(after, before, strict=False) if kept is not None):
            raise CheckFailed(gettext("evaluate changes the parameters' gradients."))
        expect_recording(student, student.evaluate, [model, student.probe("loader", x[:2], labels[:2], batch_size=1)])

    with_small(student, compare_with)


def _expect_figures(found, expected, what):
    names = gettext("mean loss"), gettext("accuracy")
    for name, mine, wanted in zip(names, found, expected, strict=True):
        if not abs(mine - wanted) <= 1e-3 * max(1.0, wanted):
            message = gettext("{what} gives {name} {value:.4f}; {wanted:.4f} is expected.")
            raise CheckFailed(message.format(what=what, name=name, value=mine, wanted=wanted), expected=f"{wanted:.4f}")


@check(
    points=4,
    hint="Per batch: zero_grad, forward in train mode, mean cross-entropy, backward, one step with the defaults of "
    "sgd_step_with_momentum. Weight every batch's loss by its size.",
    requires=["statistics", "sgd"],
)
def test_train_epoch(student, context):
    """train_epoch makes the steps that torch.optim.SGD makes, and gives mean loss and accuracy over all images"""

    def compare_with(name):
        # Linear layers through which nothing passes: only the last bias learns, whatever dropout draws. The batch norms
        # see the images all the same.
        reference = vgg(context, True, name)
        with torch.no_grad():
            for layer in reference[1]:
                if isinstance(layer, nn.Linear):
                    layer.weight.zero_()
                    layer.bias.fill_(-1)
            layer.bias.copy_(torch.randn(10, generator=context.generator(80)))
            layer.bias[layer.bias.argmax()] += 6  # gradients of norm 1.4: who makes them shorter ends elsewhere
        model = build(student.VGGSmall, name, use_bn=True, draws=PERIOD)
        held = give(model, list(reference.parameters()), PERIOD)
        momenta = [torch.zeros(each.shape) for each in reference.parameters()]
        momenta[-1] += torch.randn(10, generator=context.generator(82)) / 2  # an epoch before this one has left it
        velocities = make(student, momenta)
        # What is said of every image at the start is right of none of the first 3; after a step so large it is what is
        # right of them, of 1 of the next 3, and of the last one, which comes alone.
        x, labels = noise(context, 7, 81), (layer.bias.argmax() + torch.tensor([1, 1, 1, 1, 0, 2, 1])) % 10
        optimiser = Optimiser(list(reference.parameters()))
        optimiser.momenta = momenta
        losses, right = [], []

        def learn():
            blocks, linear = reference.train()
            for images, targets in zip(x.split(3), labels.split(3), strict=True):
                reference.zero_grad()
                for each in blocks.parameters():  # no gradient comes through the linear layers: they only decay
                    each.grad = torch.zeros(()).expand(each.shape)
                with torch.no_grad():
                    features = blocks(images)
                logits = linear(features)
                loss = F.cross_entropy(logits, targets)
                loss.backward()
                optimiser.step(8.0)
                losses.extend([loss.item()] * len(targets))
                right.extend((logits.argmax(1) == targets).tolist())

        derivative(model, held, x[:1], torch.ones(1, 10), training=False)  # gradients that the first step is not to see
        loader = student.probe("loader", x, labels, batch_size=3)
        called = call(student.train_epoch, model, loader, velocities, 8.0, grad=True, meanwhile=learn)
        found = expect_pair(called.result, "train_epoch")
        _expect_figures(found, (sum(losses) / len(x), sum(right) / len(x)), "train_epoch")
        for place, (value, each) in enumerate(zip(values_of(model, reference), parameters_of(reference), strict=True)):
            if not torch.allclose(value, each, rtol=1e-3, atol=1e-5):
                message = gettext("After train_epoch {what} is not what torch.optim.SGD makes of it.")
                raise CheckFailed(message.format(what=f"{held}[{place}]"))
        # Its running statistics, seen through weights that let everything pass.
        statistics = [each.clone() for each in reference.buffers()]
        vgg(context, True, name)
        give(model, list(reference.parameters()), PERIOD)
        with torch.no_grad():
            for each, kept in zip(reference.buffers(), statistics, strict=True):
                each.copy_(kept)
            expected = reference(x)
        after = " " + gettext(
            "That is after train_epoch, so look at the running statistics: is every batch run once, in train mode?"
        )
        expect_output(model.forward, x, expected, after, training=False)
        # Images so bright that only the batch's own statistics keep the logits small: what is returned is of that run.
        bright, figures = 100 * x[:2], []
        with torch.no_grad():
            labels = reference(bright).argmin(1)  # out of train mode nothing is less likely: the loss is large there
        loader = student.probe("loader", bright, labels, batch_size=2)
        velocities = make(student, [torch.zeros(each.shape) for each in reference.parameters()])

        @torch.no_grad()
        def run_both():
            figures.extend(F.cross_entropy(reference.train(mode)(bright), labels).item() for mode in (False, True))

        called = call(
            student.train_epoch, model, loader, velocities, 0.0, seed=context.seed, grad=True, meanwhile=run_both
        )
        loss, _ = expect_pair(called.result, "train_epoch")
        if loss > sum(figures) / 2:
            message = gettext("train_epoch gives mean loss {value:.4f}; is that of a run out of train mode?")
            raise CheckFailed(message.format(value=loss))

    with_small(student, compare_with)


@check(
    points=3,
    hint="training=False; each map after its last ReLU, before its pooling; the last one after the last pooling.",
    requires=["visualize_shape", "statistics"],
)
def test_visualize(student, context):
    """visualize_features gives the right maps, out of train mode"""

    def compare_with(name):
        for use_bn in (True, False):
            reference = vgg(context, use_bn, name)
            model = build(student.VGGSmall, name, use_bn=use_bn, draws=PERIOD)
            give(model, list(reference.parameters()), PERIOD)
            if use_bn:
                warm_up(model, reference, context)
            for salt in (62, 63, 63):
                x = noise(context, 1, salt)
                maps = call(student.visualize_features, model, x, grad=True).result
                if not isinstance(maps, (list, tuple)) or len(maps) != 6:
                    raise CheckFailed(gettext("visualize_features does not return six maps."), expected=6)
                for place, (mine, wanted) in enumerate(zip(maps, maps_of(reference[0], x), strict=True)):
                    expect_same(mine, wanted, f"visualize_features(...)[{place}]")

    with_small(student, compare_with)
