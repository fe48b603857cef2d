"""Public checks of resnet50: shapes, parameter counts, state_dict."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.checks import CheckFailed, check
from grader.checks.architecture import (
    expect_module,
    expect_parameter_count,
    expect_shape,
    expect_state,
    expect_steps,
    expect_tensor,
)
from grader.checks.numerics import same
from grader.checks.strategies import sides, widths
from grader.language import gettext
from grader.student import call

BLOCK_HINT = (
    "conv1x1(in, middle), conv3x3(middle, middle), conv1x1(middle, out): which stride and padding does each need?"
)
START_HINT = "To have one part graded before the others are written, set those to None instead of raising."


def model_of(student):
    """The student's network, one for all checks: shapes do not depend on the weights."""
    model = expect_module(student.once("ResNet50_layer4"), "ResNet50_layer4()")
    model.eval()
    return model


def conv_state(prefix, inputs, outputs, kernel):
    """Convolution, batch norm, ReLU."""
    state = {f"{prefix}.0.weight": (outputs, inputs, kernel, kernel), f"{prefix}.0.bias": (outputs,)}
    for key in ("weight", "bias", "running_mean", "running_var"):
        state[f"{prefix}.1.{key}"] = (outputs,)
    return state | {f"{prefix}.1.num_batches_tracked": ()}


def block_state(prefix, inputs, middle, outputs, downsample=False):
    shortcut = "downsize" if downsample else "make_equal_channel"
    return (
        conv_state(f"{prefix}.layer.0", inputs, middle, 1)
        | conv_state(f"{prefix}.layer.1", middle, middle, 3)
        | conv_state(f"{prefix}.layer.2", middle, outputs, 1)
        | conv_state(f"{prefix}.{shortcut}", inputs, outputs, 1)
    )


def layer_state(name, inputs, middle, outputs, count, downsample):
    state = {}
    for index in range(count):
        last = index == count - 1
        state |= block_state(f"{name}.{index}", outputs if index else inputs, middle, outputs, downsample and last)
    return state


STATE = (
    conv_state("layer1", 3, 64, 7)
    | layer_state("layer2", 64, 64, 256, 3, True)
    | layer_state("layer3", 256, 128, 512, 4, True)
    | layer_state("layer4", 512, 256, 1024, 6, False)
    | {"fc.weight": (10, 1024), "fc.bias": (10,)}
)


@check(points=5, hint=BLOCK_HINT)
@settings(max_examples=12)
@given(inputs=widths(), middle=widths(), outputs=widths(), height=sides(), width=sides())
def test_block_shape(student, inputs, middle, outputs, height, width):
    """ResidualBlock keeps height and width, for any channels"""
    block = expect_module(student.ResidualBlock(inputs, middle, outputs), "ResidualBlock(...)")
    x = torch.zeros(2, inputs, height, width)
    what = gettext("{module} on {shape}").format(module=block, shape=tuple(x.shape))
    expect_shape(block(x), (2, outputs, height, width), what)


