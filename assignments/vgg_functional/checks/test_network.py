"""Public checks of vgg_functional: the parameters, shapes, and what may be used."""

from math import prod

import torch

from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_shape
from grader.checks.leaves import (
    build,
    build_light,
    derivative,
    expect_leaves,
    expect_own,
    expect_shapes,
    with_large,
    with_small,
)
from grader.checks.source import expect_unused
from grader.language import gettext
from grader.student import DRAWN, release
from grader.student.leaves import fill, hold, look

CONFIGS = {
    "VGG11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "VGG13": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "VGG16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "VGG19": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
}
LARGE, SMALL = (512 * 7 * 7, 4096, 4096), (512, 512, 512)
# Of torchvision's vgg11 to vgg19: parameters without and with batch norm.
COUNTS = {
    "VGG11": (132_863_336, 132_868_840),
    "VGG13": (133_047_848, 133_053_736),
    "VGG16": (138_357_544, 138_365_992),
    "VGG19": (143_667_240, 143_678_248),
}


def shapes_of(name, widths, classes, channels=3, use_bn=False):
    """The shapes of parameters(), in order."""
    shapes = []
    for width in CONFIGS[name]:
        if width != "M":
            shapes += [(width, channels, 3, 3), (width,)] + [(width,), (width,)] * use_bn
            channels = width
    for inputs, outputs in zip(widths, [*widths[1:], classes], strict=True):
        shapes += [(outputs, inputs), (outputs,)]
    return shapes


@check(
    points=6,
    hint="Per convolution: weight (out, in, 3, 3), bias (out,), and with use_bn gamma and beta (out,); then weight "
    "(out, "
    "in) and bias (out,) of each linear layer.",
)
def test_parameters(student):
    """parameters() lists tensors of the right shapes in the right order, for every configuration"""
    expect_shapes(build_light(student.VGGLowLevel), shapes_of("VGG16", LARGE, 1000))
    expect_shapes(build_light(student.VGGSmall), shapes_of("VGG16", SMALL, 10))
    for name in CONFIGS:
        for use_bn in (False, True):
            model = build_light(student.VGGSmall, name, num_classes=7, input_channels=1, use_bn=use_bn)
            expect_shapes(model, shapes_of(name, SMALL, 7, 1, use_bn))
    release(student)
    model = build_light(student.VGGLowLevel, "VGG11", 20, 4, True)
    expect_shapes(model, shapes_of("VGG11", LARGE, 20, 4, True))


@check(points=3, hint="Add up numel() of parameters(); running statistics are not trained.", requires=["parameters"])
def test_count(student):
    """count_parameters() gives the numbers of torchvision's VGGs: 138,357,544 for VGG16"""
    asked = [(name, use_bn) for use_bn in (False, True) for name in COUNTS]
    while asked:
        name, use_bn = asked.pop(0)
        release(student)
        model = build_light(student.VGGLowLevel, name, use_bn=use_bn)
        found, count = model.count_parameters(), COUNTS[name][use_bn]
        if type(found) is not int or found != count:
            shown = f"{found:,}" if type(found) is int else str(found)[:60]
            raise CheckFailed(
                gettext(
                    "count_parameters() of VGGLowLevel({name!r}, use_bn={use_bn}) is {shown}; {count:,} is expected."
                ).format(name=name, use_bn=use_bn, shown=shown, count=count),
                expected=count,
                actual=shown,
            )
        if look(hold(model))[0].device != "meta":
            asked = asked[-1:]  # each one takes seconds and half a gigabyte: one more will do
    release(student)
    model = build_light(student.VGGSmall, "VGG13", num_classes=7, input_channels=1)
    found, count = model.count_parameters(), sum(map(prod, shapes_of("VGG13", SMALL, 7, 1)))
    if type(found) is not int or found != count:
        message = gettext("count_parameters() of {model} is {found}; {count:,} is expected.")
        raise CheckFailed(message.format(model=model, found=str(found)[:60], count=count), expected=count)


