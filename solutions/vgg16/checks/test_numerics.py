"""Hidden checks of vgg16: the same function as the solution, its gradients, dropout, initial weights."""

from functools import partial

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_module, expect_shape, expect_tensor
from grader.checks.numerics import (
    expect_fresh,
    expect_gradients_in_training,
    expect_same_buffers,
    expect_same_function,
    expect_same_gradient,
    parameter,
    same,
)
from grader.checks.strategies import image_sizes, seeds, vgg_configs
from grader.checks.weights import calibrate, give_weights
from grader.language import gettext
from grader.student import call

SMALL = [8, "M", 12, "M", 16, "M", 16, "M", 512, "M"]


@check(
    points=10,
    hint="Convolution 3x3 with padding 1, BatchNorm2d if asked for, ReLU; MaxPool2d(2, 2) for 'M'. In this order.",
    requires=["make_layers_state"],
)
@settings(max_examples=15)
@given(cfg=vgg_configs(), batch_norm=st.booleans(), seed=seeds(), training=st.booleans(), data=st.data())
def test_make_layers_function(student, context, cfg, batch_norm, seed, training, data):
    """make_layers computes the right function, for any cfg"""
    size = data.draw(image_sizes(cfg.count("M")), label="image size")
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 3, *size, generator=generator)
    noise, make_layers = torch.randn(4, 3, 32, 32, generator=generator), context.reference.make_layers
    original = context.known(
        *("layers", tuple(cfg), batch_norm, seed, size),
        make=lambda: calibrate(make_layers(cfg, batch_norm=batch_norm), noise, seed),
    )
    mine = give_weights(student.make_layers(cfg, batch_norm=batch_norm), original)
    inputs = [x] if training else [x, 8 * x[:1]]  # in large numbers ReLU6 shows
    expect_same_function(mine, original, inputs, training=training)


@check(points=4, hint="Do not cut the graph, and do not work in place on the input.", requires=["make_layers_function"])
def test_make_layers_gradient(student, reference, context):
    """make_layers has the right gradients"""
    for batch_norm in (False, True):
        noise = torch.randn(8, 3, 32, 32, generator=context.generator())
        made = partial(reference.make_layers, SMALL, batch_norm=batch_norm)
        original = context.known("small", batch_norm, make=lambda made=made, noise=noise: calibrate(made(), noise, 1))
        mine = give_weights(student.make_layers(SMALL, batch_norm=batch_norm), original)
        expect_same_gradient(
            mine, original, torch.randn(4, 3, 32, 32, generator=context.generator(1)), training=batch_norm
        )


@check(points=4, hint="Read the cfg without changing it; every call makes new layers.", requires=["make_layers_shape"])
def test_make_layers_calls(student):
    """make_layers leaves its cfg alone, and two calls share nothing"""
    called = call(student.make_layers, [5, "M", 7])
    if called.mutated:
        raise CheckFailed(gettext("make_layers changes the cfg it was given; the next call would get another one."))
    first = expect_module(called.result, "make_layers(cfg)")
    again = gettext("make_layers(cfg), called again,")
    second = expect_module(student.make_layers([5, "M", 7]), again)
    x = torch.ones(1, 3, 8, 8)
    before = expect_shape(second(x), (1, 7, 4, 4), again)
    parameters, buffers = first.state()
    first.load_state_dict({entry.name: torch.zeros(entry.shape) for entry in [*parameters, *buffers]})
    after = expect_shape(second(x), (1, 7, 4, 4), again)
    if before.dtype != after.dtype or not torch.equal(before, after):
        raise CheckFailed(gettext("Two results of make_layers share their weights; make new layers in every call."))


def known_vgg(context, x, seed):
    """A small VGG of the solution's, calibrated on ``x``, which follows from the context."""
    reference = context.reference
    return context.known("vgg", seed, make=lambda: calibrate(reference.VGG(reference.make_layers(SMALL)), x, seed))


@check(
    points=8,
    hint="forward: features, flatten, classifier; in eval mode dropout does nothing. No softmax: the loss does that.",
    requires=["vgg_shape", "vgg_state"],
)
def test_vgg_function(student, context):
    """VGG computes the right function around any features"""
    x = torch.randn(4, 3, 32, 32, generator=context.generator(2))
    original = known_vgg(context, x, 3)
    mine = give_weights(student.VGG(student.make_layers(SMALL)), original)
    large = 8 * torch.randn(5, 3, 32, 32, generator=context.generator(3))  # ReLU6 shows
    expect_same_function(mine, original, [x, x[:1], large])
    # Other weights in the same network: what it may have worked out from the first ones is no longer right.
    original = known_vgg(context, x, 4)
    expect_same_function(give_weights(mine, original), original, [x])


