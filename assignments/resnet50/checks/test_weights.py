"""Public checks of resnet50: what may be used, and the reference weights in the student's network."""

from grader.checks import check
from grader.checks.accuracy import expect_accuracy
from grader.checks.architecture import expect_module
from grader.checks.source import expect_unused


@check(points=1, hint="Build the network from torch.nn yourself.", requires=["resnet50_architecture"])
def test_own_work(context):
    """Nothing is taken from torchvision.models"""
    expect_unused(context.source, ["torchvision.models"])


@check(
    points=6,
    hint="The weights are right, so a layer is not: look at strides and paddings, block by block.",
    requires=["resnet50_architecture"],
    seconds=1200,  # all 10,000 images of CIFAR-10 take 20 s on two cores, and much longer on a small laptop
)
def test_accuracy(student, context):
    """With the reference weights the network gets at least 80 % right"""
    model = expect_module(student.once("ResNet50_layer4"), "ResNet50_layer4()")
    context.note = expect_accuracy(model, context.benchmark)
