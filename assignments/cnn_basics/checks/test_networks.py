"""Public checks of cnn_basics: the networks' shapes and parameters, and the reference weights in LeNet-5."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.checks import check
from grader.checks.accuracy import expect_accuracy
from grader.checks.architecture import expect_module, expect_parameter_count, expect_shape, expect_state
from grader.language import gettext

LENET5 = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "fc1.weight": (120, 256),
    "fc1.bias": (120,),
    "fc2.weight": (84, 120),
    "fc2.bias": (84,),
    "fc3.weight": (10, 84),
    "fc3.bias": (10,),
}


def sized(network, shapes, parameters):
    """``network`` has so many parameters and turns inputs into outputs of these shapes."""
    model = expect_module(network, str(network))
    expect_parameter_count(model, parameters)
    for given_shape, expected in shapes.items():
        what = gettext("{module} on {shape}").format(module=model, shape=given_shape)
        expect_shape(model(torch.zeros(given_shape)), expected, what)


@check(points=4, hint="Conv2d(3, 32, kernel_size=3): without padding 32 becomes 30. 3*32*9 + 32 parameters.")
def test_simple_cnn_shape(student):
    """SimpleCNN turns (16, 3, 32, 32) into (16, 32, 30, 30) with 896 parameters"""
    shapes = {(16, 3, 32, 32): (16, 32, 30, 30), (1, 3, 9, 14): (1, 32, 7, 12)}
    sized(student.SimpleCNN(), shapes, 896)


@check(points=4, hint="The same convolution, then MaxPool2d(2): 30 becomes 15.")
def test_conv_pool_shape(student):
    """ConvPool turns (16, 3, 32, 32) into (16, 32, 15, 15) with 896 parameters"""
    shapes = {(16, 3, 32, 32): (16, 32, 15, 15), (1, 3, 9, 14): (1, 32, 3, 6)}
    sized(student.ConvPool(), shapes, 896)


@check(points=4, hint="One Linear(32, 10): 32*10 + 10 parameters.")
def test_fully_connected_shape(student):
    """FullyConnected turns (16, 32) into (16, 10) with 330 parameters"""
    sized(student.FullyConnected(), {(16, 32): (16, 10), (1, 32): (1, 10)}, 330)


@check(points=6, hint="28, 24, 12, 8, 4: so 16 * 4 * 4 = 256 numbers go into fc1. Flatten everything but the batch.")
def test_lenet5_architecture(student):
    """LeNet5 has 44,426 parameters under the right names and turns (N, 1, 28, 28) into (N, 10)"""
    model = expect_module(student.once("LeNet5"), "LeNet5()")
    expect_parameter_count(model, 44_426)
    expect_state(model, LENET5)
    model.eval()
    for count in (1, 5):
        what = gettext("LeNet5() on {count} images").format(count=count)
        expect_shape(model(torch.zeros(count, 1, 28, 28)), (count, 10), what)


@check(points=2, hint="Use n_classes instead of 10 in fc3.", requires=["lenet5_architecture"])
@settings(max_examples=4)
@given(n_classes=st.integers(1, 30))
@example(n_classes=2)  # two logits, too
def test_lenet5_classes(student, n_classes):
    """n_classes decides how many logits there are"""
    model = expect_module(student.LeNet5(n_classes), f"LeNet5({n_classes})")
    model.eval()
    expect_shape(model(torch.zeros(2, 1, 28, 28)), (2, n_classes), f"{model}")


@check(
    points=8,
    hint="The weights are right, so something between the layers is not: pooling, ReLU, the order.",
    requires=["lenet5_architecture"],
    seconds=600,
)
def test_accuracy(student, context):
    """With the reference weights LeNet5 gets at least 98 % of MNIST, or 95 % of the digits, right"""
    context.note = expect_accuracy(expect_module(student.once("LeNet5"), "LeNet5()"), context.benchmark)
