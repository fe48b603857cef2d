"""Initial weights that are the same every time: 1x1 and wider ones begin as dirac."""

import math
from fractions import Fraction
from typing import NamedTuple

import torch
import torch.nn as nn


class Cost(NamedTuple):
    """What a convolution, or several, cost."""

    multiply_adds: int
    parameters: int


def _total(*costs: Cost) -> Cost:
    return Cost(*map(sum, zip(*costs)))


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of one convolution, two ints."""
    if kernel_size % 2 == 0:
        raise ValueError(f"no padding keeps height and width with a kernel of {kernel_size}")
    per_output = in_channels * kernel_size * kernel_size
    outputs = out_channels * height * width
    return Cost(per_output * outputs, (per_output + 1) * out_channels)


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    return _total(
        conv_cost(in_channels, reduced, 1, height, width),
        conv_cost(reduced, out_channels, kernel_size, height, width),
    )


def most_reduced(in_channels, out_channels, kernel_size):
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone."""
    # reduced * (in + k^2 out) < in * k^2 out: like two resistors in parallel, of `in` and of `k^2 out`
    bound = 1 / (Fraction(1, in_channels) + Fraction(1, out_channels * kernel_size**2))
    return math.ceil(bound) - 1


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W)."""

    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        r3, c3 = r3_c3
        r5, c5 = r5_c5
        self.branch1 = nn.Sequential(nn.Conv2d(in_channels, c1, 1), nn.ReLU())
        self.branch3 = nn.Sequential(
            nn.Conv2d(in_channels, r3, 1), nn.ReLU(), nn.Conv2d(r3, c3, 3, padding="same"), nn.ReLU()
        )
        self.branch5 = nn.Sequential(
            nn.Conv2d(in_channels, r5, 1), nn.ReLU(), nn.Conv2d(r5, c5, 5, padding="same"), nn.ReLU()
        )
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(in_channels, cp, 1), nn.ReLU())
        self.apply(self._start)

    @staticmethod
    def _start(layer):
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
            nn.init.constant_(layer.bias, 0.2)

    def forward(self, x):
        """(N, in_channels, H, W), float32 -> (N, c1 + c3 + c5 + cp, H, W), float32."""
        return torch.concat((self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)), dim=-3)


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    """Return (multiply-adds, parameters) of Inception(in_channels, c1, r3_c3, r5_c5, cp) on height x width."""
    return _total(
        conv_cost(in_channels, c1, 1, height, width),
        bottleneck_cost(in_channels, *r3_c3, 3, height, width),
        bottleneck_cost(in_channels, *r5_c5, 5, height, width),
        conv_cost(in_channels, cp, 1, height, width),
    )
