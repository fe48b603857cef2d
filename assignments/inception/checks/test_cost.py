"""Public checks of inception: what convolutions cost, on worked figures."""

from grader.checks import CheckFailed, check
from grader.checks.values import expect_equal, expect_numbers
from grader.language import gettext


def expect_cost(value, expected, what):
    """Both figures of a cost; the message names the one that is wrong."""
    names = gettext("multiply-adds"), gettext("parameters")
    found = expect_numbers(value, names, what)
    for name, actual, wanted in zip(names, found, expected, strict=True):
        expect_equal(actual, wanted, f"{what}: {name}")


@check(
    points=6,
    hint="Every one of the out_channels x height x width outputs is a sum over in_channels x kernel_size x kernel_size "
    "products. Every output channel has one bias.",
)
def test_conv_cost(student):
    """conv_cost: a 5x5 from 192 to 32 channels on 28 x 28 takes 120,422,400 multiply-adds and 153,632 parameters"""
    for arguments, expected in {
        (192, 32, 5, 28, 28): (120_422_400, 153_632),
        (4, 6, 3, 5, 7): (7_560, 222),
        (1, 1, 1, 1, 1): (1, 2),
    }.items():
        expect_cost(student.conv_cost(*arguments), expected, f"conv_cost{arguments}")
    found = student.conv_cost(in_channels=4, out_channels=6, kernel_size=3, height=5, width=7)
    expect_cost(found, (7_560, 222), "conv_cost(4, 6, 3, 5, 7)")


@check(
    points=6,
    hint="Two convolutions: 1x1 from in_channels to reduced, then kernel_size from reduced to out_channels.",
    requires=["conv_cost"],
)
def test_bottleneck_cost(student):
    """bottleneck_cost: with a 1x1 to 16 channels before it, the same 5x5 takes 12,443,648 multiply-adds"""
    for arguments, expected in {
        (192, 16, 32, 5, 28, 28): (12_443_648, 15_920),
        (4, 2, 6, 3, 5, 7): (4_060, 124),
    }.items():
        expect_cost(student.bottleneck_cost(*arguments), expected, f"bottleneck_cost{arguments}")
    found = student.bottleneck_cost(in_channels=4, reduced=2, out_channels=6, kernel_size=3, height=5, width=7)
    expect_cost(found, (4_060, 124), "bottleneck_cost(4, 2, 6, 3, 5, 7)")


@check(
    points=4,
    hint="Compare bottleneck_cost with conv_cost for reduced = 1, 2, 3, ... Fewer means fewer: equal is too many.",
    requires=["conv_cost"],
)
def test_most_reduced(student):
    """most_reduced: the largest bottleneck that still saves multiply-adds"""
    for arguments, expected in {(192, 32, 5): 154, (12, 4, 3): 8, (4, 4, 1): 1, (1, 1, 3): 0}.items():
        found = student.most_reduced(*arguments)
        if isinstance(found, float):
            message = gettext("{what} gives the float {found:g}; an int is expected.")
            raise CheckFailed(message.format(what=f"most_reduced{arguments}", found=found))
        expect_equal(found, expected, f"most_reduced{arguments}")
    found = student.most_reduced(in_channels=12, out_channels=4, kernel_size=3)
    expect_equal(found, 8, "most_reduced(12, 4, 3)")


@check(
    points=6,
    hint="Add up the four branches: a 1x1, two bottlenecks, and the 1x1 after the pooling, which itself multiplies "
    "nothing.",
    requires=["conv_cost"],
)
def test_inception_cost(student):
    """inception_cost: GoogLeNet's first module takes 128,049,152 multiply-adds and 163,696 parameters"""
    for arguments, expected in {
        (192, 64, (96, 128), (16, 32), 32, 28, 28): (128_049_152, 163_696),
        (4, 2, (3, 5), (1, 2), 3, 5, 7): (7_735, 237),
    }.items():
        expect_cost(student.inception_cost(*arguments), expected, f"inception_cost{arguments}")
    found = student.inception_cost(in_channels=4, c1=2, r3_c3=(3, 5), r5_c5=(1, 2), cp=3, height=5, width=7)
    expect_cost(found, (7_735, 237), "inception_cost(4, 2, (3, 5), (1, 2), 3, 5, 7)")
