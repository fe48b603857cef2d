"""Public checks of inception: the module's shapes and parameters, and what may be used."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.checks import check
from grader.checks.architecture import expect_module, expect_shape, expect_state
from grader.checks.source import expect_unused
from grader.checks.strategies import sides, widths
from grader.language import gettext

PAIRS = st.tuples(widths(), widths())
# In the order of the channels of the output.
BRANCHES = ("branch1", "branch3", "branch5", "branch_pool")


def conv_state(key, inputs, outputs, kernel):
    return {f"{key}.weight": (outputs, inputs, kernel, kernel), f"{key}.bias": (outputs,)}


def state_of(inputs, c1, r3_c3, r5_c5, cp):
    return (
        conv_state("branch1.0", inputs, c1, 1)
        | conv_state("branch3.0", inputs, r3_c3[0], 1)
        | conv_state("branch3.2", r3_c3[0], r3_c3[1], 3)
        | conv_state("branch5.0", inputs, r5_c5[0], 1)
        | conv_state("branch5.2", r5_c5[0], r5_c5[1], 5)
        | conv_state("branch_pool.1", inputs, cp, 1)
    )


@check(
    points=10,
    hint="Every branch keeps height and width: padding 1 for 3x3 (the pooling too, with stride 1), padding 2 for 5x5. "
    "Concatenate along the channels.",
)
@settings(max_examples=15)
@given(inputs=widths(), c1=widths(), r3_c3=PAIRS, r5_c5=PAIRS, cp=widths(), height=sides(), width=sides())
def test_shape(student, inputs, c1, r3_c3, r5_c5, cp, height, width):
    """Inception turns (N, in_channels, H, W) into (N, c1 + c3 + c5 + cp, H, W), for any widths and sizes"""
    model = expect_module(student.Inception(inputs, c1, r3_c3, r5_c5, cp), "Inception(...)")
    x = torch.zeros(2, inputs, height, width)
    for name, channels in zip(BRANCHES, (c1, r3_c3[1], r5_c5[1], cp), strict=True):
        what = gettext("{module} on {shape}").format(module=f"{model}.{name}", shape=tuple(x.shape))
        expect_shape(getattr(model, name)(x), (2, channels, height, width), what)
    what = gettext("{module} on {shape}").format(module=model, shape=tuple(x.shape))
    expect_shape(model(x), (2, c1 + r3_c3[1] + r5_c5[1] + cp, height, width), what)


@check(
    points=8,
    hint="Each branch is one nn.Sequential, every ReLU a layer of its own: so branch3's 3x3 is branch3.2, and the "
    "convolution after the pooling branch_pool.1.",
)
@settings(max_examples=15)
@given(inputs=widths(), c1=widths(), r3_c3=PAIRS, r5_c5=PAIRS, cp=widths())
def test_state(student, inputs, c1, r3_c3, r5_c5, cp):
    """The four branches have the right parameters under the right names, for any widths"""
    named = student.Inception(in_channels=inputs, c1=c1, r3_c3=r3_c3, r5_c5=r5_c5, cp=cp)
    model = expect_module(named, "Inception(...)")
    expect_state(model, state_of(inputs, c1, r3_c3, r5_c5, cp))


@check(points=4, hint="Build the module from torch.nn yourself.", requires=["shape"])
def test_own_work(context):
    """Nothing is taken from torchvision.models"""
    expect_unused(context.source, ["torchvision.models"])
