"""Public checks of cnn_basics: sizes, padding, receptive fields, mean and standard deviation."""

import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional as F

from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_shape
from grader.checks.numerics import same
from grader.language import gettext
from grader.student import StudentError


def expect_int(value, expected, what):
    """``value`` is the whole number ``expected``."""
    if type(value) is not int:
        raise CheckFailed(
            gettext("{what} gives {value!r}, a {type}; the int {expected} is expected.").format(
                what=what, value=value, type=type(value).__name__, expected=expected
            ),
            expected=expected,
            actual=value,
        )
    if value != expected:
        message = gettext("{what} gives {value}; {expected} is expected.")
        raise CheckFailed(message.format(what=what, value=value, expected=expected), expected=expected, actual=value)


def expect_error(path, *args, why, **kwargs):
    """The call raises an exception of any kind."""
    try:
        result = path(*args, **kwargs)
    except StudentError as error:
        if error.status == "error" and "Exception" in error.types:
            return
        raise
    given = ", ".join([*map(str, args), *(f"{key}={value}" for key, value in kwargs.items())])
    message = gettext("{what} gives {result!r}; an error is expected: {why}.")
    raise CheckFailed(message.format(what=f"{path}({given})", result=result, why=why), expected=gettext("an error"))


def side_of_output(n, f, p, s):
    """What torch makes of it."""
    return F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, f), padding=p, stride=s).shape[2]


def seen_by_one_output(layers):
    """From the first to the last pixel at which one output of the stack has a gradient."""
    length = 1
    for f, s in reversed(layers):
        length = (length - 1) * s + f
    x = torch.zeros(1, 1, length + 7, dtype=torch.float64, requires_grad=True)
    y = x
    for f, s in layers:
        y = F.conv1d(y, torch.ones(1, 1, f, dtype=torch.float64), stride=s)
    y[0, 0, 0].backward()
    seen = x.grad[0, 0].nonzero()
    return int(seen.max() - seen.min()) + 1


@check(points=6, hint="n + 2p - f is how far the filter can move; // divides whole numbers.")
@given(steps=st.integers(0, 11), f=st.integers(1, 7), p=st.integers(0, 3), s=st.integers(1, 4), named=st.booleans())
def test_conv_output_size(student, steps, f, p, s, named):
    """conv_output_size is what torch's convolution gives, for any valid n, f, p, s"""
    n = steps * s + f - 2 * p
    assume(n >= 1)
    expected = side_of_output(n, f, p, s)
    if named:
        options = {key: value for key, value, default in (("p", p, 0), ("s", s, 1)) if value != default}
        said = ", ".join([str(n), str(f), *(f"{key}={value}" for key, value in options.items())])
        expect_int(student.conv_output_size(n, f, **options), expected, f"conv_output_size({said})")
    else:
        expect_int(student.conv_output_size(n, f, p, s), expected, f"conv_output_size({n}, {f}, {p}, {s})")


@check(
    points=5,
    hint="raise ValueError(...) where the remainder by s is not 0, and where the filter is larger than n + 2p.",
    requires=["conv_output_size"],
)
@given(n=st.integers(1, 20), f=st.integers(1, 30), p=st.integers(0, 3), s=st.integers(2, 5))
def test_conv_output_size_errors(student, n, f, p, s):
    """conv_output_size raises an error where the filter does not fit or the stride leaves something over"""
    if f > n + 2 * p:
        why = gettext("the filter is larger than the padded input")
        expect_error(student.conv_output_size, n, f, p, s, why=why)
    elif (n + 2 * p - f) % s:
        why = gettext("{n} + 2*{p} - {f} is not divisible by {s}").format(n=n, p=p, f=f, s=s)
        expect_error(student.conv_output_size, n, f, p, s, why=why)
    else:
        expect_int(
            student.conv_output_size(n, f, p, s), side_of_output(n, f, p, s), f"conv_output_size({n}, {f}, {p}, {s})"
        )


@check(points=5, hint="n + 2p - k + 1 = n: solve for p. An even k would need half a pixel.")
@given(half=st.integers(0, 20))
def test_same_padding(student, half):
    """same_padding keeps the size for every odd k, and raises an error for every even one"""
    k = 2 * half + 1
    p = student.same_padding(k)
    expect_int(p, half, f"same_padding({k})")
    expect_error(student.same_padding, k + 1, why=gettext("no padding does that"))


@check(points=8, hint="Each layer adds (f - 1) times the product of the strides before it.")
@given(layers=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), max_size=4))
def test_receptive_field(student, layers):
    """receptive_field is as wide as the gradient of one output, for any stack of layers"""
    given = list(layers)
    expect_int(student.receptive_field(layers), seen_by_one_output(given), f"receptive_field({given})")


@check(points=4, hint="Return two tensors (mean, std); sum over dimensions 0, 2 and 3, which leaves the channels.")
def test_mean_std(student):
    """calc_mean_std gives mean and standard deviation of each channel"""
    images = torch.rand(12, 3, 5, 4, generator=torch.Generator().manual_seed(1))
    images = images * torch.tensor([1.0, 0.5, 2.0]).view(3, 1, 1) + torch.tensor([0.0, 1.0, -1.0]).view(3, 1, 1)
    # A list of pairs: what a loader gives is all that is known of it.
    loader = student.probe("listed_loader", images, torch.zeros(12, dtype=torch.int64), batch_size=4)
    expect_mean_std(student.calc_mean_std(loader), images)


def expect_mean_std(result, images):
    """``result`` is (mean, std) per channel of ``images``; the std with or without Bessel's correction."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        message = gettext("calc_mean_std gives something else than a pair (mean, std).")
        raise CheckFailed(message, expected="(mean, std)")
    channels = images.shape[1]
    mean, std = (
        expect_shape(value, (channels,), f"calc_mean_std(loader)[{index}]") for index, value in enumerate(result)
    )
    values = images.double().transpose(0, 1).flatten(1)
    _expect_close("mean", mean, [values.mean(1)])
    _expect_close("std", std, [values.std(1, correction=0), values.std(1)])


def _expect_close(name, actual, allowed):
    if not any(
        same(actual.double(), expected) or torch.allclose(actual.double(), expected, 1e-4) for expected in allowed
    ):
        raise CheckFailed(
            gettext("The {name} of calc_mean_std is {actual}; {expected} is expected.").format(
                name=name, actual=_shown(actual), expected=_shown(allowed[0])
            ),
            expected=_shown(allowed[0]),
            actual=_shown(actual),
        )


def _shown(values):
    return ", ".join(f"{value:.4f}" for value in values.double().tolist())
