"""Hidden checks of inception: costs against counted ones; each branch and the module against the solution."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_module
from grader.checks.numerics import expect_fresh, expect_same_function, expect_same_gradient
from grader.checks.strategies import seeds, sides, widths
from grader.checks.values import cost, expect_equal, expect_numbers
from grader.checks.weights import calibrate, give_weights
from grader.language import gettext

CHANNELS, KERNELS, PAIRS = st.integers(1, 40), st.sampled_from([1, 3, 5, 7]), st.tuples(widths(), widths())
WIDTHS = st.tuples(widths(), widths(), PAIRS, PAIRS, widths())


def conv(inputs, outputs, kernel):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def counted_conv(inputs, outputs, kernel, height=1, width=1):
    """(multiply-adds, parameters) as torch counts them in a forward run.

    Of many channels, as of one to one, as often as there are pairs: they are too much to run, and on the meta device
    torch would import its compiler.
    """
    if inputs * outputs <= 40 * 40:
        return cost(conv(inputs, outputs, kernel), torch.zeros(1, inputs, height, width))
    operations, parameters = cost(conv(1, 1, kernel), torch.zeros(1, 1, height, width))
    return operations * inputs * outputs, (parameters - 1) * inputs * outputs + outputs


def expect_counted(value, counted, what):
    """``value`` is what was ``counted``: (multiply-adds, parameters)."""
    names = gettext("multiply-adds"), gettext("parameters")
    found = expect_numbers(value, names, what)
    for name, actual, wanted in zip(names, found, counted, strict=True):
        expect_equal(actual, wanted, f"{what}: {name}")


def expect_costs(function, channels, counted, height, width):
    """``function`` gives what was ``counted`` for height x width, and then, of a size one row higher, as much more."""
    operations, parameters = counted
    for rows in (height, height + 1):
        arguments = (*channels, rows, width)
        expect_counted(function(*arguments), (operations // height * rows, parameters), f"{function}{arguments}")


@check(
    points=6,
    hint="The output's height and width, not the input's alone; one bias per output channel.",
    requires=["conv_cost"],
)
@settings(max_examples=12)
@given(inputs=CHANNELS, outputs=CHANNELS, kernel=KERNELS, height=sides(), width=sides())
@example(inputs=512, outputs=512, kernel=7, height=224, width=224)  # more than 32 bits hold
def test_conv_cost_counted(student, inputs, outputs, kernel, height, width):
    """conv_cost is what a convolution really takes, for any channels, kernel and size"""
    arguments = (inputs, outputs, kernel)
    expect_costs(student.conv_cost, arguments, counted_conv(*arguments, height, width), height, width)


@check(points=6, hint="1x1 to reduced, then kernel_size x kernel_size to out_channels.", requires=["bottleneck_cost"])
@settings(max_examples=12)
@given(inputs=CHANNELS, reduced=CHANNELS, outputs=CHANNELS, kernel=KERNELS, height=sides(), width=sides())
def test_bottleneck_cost_counted(student, inputs, reduced, outputs, kernel, height, width):
    """bottleneck_cost is what a 1x1 and the convolution after it really take"""
    module = nn.Sequential(conv(inputs, reduced, 1), conv(reduced, outputs, kernel))
    counted = cost(module, torch.zeros(1, inputs, height, width))
    expect_costs(student.bottleneck_cost, (inputs, reduced, outputs, kernel), counted, height, width)


@check(points=6, hint="Fewer, not as many; 0 where even one channel is too many.", requires=["most_reduced"])
@settings(max_examples=20)
@given(inputs=CHANNELS, outputs=CHANNELS, kernel=KERNELS)
@example(inputs=20, outputs=1, kernel=5)  # here, and in the next ones, parameters say something else
@example(inputs=7, outputs=2, kernel=3)
@example(inputs=4, outputs=13, kernel=1)
@example(inputs=4096, outputs=4096, kernel=3)  # 3,686: a search must go on for so long
@example(inputs=25, outputs=32, kernel=3)  # the quotient is hardly larger than the answer, or not at all
@example(inputs=512, outputs=144, kernel=3)
@example(inputs=162, outputs=256, kernel=5)
@example(inputs=449, outputs=2048, kernel=7)
def test_most_reduced_counted(student, inputs, outputs, kernel):
    """most_reduced saves multiply-adds, and one channel more does not"""
    what = f"most_reduced({inputs}, {outputs}, {kernel})"
    found = student.most_reduced(inputs, outputs, kernel)
    if type(found) is not int or found < 0:
        message = gettext("{what} gives {found}; an int from 0 on is expected.")
        raise CheckFailed(message.format(what=what, found=found))
    direct, _ = counted_conv(inputs, outputs, kernel)

    def saves(reduced):
        return counted_conv(inputs, reduced, 1)[0] + counted_conv(reduced, outputs, kernel)[0] < direct

    if found and (found > inputs * outputs * kernel**2 or not saves(found)):
        message = gettext("{what} gives {found}: with so many channels nothing is saved.")
        raise CheckFailed(message.format(what=what, found=found), actual=found)
    if saves(found + 1):
        message = gettext("{what} gives {found}: with {more} channels there still is something saved.")
        raise CheckFailed(message.format(what=what, found=found, more=found + 1), actual=found)


@check(points=6, hint="All four branches, biases counted as parameters only.", requires=["inception_cost"])
@settings(max_examples=8)
@given(sizes=WIDTHS, height=sides(), width=sides())
def test_inception_cost_counted(student, reference, sizes, height, width):
    """inception_cost is what the module really takes, for any widths and sizes"""
    counted = cost(reference.Inception(*sizes), torch.zeros(1, sizes[0], height, width))
    what = f"inception_cost{(*sizes, height, width)}"
    expect_counted(student.inception_cost(*sizes, height, width), counted, what)


def compare_branch(student, reference, name, sizes, size, seed):
    """Branch ``name`` alone under the same weights, forward and backward; half of what it is given is negative."""
    generator = torch.Generator().manual_seed(seed)
    original = calibrate(
        getattr(reference.Inception(*sizes), name), torch.randn(2, sizes[0], 6, 7, generator=generator), seed
    )
    model = expect_module(student.Inception(*sizes), f"Inception{sizes}")
    mine = give_weights(getattr(model, name).value(), original)
    # Also without a single positive number: a pooling that pads with 0 instead of minus infinity shows then. Large, so
    # that ReLU6 shows.
    x = torch.randn(3, sizes[0], *size, generator=generator)
    expect_same_function(mine, original, [x, -8 * x.abs() - 0.5])
    expect_same_gradient(mine, original, x)


@check(points=4, hint="Conv2d with kernel 1, then ReLU.", requires=["shape", "state"])
@settings(max_examples=10)
@given(sizes=WIDTHS, size=st.tuples(sides(), sides()), seed=seeds())
def test_branch1_function(student, reference, sizes, size, seed):
    """branch1 computes the right function, forward and backward"""
    compare_branch(student, reference, "branch1", sizes, size, seed)


@check(points=6, hint="1x1 to r3, ReLU, 3x3 to c3 with padding 1, ReLU.", requires=["shape", "state"])
@settings(max_examples=10)
@given(sizes=WIDTHS, size=st.tuples(sides(), sides()), seed=seeds())
def test_branch3_function(student, reference, sizes, size, seed):
    """branch3 computes the right function, forward and backward"""
    compare_branch(student, reference, "branch3", sizes, size, seed)


@check(points=6, hint="1x1 to r5, ReLU, 5x5 to c5 with padding 2, ReLU.", requires=["shape", "state"])
@settings(max_examples=10)
@given(sizes=WIDTHS, size=st.tuples(sides(), sides()), seed=seeds())
def test_branch5_function(student, reference, sizes, size, seed):
    """branch5 computes the right function, forward and backward"""
    compare_branch(student, reference, "branch5", sizes, size, seed)


@check(
    points=6,
    hint="MaxPool2d(3, stride=1, padding=1), then the 1x1 to cp, then ReLU: in this order.",
    requires=["shape", "state"],
)
@settings(max_examples=10)
@given(sizes=WIDTHS, size=st.tuples(sides(), sides()), seed=seeds())
def test_branch_pool_function(student, reference, sizes, size, seed):
    """branch_pool computes the right function, forward and backward"""
    compare_branch(student, reference, "branch_pool", sizes, size, seed)


@check(
    points=6,
    hint="Every branch reads the same x; the outputs stand in the order 1x1, 3x3, 5x5, pooling.",
    requires=["branch1_function", "branch3_function", "branch5_function", "branch_pool_function"],
)
@settings(max_examples=12)
@given(sizes=WIDTHS, size=st.tuples(sides(), sides()), seed=seeds(), training=st.booleans())
@example(sizes=(8, 2, (2, 3), (2, 2), 1), size=(5, 4), seed=1, training=False)  # as many channels go out as come in
def test_function(student, reference, sizes, size, seed, training):
    """Inception computes the right function, in train mode as in eval mode"""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, sizes[0], *size, generator=generator)
    original = calibrate(reference.Inception(*sizes), x, seed)
    mine = give_weights(student.Inception(*sizes), original)
    expect_same_function(mine, original, [x, 8 * x[:1]], training=training)


@check(
    points=4,
    hint="Do not cut the graph in forward (no detach, no no_grad), and share nothing between two modules.",
    requires=["function"],
)
def test_gradient(student, reference, context):
    """Inception has the right gradients at every parameter, and two modules share nothing"""
    sizes = (12, 8, (6, 10), (3, 5), 4)
    mine = expect_module(student.Inception(*sizes), "Inception(...)")
    other = expect_module(student.Inception(*sizes), "Inception(...)")
    weights = ["branch1.0.weight", "branch3.2.weight", "branch5.2.weight", "branch_pool.1.weight"]
    expect_fresh(mine, other, weights, drawn=False)
    x = torch.randn(4, 12, 9, 8, generator=context.generator())
    original = calibrate(reference.Inception(*sizes), x, 1)
    for training in (False, True):
        expect_same_gradient(give_weights(mine, original), original, x, training=training)
    for seed in (1, 2):  # what was worked out from the first weights is no longer right for the second
        original = calibrate(reference.Inception(*sizes), x, seed)
        expect_same_function(give_weights(mine, original), original, [x])
    many = torch.randn(37, 12, 2, 3, generator=context.generator(1))  # no batch is too large
    expect_same_function(mine, original, [many])
