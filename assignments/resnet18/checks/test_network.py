"""Public checks of resnet18: shapes, parameter counts, state_dict."""

from math import prod

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_module, expect_parameter_count, expect_shape, expect_state
from grader.checks.source import expect_unused
from grader.checks.strategies import sides, widths
from grader.language import gettext
from grader.student import StudentError, call

CHANNELS = (64, 128, 256, 512)


def norm_state(prefix, channels):
    state = {f"{prefix}.{key}": (channels,) for key in ("weight", "bias", "running_mean", "running_var")}
    return state | {f"{prefix}.num_batches_tracked": ()}


def block_state(prefix, inputs, outputs):
    return (
        {f"{prefix}conv1.weight": (outputs, inputs, 3, 3)}
        | norm_state(f"{prefix}bn1", outputs)
        | {f"{prefix}conv2.weight": (outputs, outputs, 3, 3)}
        | norm_state(f"{prefix}bn2", outputs)
    )


def layer_state(prefix, inputs, outputs, blocks, stride):
    """Keys and shapes of _make_layer(BasicBlock, outputs, blocks, stride) where ``inputs`` channels come in."""
    state = {}
    for index in range(blocks):
        state |= block_state(f"{prefix}{index}.", inputs if index == 0 else outputs, outputs)
    if stride != 1 or inputs != outputs:
        state[f"{prefix}0.down_sample.0.weight"] = (outputs, inputs, 1, 1)
        state |= norm_state(f"{prefix}0.down_sample.1", outputs)
    return state


def network_state(layers, n_classes):
    """Keys and shapes of ResNet18(BasicBlock, layers, n_classes)."""
    state = {"conv1.weight": (64, 3, 7, 7)} | norm_state("bn1", 64)
    inputs = 64
    for number, (blocks, outputs) in enumerate(zip(layers, CHANNELS, strict=True), 1):
        state |= layer_state(f"layer{number}.", inputs, outputs, blocks, 1 if number == 1 else 2)
        inputs = outputs
    return state | {"fc.weight": (n_classes, 512), "fc.bias": (n_classes,)}


def without_weights(path, *args, **kwargs):
    """What the call returns, on the meta device: 11 million numbers need not be drawn to be counted."""
    try:
        called = call(path, *args, device="meta", **kwargs)
    except StudentError:  # nobody has to write what works there
        called = call(path, *args, **kwargs)
    if called.mutated:
        raise CheckFailed(gettext("{what} changes the list it is given.").format(what=path))
    return called.result


@check(points=5, hint="3x3 with padding 1 keeps height and width.")
@settings(max_examples=12)
@given(channels=widths(), height=sides(), width=sides())
def test_block_shape(student, channels, height, width):
    """BasicBlock keeps height and width at stride 1, for any channels"""
    block = expect_module(student.BasicBlock(channels, channels), f"BasicBlock({channels}, {channels})")
    x = torch.zeros(2, channels, height, width)
    shape = tuple(x.shape)
    expect_shape(block(x), shape, gettext("{module} on {shape}").format(module=block, shape=shape))


@check(points=4, hint="self.conv1, self.bn1, self.conv2, self.bn2; bias=False; expansion is 1.")
@settings(max_examples=12)
@given(inputs=widths(), outputs=widths(), stride=st.integers(1, 2))
@example(inputs=4, outputs=4, stride=2)
@example(inputs=4, outputs=4, stride=1)
@example(inputs=3, outputs=5, stride=1)
def test_block_state(student, inputs, outputs, stride):
    """BasicBlock has the right parameters under the right names, and expansion 1"""
    block = expect_module(student.BasicBlock(inputs, outputs, stride=stride), f"BasicBlock({inputs}, {outputs})")
    expect_state(block, block_state("", inputs, outputs))
    expansion = student.BasicBlock.expansion.value()
    if expansion != 1:
        message = gettext("BasicBlock.expansion is {expansion!r}; 1 is expected.").format(expansion=expansion)
        raise CheckFailed(message, expected=1, actual=expansion)