@check(points=5, hint=BLOCK_HINT)
@settings(max_examples=12)
@given(inputs=widths(), middle=widths(), outputs=widths(), height=sides(), width=sides())
def test_block_downsample_shape(student, inputs, middle, outputs, height, width):
    """ResidualBlock with downsample halves height and width (rounded up), for any channels"""
    block = expect_module(student.ResidualBlock(inputs, middle, outputs, True), "ResidualBlock(...)")
    x = torch.zeros(2, inputs, height, width)
    shape = (2, outputs, (height + 1) // 2, (width + 1) // 2)
    expect_shape(block(x), shape, gettext("{module} on {shape}").format(module=block, shape=tuple(x.shape)))


@check(points=3, hint="32 -> 16 by the 7x7 with stride 2, 16 -> 8 by the 3x3 pooling with stride 2. " + START_HINT)
def test_layer1_shape(student):
    """layer1 turns (N, 3, 32, 32) into (N, 64, 8, 8), by way of 16 x 16"""
    layer = expect_module(model_of(student).layer1.value(), "layer1")
    expect_steps(layer, torch.zeros(2, 3, 32, 32), {"0": (2, 64, 16, 16)})
    expect_shape(layer(torch.zeros(2, 3, 32, 32)), (2, 64, 8, 8), "layer1")
    expect_shape(layer(torch.zeros(1, 3, 50, 37)), (1, 64, 13, 10), gettext("layer1 on a 50 x 37 image"))


@check(points=4, hint="Three blocks: 64 -> 256, 256 -> 256, 256 -> 256 with downsample. Middle 64. " + START_HINT)
def test_layer2_shape(student):
    """layer2 is three blocks: 8 x 8, 8 x 8, 4 x 4, with 256 channels"""
    layer = expect_module(model_of(student).layer2.value(), "layer2")
    expect_steps(layer, torch.zeros(1, 64, 8, 8), {"0": (1, 256, 8, 8), "1": (1, 256, 8, 8), "2": (1, 256, 4, 4)})
    expect_state(layer, inside("layer2"))


@check(points=5, hint="Four blocks: 256 -> 512, then 512 -> 512, the last with downsample. Middle 128. " + START_HINT)
def test_layer3_shape(student):
    """layer3 is four blocks: 4 x 4 three times, then 2 x 2, with 512 channels"""
    layer = expect_module(model_of(student).layer3.value(), "layer3")
    shapes = {str(index): (1, 512, 4, 4) for index in range(3)} | {"3": (1, 512, 2, 2)}
    expect_steps(layer, torch.zeros(1, 256, 4, 4), shapes)
    expect_state(layer, inside("layer3"))


@check(points=5, hint="Six blocks: 512 -> 1024, then 1024 -> 1024; none downsamples. Middle 256. " + START_HINT)
def test_layer4_shape(student):
    """layer4 is six blocks, all 2 x 2, with 1024 channels"""
    layer = expect_module(model_of(student).layer4.value(), "layer4")
    expect_steps(layer, torch.zeros(1, 512, 2, 2), {str(index): (1, 1024, 2, 2) for index in range(6)})
    expect_state(layer, inside("layer4"))


def inside(name):
    """The part of STATE below ``name``."""
    return {key.removeprefix(f"{name}."): shape for key, shape in STATE.items() if key.startswith(f"{name}.")}


@check(points=2, hint="Average pooling with kernel 2 on the 2 x 2 that layer4 gives. " + START_HINT)
def test_avgpool(student):
    """avgpool turns the 2 x 2 of each channel into its mean"""
    x = torch.randn(3, 1024, 2, 2, generator=torch.Generator().manual_seed(0))
    pooled = expect_tensor(model_of(student).avgpool(x), gettext("avgpool on (3, 1024, 2, 2)"))
    flat = pooled.flatten(1) if pooled.dim() > 1 else pooled
    expect_shape(flat, (3, 1024), gettext("avgpool on (3, 1024, 2, 2), flattened,"))
    if not same(flat, x.mean((2, 3))):
        raise CheckFailed(gettext("avgpool gives something else than the mean of the four values."))


@check(points=2, hint="1024 channels go in, num_classes logits come out. " + START_HINT)
def test_fc(student):
    """fc is a linear layer from 1024 features to the logits"""
    layer = expect_module(model_of(student).fc.value(), "fc")
    expect_state(layer, {"weight": (10, 1024), "bias": (10,)})
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(10, 1024, generator=generator), torch.randn(10, generator=generator)
    layer.load_state_dict({"weight": weight, "bias": bias})
    x = torch.randn(3, 1024, generator=generator)
    logits = expect_shape(layer(x), (3, 10), gettext("fc on (3, 1024)"))
    if not same(logits, x @ weight.T + bias):
        raise CheckFailed(gettext("fc computes something else than x W^T + b."))


@check(points=1, hint="Use num_classes instead of 10 in fc.", requires=["fc"])
@settings(max_examples=1)  # every example builds a network
@given(num_classes=st.integers(3, 30))
@example(num_classes=2)  # one class: see test_resnet50_architecture
def test_num_classes(student, num_classes):
    """num_classes decides how many logits there are"""
    if num_classes == 2:
        built = call(student.ResNet50_layer4, num_classes=num_classes, draws=0).result
    else:
        built = call(student.ResNet50_layer4, num_classes, draws=0).result
    model = expect_module(built, f"ResNet50_layer4(num_classes={num_classes})")
    expect_shape(model.fc(torch.zeros(2, 1024)), (2, num_classes), gettext("fc of {model}").format(model=model))


@check(
    points=2,
    hint="Compare your layers with the handout's table, one by one.",
    requires=["layer1_shape", "layer2_shape", "layer3_shape", "layer4_shape", "avgpool", "fc"],
)
def test_resnet50_architecture(student):
    """The network has 14,750,730 parameters, 373 state_dict keys, and turns (N, 3, 32, 32) into (N, 10)"""
    model = model_of(student)
    expect_parameter_count(model, 14_750_730)
    expect_state(model, STATE)
    for count in (1, 2):
        what = gettext("ResNet50_layer4() on {count} images").format(count=count)
        expect_shape(model(torch.zeros(count, 3, 32, 32)), (count, 10), what)
    single = expect_module(
        call(student.ResNet50_layer4, num_classes=1, draws=0).result, "ResNet50_layer4(num_classes=1)"
    )
    what = gettext("{module} on {shape}").format(module=single, shape=(1, 3, 32, 32))
    expect_shape(single(torch.zeros(1, 3, 32, 32)), (1, 1), what)