@check(
    points=5,
    hint="Scale first, then weight.requires_grad_(): what is computed from a tensor that requires a gradient is no "
    "leaf.",
    requires=["parameters"],
)
def test_leaves(student):
    """Every parameter is a leaf with requires_grad, and parameters() always gives the same tensors"""
    expect_leaves(hold(build_light(student.VGGLowLevel, "VGG11", use_bn=True)))
    model = build(student.VGGSmall, "VGG11", use_bn=True, draws=DRAWN)
    expect_leaves(hold(model))
    expect_own(model)


@check(
    points=4,
    hint="Five poolings turn 32 x 32 into 1 x 1; flatten everything but the batch, then the three linear layers.",
    requires=["parameters"],
)
def test_shape(student):
    """VGGSmall turns (N, C, 32, 32) into (N, num_classes), in train mode and out of it"""
    for name, classes, channels, use_bn, trained in (("VGG11", 7, 1, True, 3), ("VGG13", 1, 3, False, 0)):
        model = build(student.VGGSmall, name, classes, channels, use_bn, draws=DRAWN)
        what = gettext("{module}, training=False,").format(module=f"{model}.forward")
        expect_shape(model.forward(torch.zeros(1, channels, 32, 32), training=False), (1, classes), what)
        if trained:
            x = torch.zeros(trained, channels, 32, 32)
            expect_shape(model.forward(x), (trained, classes), f"{model}.forward")


@check(
    points=3,
    hint="224 x 224 gives maps of 7 x 7: 25,088 numbers for the first linear layer.",
    requires=["shape"],
)
def test_large_shape(student, context):
    """VGGLowLevel turns (N, 3, 224, 224) into (N, num_classes)"""

    def compare(model):
        # Zeros: of weights that were not made, these take no memory.
        fill(hold(model), [torch.zeros([1] * len(shape)) for shape in shapes_of("VGG11", LARGE, 12)])
        with model.threads(context.threads):
            expect_shape(model.forward(torch.zeros(1, 3, 224, 224)), (1, 12), "VGGLowLevel('VGG11').forward")

    with_large(student.VGGLowLevel, compare, "VGG11", num_classes=12)


@check(
    points=4,
    hint="zero_grad sets every parameter's grad to None, or fills it with zeros.",
    requires=["shape", "leaves"],
)
def test_gradients(student):
    """backward() reaches every parameter, gradients add up, and zero_grad() forgets them"""

    def compare_with(name):
        model = build(student.VGGSmall, name, draws=DRAWN)
        held = hold(model)
        x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        cotangent = torch.tensor([[1.0, -2.0, 3.0, 1.0, -1.0, 2.0, -3.0, 1.0, -1.0, 2.0]])
        first = derivative(model, held, x, cotangent, training=False).leaves
        for place, gradient in enumerate(first):
            if gradient is None or not gradient.any():
                message = gettext("{what} gets no gradient: forward does not use it, or something cuts the graph.")
                raise CheckFailed(message.format(what=f"{held}[{place}]"))
        second = derivative(model, held, x, cotangent, training=False).leaves
        twice = [(one * 2, two) for one, two in zip(first, second, strict=False)]
        if not all(
            two is not None and two.shape == one.shape and (torch.equal(two, one) or torch.allclose(two, one))
            for one, two in twice
        ):
            raise CheckFailed(gettext("After a second backward() the gradients are not twice those of the first one."))
        derivative(model, held, x, cotangent * torch.inf, training=False)  # times 0 this is nan
        model.zero_grad()
        for place, leaf in enumerate(look(held, gradients=True)):
            if leaf.gradient is not None and leaf.gradient.any():
                message = gettext("{what} still has a gradient after zero_grad().")
                raise CheckFailed(message.format(what=f"{held}[{place}]"))

    with_small(student, compare_with)


@check(
    points=4,
    hint="What torch.nn.functional offers is allowed, but for batch_norm; what is a layer or an optimiser is not.",
    requires=["parameters"],
)
def test_own_work(context):
    """No nn.Module, no layer of torch.nn, no torch.optim, no ready-made batch norm"""
    expect_unused(context.source, FORBIDDEN)


FORBIDDEN = [
    *(f"torch.nn.{name}" for name in ("Module", "Conv2d", "Linear", "BatchNorm2d", "Sequential", "modules")),
    *(f"{where}.batch_norm" for where in ("torch", "torch.nn.functional")),
    "torch.native_batch_norm",
    "torch.ops",
    "torch.optim",
    "torchvision.models",
]
