"""Public checks of vgg16: what may be used, and the reference weights in the student's model."""

from grader.checks import check
from grader.checks.accuracy import expect_accuracy
from grader.checks.architecture import expect_module
from grader.checks.source import expect_unused


@check(points=4, hint="Build the network from torch.nn yourself.", requires=["vgg16_architecture"])
def test_own_work(context):
    """Nothing is taken from torchvision.models"""
    expect_unused(context.source, ["torchvision.models"])


@check(
    points=12,
    hint="The weights are right, so something between the layers is not: order, activation, pooling, dropout in "
    "eval mode.",
    requires=["vgg16_architecture"],
    seconds=1200,  # all 10,000 images of CIFAR-10 take 40 s on two cores, and much longer on a small laptop
)
def test_accuracy(student, context):
    """With the reference weights vgg16() gets at least 85 % right"""
    context.note = expect_accuracy(expect_module(student.once("vgg16"), "vgg16()"), context.benchmark)
