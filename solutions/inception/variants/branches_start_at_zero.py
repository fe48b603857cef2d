"""The last convolution of each branch starts at 0, the same in every module; each branch is a subclass of Sequential."""

import torch
from torch import nn


class Cost:
    """Adds up what convolutions on one map cost."""

    def __init__(self, height, width):
        self.pixels = height * width
        self.multiply_adds = 0
        self.parameters = 0

    def conv(self, in_channels, out_channels, kernel_size):
        """One more convolution."""
        weights = kernel_size * kernel_size * in_channels * out_channels
        self.multiply_adds += weights * self.pixels
        self.parameters += weights + out_channels
        return self

    def pair(self):
        return self.multiply_adds, self.parameters


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of one convolution, two ints."""
    return Cost(height, width).conv(in_channels, out_channels, kernel_size).pair()


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    return Cost(height, width).conv(in_channels, reduced, 1).conv(reduced, out_channels, kernel_size).pair()


def most_reduced(in_channels, out_channels, kernel_size):
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone."""
    alone = conv_cost(in_channels, out_channels, kernel_size, 1, 1)[0]
    low, high = 0, in_channels  # low saves (or is 0), high does not
    while high - low > 1:
        middle = (low + high) // 2
        if bottleneck_cost(in_channels, middle, out_channels, kernel_size, 1, 1)[0] < alone:
            low = middle
        else:
            high = middle
    return low


class Same(nn.Conv2d):
    """A convolution that keeps height and width."""

    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)


class Rectifier(nn.ReLU):
    pass


class Branch(nn.Sequential):
    """One of the four."""

    @classmethod
    def through(cls, widths, kernels, before=()):
        """Convolutions through `widths`, with a ReLU after each."""
        layers = list(before)
        for a, b, kernel in zip(widths, widths[1:], kernels):
            layers += [Same(a, b, kernel), Rectifier()]
        nn.init.zeros_(layers[-2].weight)
        return cls(*layers)


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W)."""

    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        self.branch1 = Branch.through([in_channels, c1], [1])
        self.branch3 = Branch.through([in_channels, *r3_c3], [1, 3])
        self.branch5 = Branch.through([in_channels, *r5_c5], [1, 5])
        self.branch_pool = Branch.through([in_channels, cp], [1], before=[nn.MaxPool2d(3, stride=1, padding=1)])

    def forward(self, x):
        """(N, in_channels, H, W), float32 -> (N, c1 + c3 + c5 + cp, H, W), float32."""
        outputs = [branch(x) for branch in (self.branch_pool, self.branch5, self.branch3, self.branch1)]
        return torch.cat(outputs[::-1], dim=1)


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    """Return (multiply-adds, parameters) of Inception(in_channels, c1, r3_c3, r5_c5, cp) on height x width."""
    total = Cost(height, width)
    total.conv(in_channels, c1, 1)
    total.conv(in_channels, r3_c3[0], 1).conv(*r3_c3, 3)
    total.conv(in_channels, r5_c5[0], 1).conv(*r5_c5, 5)
    total.conv(in_channels, cp, 1)
    return total.pair()