@check(
    points=6,
    hint="_make_layer: the first block gets stride and down_sample, the others neither. Loop over range(1, blocks).",
    requires=["block_state"],
)
@settings(max_examples=8)
@given(layers=st.lists(st.integers(1, 4), min_size=4, max_size=4), n_classes=st.integers(1, 20))
def test_make_layer(student, layers, n_classes):
    """ResNet18 has the right blocks and shortcuts, for any list of layers"""
    block = student.BasicBlock.value()
    model = expect_module(without_weights(student.ResNet18, block, list(layers), n_classes), f"ResNet18({layers})")
    state = network_state(layers, n_classes)
    expect_state(model, state)
    # Where two blocks are one and the same, their parameters count once.
    expect_parameter_count(model, sum(prod(shape) for key, shape in state.items() if key.endswith(("weight", "bias"))))
    other = student.probe("derived", block)
    model = expect_module(
        without_weights(student.ResNet18, other, list(layers), n_classes=n_classes), f"ResNet18({layers})"
    )
    if other.type == "type" and [layer.type for layer in model.layers()].count("Derived") != sum(layers):
        raise CheckFailed(gettext("ResNet18(block, ...) is not made of the block that it is given."))
    # The network's own layers change size and channels together, or neither.
    inputs = 512
    for outputs, blocks, stride in ((512, 1, 2), (64, 2, 1), (64, 1, 1)):
        layer = without_weights(model._make_layer, block, outputs, blocks, stride)
        layer = expect_module(layer, f"_make_layer(BasicBlock, {outputs}, {blocks}, {stride})")
        expect_state(layer, layer_state("", inputs, outputs, blocks, stride))
        inputs = outputs
    # A block with expansion 2: from 64 channels to 2 * 64, and then from 128 to the same.
    wide = student.probe("expanding", block)
    for projected, inputs in ((True, 64), (False, 128)):
        layer = without_weights(model._make_layer, wide, 64, 2)
        state = {"0.conv.weight": (128, inputs, 1, 1), "1.conv.weight": (128, 128, 1, 1)}
        if projected:
            state |= {"0.down_sample.0.weight": (128, 64, 1, 1)} | norm_state("0.down_sample.1", 128)
        expect_state(expect_module(layer, "_make_layer(block, 64, 2)"), state)


@check(points=6, hint="Compare with the handout's table, line by line.", requires=["make_layer"])
def test_resnet18_architecture(student):
    """resnet18 has 11,181,642 parameters with 10 classes, 11,689,512 with 1000, under the right names"""
    for n_classes, count in ((10, 11_181_642), (1000, 11_689_512)):
        model = expect_module(without_weights(student.resnet18, n_classes), f"resnet18({n_classes})")
        expect_parameter_count(model, count)
        expect_state(model, network_state((2, 2, 2, 2), n_classes))
    layers = [1, 1, 1, 1]
    default = without_weights(student.ResNet18, student.BasicBlock.value(), layers)
    expect_state(expect_module(default, f"ResNet18(BasicBlock, {layers})"), network_state(layers, 10))


@check(points=5, hint="Flatten everything but the batch; avgpool gives one number per channel, whatever the size.")
def test_resnet18_shape(student):
    """resnet18 gives logits (N, 10) for images of any size"""
    model = expect_module(student.once("resnet18"), "resnet18()")
    model.eval()
    for shape in ((2, 3, 32, 32), (1, 3, 64, 64), (1, 3, 75, 41)):
        what = gettext("{module} on {shape}").format(module="resnet18()", shape=shape)
        expect_shape(model(torch.zeros(shape)), (shape[0], 10), what)


@check(points=2, hint="Hand n_classes on to the last layer.", requires=["resnet18_shape"])
def test_resnet18_classes(student):
    """n_classes decides how many logits there are"""
    for n_classes in (2, 1):
        what = f"resnet18(n_classes={n_classes})"
        model = expect_module(student.resnet18(n_classes=n_classes), what)
        model.eval()
        expect_shape(model(torch.zeros(1, 3, 32, 32)), (1, n_classes), what)


@check(points=3, hint="Build the network from torch.nn yourself.", requires=["resnet18_architecture"])
def test_own_work(context):
    """Nothing is taken from torchvision.models"""
    expect_unused(context.source, ["torchvision.models"])
