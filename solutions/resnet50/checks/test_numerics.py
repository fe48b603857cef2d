"""Hidden checks of resnet50: the same function as the solution, block by block and as a whole, and its gradients."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.checks import check
from grader.checks.architecture import expect_module, expect_shape
from grader.checks.initial import expect_uniform
from grader.checks.numerics import (
    expect_fresh,
    expect_gradients_in_training,
    expect_same_function,
    expect_same_gradient,
    parameter,
)
from grader.checks.strategies import seeds, sides, widths
from grader.checks.weights import calibrate, give_weights
from grader.student import DRAWN, call

BLOCK_HINT = "conv1x1, conv3x3 with padding 1, conv1x1 with padding 0; the result is added to the projected shortcut."


def blocks(function):
    """The property over blocks of any widths, on any size: those where widths are equal, or 1, and ten others."""
    for widths_, size, training in (
        ((3, 3, 3), (4, 5), True),
        ((4, 2, 4), (7, 6), False),
        ((5, 5, 2), (3, 3), True),
        ((2, 6, 6), (6, 1), False),
        ((1, 1, 1), (1, 1), False),
    ):
        function = example(widths_=widths_, size=size, seed=sum(widths_), training=training)(function)
    given_ = given(
        widths_=st.tuples(widths(), widths(), widths()),
        size=st.tuples(sides(), sides()),
        seed=seeds(),
        training=st.booleans(),
    )
    return settings(max_examples=10)(given_(function))


def compare_block(student, context, widths_, downsample, size, seed, training):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(4, widths_[0], 7, 8, generator=generator)
    block = context.reference.ResidualBlock
    original = context.known(
        "block", widths_, downsample, seed, make=lambda: calibrate(block(*widths_, downsample=downsample), noise, seed)
    )
    mine = give_weights(student.ResidualBlock(*widths_, downsample=downsample), original)
    x = torch.randn(3, widths_[0], *size, generator=generator)
    inputs = [x] if training else [x, 8 * x[:1]]  # in large numbers ReLU6 shows
    expect_same_function(mine, original, inputs, training=training)
    expect_same_gradient(mine, original, x, training=training)


@check(points=15, hint=BLOCK_HINT, requires=["block_shape"])
@blocks
def test_block_function(student, context, widths_, size, seed, training):
    """ResidualBlock computes the right function, forward and backward"""
    compare_block(student, context, widths_, False, size, seed, training)


@check(points=15, hint=BLOCK_HINT + " The first 1x1 has stride 2.", requires=["block_downsample_shape"])
@blocks
def test_block_downsample_function(student, context, widths_, size, seed, training):
    """ResidualBlock with downsample computes the right function, forward and backward"""
    compare_block(student, context, widths_, True, size, seed, training)


def compare_layer(student, context, name, channels, sizes):
    """Layer ``name`` alone, on its own sizes and on odd ones, in eval and in train mode."""
    x, odd = (
        torch.randn(3, channels, *size, generator=context.generator(index)).relu() for index, size in enumerate(sizes)
    )
    original = context.known(
        name, make=lambda: calibrate(getattr(context.built_reference("ResNet50_layer4"), name), x, 1)
    )
    model = expect_module(student.once("ResNet50_layer4"), "ResNet50_layer4()")
    mine = give_weights(getattr(model, name).value(), original)
    expect_same_function(mine, original, [8 * odd[:1], x[:2]])  # in large numbers ReLU6 shows
    expect_same_function(mine, original, [x[1:]], training=True)


@check(points=5, hint="Conv2d(3, 64, 7, 2, 3), BatchNorm2d, ReLU, MaxPool2d(3, 2, 1).", requires=["layer1_shape"])
def test_layer1_function(student, context):
    """layer1 computes the right function"""
    compare_layer(student, context, "layer1", 3, [(32, 32), (27, 30)])


@check(points=8, hint="Which block downsamples? Which channels go in?", requires=["layer2_shape"])
def test_layer2_function(student, context):
    """layer2 computes the right function"""
    compare_layer(student, context, "layer2", 64, [(8, 8), (5, 7)])


@check(points=15, hint="Which block downsamples? Which channels go in?", requires=["layer3_shape"])
def test_layer3_function(student, context):
    """layer3 computes the right function"""
    compare_layer(student, context, "layer3", 256, [(4, 4), (5, 3)])


@check(points=15, hint="No block downsamples here.", requires=["layer4_shape"])
def test_layer4_function(student, context):
    """layer4 computes the right function"""
    compare_layer(student, context, "layer4", 512, [(2, 2), (3, 3)])


@check(
    points=4,
    hint="The parts are right by themselves: look at forward, and at what is shared between them.",
    requires=[
        "resnet50_architecture",
        "layer1_function",
        "layer2_function",
        "layer3_function",
        "layer4_function",
    ],
)
def test_resnet50_function(student, context):
    """The network computes the same as the solution with the reference weights"""

    def trained():
        model = context.trained_reference("ResNet50_layer4", "trained")
        with torch.no_grad():
            model.fc.weight.mul_(8)  # longer than any norm to which forward might shorten its rows
        return model

    original = context.known("trained", make=trained)
    mine = give_weights(expect_module(student.once("ResNet50_layer4"), "ResNet50_layer4()"), original)
    # As many images twice, so that nothing is remembered of the first ones.
    noise = torch.randn(2, 3, 32, 32, generator=context.generator(8))
    expect_same_function(mine, original, [noise[:1], noise, context.images(2)])
    # Of 16 images, so that batch norm of a part of them shows; they take torch less time than 8.
    batches = [torch.randn(16, 3, 32, 32, generator=context.generator(9)), noise[:1]]
    expect_same_function(mine, original, batches, training=True)


@check(
    points=2,
    hint="Do not cut the graph in forward (no detach, no no_grad), share nothing between two networks, and leave the "
    "given initial weights.",
    requires=["resnet50_function"],
)
def test_resnet50_gradient(student, context):
    """A second network has Xavier-uniform weights of its own, and the right gradients at every parameter"""
    # Also its first outputs are compared, so that nothing depends on what the other network has already been through.
    x, made = context.images(3), []

    def make():
        return calibrate(context.built_reference("ResNet50_layer4", "calibrated"), x, 6)

    called = call(
        student.ResNet50_layer4, draws=DRAWN, meanwhile=lambda: made.append(context.known("calibrated", make=make))
    )
    original = made[0]
    mine = expect_module(called.result, "ResNet50_layer4()")
    other = expect_module(student.once("ResNet50_layer4"), "ResNet50_layer4()")
    weights = ["layer1.0.weight", "layer2.0.layer.0.0.weight", "layer4.5.layer.1.0.weight", "fc.weight"]
    expect_fresh(mine, other, weights)
    for key in weights:
        what = f"ResNet50_layer4().{key}"
        wanted = original.module().get_parameter(key)
        weight = expect_shape(parameter(mine, key), tuple(wanted.shape), what)
        bound = (6 / (wanted[0].numel() + wanted[:, 0].numel())) ** 0.5  # Glorot and Bengio, 2010
        expect_uniform(weight, bound, what, drawn=DRAWN)
    expect_same_gradient(give_weights(mine, original), original, x[:1])
    expect_gradients_in_training(mine, x[1:2], 10)  # of one image: nearly half the time of two
