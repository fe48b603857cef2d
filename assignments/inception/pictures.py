"""What the handout shows of your own functions: `make visualize A=inception` draws it."""

from grader.checks.values import expect_numbers
from grader.visualize.charts import Chart, number

MODULE = (192, 32, 5)  # the 5x5 of GoogLeNet's first module: channels in and out, kernel
COST = ("multiply-adds", "parameters")


def costs(student):
    """What a 1x1 convolution before it saves a 5x5, and up to how many channels it does."""
    channels, out, kernel = MODULE
    alone = millions(student.conv_cost(channels, out, kernel, 28, 28), "conv_cost")
    reduced = range(1, channels + 1)
    pairs = [student.bottleneck_cost(channels, each, out, kernel, 28, 28) for each in reduced]
    before = [millions(pair, "bottleneck_cost") for pair in pairs]
    last = number(student.most_reduced(*MODULE), "most_reduced")
    return [
        Chart(
            f"5x5 from {channels} to {out} channels on 28 x 28",
            "channels that the 1x1 reduces to",
            "million multiply-adds",
            {"5x5 alone": ([0, channels], [alone] * 2), "1x1, then 5x5": (list(reduced), before)},
            most=160,
            marks={f"most_reduced: {last:g}": (last, alone)},
        )
    ]


def millions(cost, what):
    """Of multiply-adds."""
    multiply_adds, _ = expect_numbers(cost, COST, what)
    return number(multiply_adds, f"{what}: multiply-adds") / 1e6