@check(
    points=4,
    hint="nn.Dropout() before each of the two linear layers, with its default p = 0.5.",
    requires=["vgg_function"],
)
def test_vgg_dropout(student, reference, context):
    """The classifier drops half of its inputs, twice, in train mode"""
    # Weights under which the law of a logit is known: the first linear layer copies its input, batch norm over the
    # batch maps {0, 2} to {-1, 1}, ReLU to {0, 1}, the second dropout to {0, 2}, and logit j copies unit j. So each
    # logit is 2 with probability 1/4 and else 0; with one dropout fewer, or another p, the values or the frequencies
    # are others.
    classifier = reference.VGG(nn.Sequential()).classifier
    with torch.no_grad():
        for layer in classifier:
            for parameter in layer.parameters():
                parameter.zero_()
        classifier[1].weight.copy_(torch.eye(512))
        classifier[2].weight.fill_(1)
        classifier[5].weight.copy_(torch.eye(10, 512))
    model = student.VGG(student.make_layers(["M", "M", "M", "M", 512, "M"]))
    mine = expect_module(model, "VGG(features)")
    # The features give 1 everywhere (weight 0, bias 1), but for units 8 and 9: what they give, 0, dropout leaves at 0.
    given_ = torch.ones(512)
    given_[8:10] = 0
    features = {"features.4.weight": torch.zeros(512, 3, 3, 3), "features.4.bias": given_}
    mine.load_state_dict(features | {f"classifier.{key}": value for key, value in classifier.state_dict().items()})
    mine.train()
    count = 512
    images = torch.zeros(count, 3, 32, 32)
    logits = torch.cat([expect_shape(mine(images, seed=context.seed + k), (count, 10), "VGG") for k in range(2)])
    on = (logits - 2).abs() < 0.6  # batch statistics of 512 samples are off by some percent
    off = logits.abs() < 0.01
    if not (on | off).all() or on[:, 8:].any():
        raise CheckFailed(
            gettext("In train mode the classifier is not dropout, linear, batch norm, ReLU, dropout, linear.")
        )
    if torch.equal(on[:count], on[count:]):
        raise CheckFailed(
            gettext("Two runs in train mode drop the same signals."),
            expected=gettext("other ones in every run"),
        )
    # Of all logits that are on the mean is nearer to 2: with p = 0.4 in either of them it is 1.6 or 1.7.
    if abs(logits[on].mean().item() - 2) > 0.12:
        raise CheckFailed(
            gettext("In train mode a signal passes the two dropouts as {value:.2f}; 2 is expected.").format(
                value=logits[on].mean().item()
            ),
            expected=gettext("two dropouts with p = 0.5"),
        )
    on = on[:, :8]
    share = on.float().mean().item()
    # 8,192 logits, each on with probability 1/4: standard deviation 0.005.
    if abs(share - 0.25) > 0.03:
        raise CheckFailed(
            gettext(
                "In train mode the two dropouts together let {share:.0%} of the signals through; a quarter is expected."
            ).format(share=share),
            expected=gettext("two dropouts with p = 0.5"),
        )
    # Signals are dropped one by one, so all eight logits of an image are off with probability 0.75 ** 8, 0.10: of 1,024
    # images with a standard deviation of 0.009. Where whole images are dropped (Dropout1d) it is about one half.
    silent = (~on).all(1).float().mean().item()
    if silent > 0.2:
        raise CheckFailed(
            gettext(
                "In train mode the dropouts silence {share:.0%} of the images altogether; drop each signal by itself."
            ).format(share=silent),
            expected=gettext("two times nn.Dropout"),
        )


@check(
    points=4,
    hint="Dropout and batch norm must follow model.train() and model.eval().",
    requires=["make_layers_state", "vgg_function"],
)
def test_vgg_training(student, reference, context):
    """In train mode every layer behaves as it should, and running statistics are kept"""
    x = torch.randn(6, 3, 32, 32, generator=context.generator(4))
    original = calibrate(reference.VGG(reference.make_layers(SMALL, batch_norm=True)), x, 5)
    mine = give_weights(student.VGG(student.make_layers(SMALL, batch_norm=True)), original)
    mine.train()
    mine(x, seed=context.seed)
    mine.eval()
    first = expect_shape(mine(x), (6, 10), "VGG")
    before = give_weights(mine, original)
    before.eval()
    second = expect_shape(before(x), (6, 10), "VGG")
    original.eval()
    with torch.no_grad():
        expected = original(x)
    if not same(second, expected):
        raise CheckFailed(
            gettext("After train() and eval() the network computes something else under the same weights.")
        )
    if same(first, expected):
        raise CheckFailed(
            gettext("A forward run in train mode leaves the running statistics of batch norm as they were.")
        )
    # Without a weight in the first linear layer its outputs are its biases, whatever dropout does. The running
    # statistics are those of x already: of another batch each run moves them.
    other = 1 + torch.randn(6, 3, 32, 32, generator=context.generator(9))
    with torch.no_grad():
        original.classifier[1].weight.zero_()
        give_weights(mine, original).train()
        mine(other, seed=context.seed)
        original.train()(other)
    expect_same_buffers(mine, original)


