"""Hidden checks of resnet18: the same function as the solution and as torchvision's network, forward and backward."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from grader import probes
from grader.checks import check
from grader.checks.architecture import expect_module
from grader.checks.numerics import (
    expect_fresh,
    expect_gradients_in_training,
    expect_same_function,
    expect_same_gradient,
)
from grader.checks.strategies import seeds, sides, widths
from grader.checks.weights import calibrate, give_weights
from grader.student import DRAWN, call

GAIN = 0.1  # what goes into batch norm has a variance of some hundredths, so that a wrong eps shows
BLOCK_HINT = "conv1, bn1, ReLU, conv2, bn2; add the shortcut; then ReLU."


@check(points=8, hint=BLOCK_HINT, requires=["block_shape", "block_state"])
@settings(max_examples=16)
@given(
    channels=widths(),
    size=st.tuples(sides(), sides()),
    seed=seeds(),
    training=st.booleans(),
    stride=st.integers(0, 3),
)
def test_block_function(student, reference, channels, size, seed, training, stride):
    """BasicBlock computes the right function, forward and backward, with down_sample and without"""
    generator = torch.Generator().manual_seed(seed)
    # Any module can be the down_sample: here it is one of two layers. Without a stride there is none.
    sizes = {"in_channels": channels, "out_channels": channels, "kernel_size": 1, "stride": stride}
    down = "nested", [("Conv2d", sizes), ("ReLU", {})]
    theirs = (stride, probes.make(*down)) if stride else ()
    own = (stride, student.probe(*down)) if stride else ()
    original = reference.BasicBlock(channels, channels, *theirs)
    calibrate(original, torch.randn(4, channels, 7, 8, generator=generator), seed)
    mine = give_weights(student.BasicBlock(channels, channels, *own), original)
    x = torch.randn(3, channels, *size, generator=generator)
    inputs = [x] if training else [x, 8 * x[:1]]  # in large numbers ReLU6 shows
    expect_same_function(mine, original, inputs, training=training)
    expect_same_gradient(mine, original, x, training=training)


@check(
    points=8,
    hint="Only the first block of layer2, layer3 and layer4 has stride 2, in conv1 and in down_sample.",
    requires=["make_layer", "block_function"],
)
def test_layers_function(student, reference, context):
    """layer1 to layer4 compute the right functions, with any number of blocks and on odd sizes"""
    original = reference.ResNet18(reference.BasicBlock, [1, 3, 1, 2], 4)
    mine = expect_module(student.ResNet18(student.BasicBlock.value(), [1, 3, 1, 2], 4), "ResNet18(...)")
    x = torch.randn(3, 3, 40, 33, generator=context.generator(1))
    give_weights(mine, calibrate(original, x, 1, GAIN))
    for number, channels in enumerate((64, 64, 128, 256), 1):
        layer = getattr(original, f"layer{number}")
        inputs = [torch.randn(3, channels, *size, generator=context.generator(number)) for size in ((7, 6), (1, 4))]
        inputs[1] *= 8  # ReLU6 shows
        part = getattr(mine, f"layer{number}").value()
        expect_same_function(part, layer, inputs)
        expect_same_function(part, layer, inputs[:1], training=True)


def calibrated_resnet18(reference, x, seed):
    """torchvision's network with random calibrated weights, its shortcuts under the handout's name.

    It is the solution's: importing torchvision takes as long as importing torch (tests/test_resnet18.py holds that
    they compute the same).
    """
    with torch.device("meta"):  # its own initial weights are not needed
        model = reference.resnet18(n_classes=10)
    # Not to_empty, which makes torch import sympy.
    state = {key: torch.empty(each.shape, dtype=each.dtype) for key, each in model.state_dict().items()}
    model.load_state_dict(state, assign=True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    return calibrate(model, x, seed, GAIN)


@check(
    points=8,
    hint="conv1, bn1, ReLU, maxpool, layer1 to layer4, avgpool, flatten, fc.",
    requires=["resnet18_architecture", "resnet18_shape"],
)
def test_resnet18_function(student, reference, context):
    """resnet18 computes the same as torchvision's under the same weights"""
    x = torch.randn(3, 3, 48, 48, generator=context.generator(5))
    original = calibrated_resnet18(reference, x, 2)
    mine = expect_module(student.once("resnet18"), "resnet18()")
    give_weights(mine, original)
    odd = torch.randn(1, 3, 70, 97, generator=context.generator(6))
    small = torch.randn(2, 3, 32, 32, generator=context.generator(7))
    expect_same_function(mine, original, [8 * small, odd])  # in large numbers ReLU6 shows
    other = 1 + torch.randn(2, 3, 48, 48, generator=context.generator(9))  # statistics of x are what it has already
    expect_same_function(mine, original, [other], training=True)


@check(
    points=4,
    hint="Do not cut the graph in forward (no detach, no no_grad), and share nothing between two networks.",
    requires=["resnet18_function"],
)
def test_resnet18_gradient(student, reference, context):
    """A second network has weights of its own, and torchvision's gradients at every parameter"""
    x, made = torch.randn(2, 3, 40, 40, generator=context.generator(7)), []
    called = call(student.resnet18, draws=DRAWN, meanwhile=lambda: made.append(calibrated_resnet18(reference, x, 3)))
    mine = expect_module(called.result, "resnet18()")
    other = expect_module(student.once("resnet18"), "resnet18()")
    expect_fresh(mine, other, ["conv1.weight", "layer4.1.conv2.weight", "fc.weight"], drawn=False)
    expect_same_gradient(give_weights(mine, made[0]), made[0], x[:1])
    expect_gradients_in_training(mine, x, 10)