@check(points=4, hint="Do not cut the graph in forward: no detach, no no_grad, no .data.", requires=["vgg_function"])
def test_vgg_gradient(student, context):
    """VGG has the right gradients, at every parameter"""
    x = torch.randn(4, 3, 32, 32, generator=context.generator(6))
    original = known_vgg(context, x, 7)
    mine = give_weights(student.VGG(student.make_layers(SMALL)), original)
    expect_same_gradient(mine, original, x)
    # Dropout makes them others in train mode, but there are some: nothing has worked in place on what they need. Here
    # the classifier gets what a ReLU gives.
    mine = expect_module(student.VGG(student.make_layers(["M", "M", "M", "M", "M", 512])), "VGG(features)")
    expect_gradients_in_training(mine, x, 10)


@check(
    points=6,
    hint="For every Conv2d: n = kernel height * kernel width * out_channels, weight std sqrt(2 / n), normal; bias 0.",
    requires=["vgg_shape"],
)
def test_vgg_init(student, reference, context):
    """VGG initialises every convolution: weights normal with std sqrt(2 / n), biases 0"""
    cfg = [96, "M", 192, "M", 64, "M", 160, "M", 512, "M"]
    features = expect_module(student.make_layers(cfg), "make_layers(cfg)")
    # VGG initialises whatever features it is given: these come with other weights.
    features.load_state_dict({key: torch.full_like(value, 7) for key, value in features.state_dict().items()})
    model = expect_module(student.VGG(features), "VGG(features)")
    expect_fresh(model, student.VGG(student.make_layers(cfg)), ["features.0.weight"])
    state = model.state_dict()
    if not all(
        torch.equal(value, state.get(f"features.{key}", value + 1)) for key, value in features.state_dict().items()
    ):
        raise CheckFailed(
            gettext("VGG(features) holds a copy of the features; self.features is to be what it is given.")
        )
    for key, original in reference.make_layers(cfg).state_dict().items():
        value = state.get(f"features.{key}")
        if not isinstance(value, torch.Tensor) or value.shape != original.shape:
            shape = tuple(original.shape)
            raise CheckFailed(
                gettext("VGG(features) has no features.{key} of shape {shape}.").format(key=key, shape=shape)
            )
        if key.endswith("bias"):
            if value.any():
                raise CheckFailed(gettext("features.{key} is not 0 after VGG(features).").format(key=key), expected="0")
            continue
        _expect_he(key, value)


def _expect_he(key, value):
    """A convolution's weight is as drawn anew."""
    expected = (2 / (9 * len(value))) ** 0.5
    actual = value.double().std().item()
    # The standard error of a standard deviation of k normal numbers is std / sqrt(2 k): allow seven of them.
    allowed = 7 * expected / (2 * value.numel()) ** 0.5
    if abs(actual - expected) > allowed or abs(value.double().mean().item()) > 2 * allowed:
        mean = value.mean().item()
        raise CheckFailed(
            gettext("features.{key}: the weights have mean {mean:.4f} and std {std:.4f}.").format(
                key=key, mean=mean, std=actual
            ),
            expected=gettext("mean 0, std {std:.4f}").format(std=expected),
            actual=gettext("mean {mean:.4f}, std {std:.4f}").format(mean=mean, std=actual),
        )
    beyond = (value.abs() > 2.5 * expected).double().mean().item()  # 1.24 % of a normal distribution
    if not 0.004 < beyond < 0.024:
        raise CheckFailed(
            gettext("features.{key}: the weights are not normally distributed.").format(key=key),
            expected=gettext("a normal distribution"),
        )


@check(
    points=6,
    hint="vgg16() is VGG(make_layers(CFG)), batch norm off. Check CFG, number by number.",
    requires=["vgg16_architecture", "vgg_function"],
)
def test_vgg16_function(student, context):
    """vgg16() computes the same as the solution with the reference weights"""
    mine = expect_module(student.vgg16(), "vgg16()")
    other = expect_module(student.once("vgg16"), "vgg16()")
    expect_fresh(mine, other, ["features.0.weight", "classifier.1.weight"])
    _expect_he("2.weight", expect_tensor(parameter(mine, "features.2.weight"), "vgg16().features.2.weight"))
    original = context.known("trained", make=lambda: context.trained_reference("vgg16"))
    give_weights(mine, original)
    noise = torch.randn(3, 3, 32, 32, generator=context.generator(8))  # as many, so that no output is remembered
    expect_same_function(mine, original, [context.images(3), noise])
