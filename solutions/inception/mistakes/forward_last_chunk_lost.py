"""Large batches go through in chunks of 8, and the last one is lost where it is smaller.

Caught by: gradient
"""

import itertools

import torch
import torch.nn.functional as F
from torch import nn


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of one convolution, two ints."""
    patch = in_channels * kernel_size * kernel_size
    per_position = patch * out_channels
    return per_position * height * width, (patch + 1) * out_channels


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    (work1, size1) = conv_cost(in_channels, reduced, 1, height, width)
    (work2, size2) = conv_cost(reduced, out_channels, kernel_size, height, width)
    return work1 + work2, size1 + size2


def most_reduced(in_channels, out_channels, kernel_size):
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone."""
    alone = in_channels * out_channels * kernel_size * kernel_size
    step = in_channels + out_channels * kernel_size * kernel_size
    cheaper = itertools.takewhile(lambda cost: cost < alone, itertools.count(step, step))
    return sum(1 for _ in cheaper)


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W)."""

    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        self.in_channels = in_channels
        self.branch1 = self.build_plain(c1)
        self.branch3 = self.build_reduced(r3_c3, kernel_size=3, padding=1)
        self.branch5 = self.build_reduced(r5_c5, kernel_size=5, padding=2)
        self.branch_pool = self.build_pooled(cp)

    def build_plain(self, width):
        return nn.Sequential(nn.Conv2d(self.in_channels, width, kernel_size=1), nn.ReLU())

    def build_reduced(self, widths, **how):
        reduced, width = widths
        return nn.Sequential(
            nn.Conv2d(self.in_channels, reduced, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(reduced, width, **how),
            nn.ReLU(),
        )

    def build_pooled(self, width):
        return nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            nn.Conv2d(self.in_channels, width, kernel_size=1),
            nn.ReLU(),
        )

    def forward(self, x):
        """(N, in_channels, H, W), float32 -> (N, c1 + c3 + c5 + cp, H, W), float32."""
        size = 8  # images at a time, to save memory
        if x.shape[0] > size:
            chunks = [x[i * size : (i + 1) * size] for i in range(x.shape[0] // size)]
            return torch.cat([self.forward(chunk) for chunk in chunks], dim=0)

        before_relu = []
        for branch in (self.branch1, self.branch3, self.branch5, self.branch_pool):
            out = x
            for layer in branch[:-1]:
                out = layer(out)
            before_relu.append(out)
        # relu(cat) is cat(relu): one ReLU for all instead of one for each
        return F.relu(torch.cat(before_relu, dim=1))


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    """Return (multiply-adds, parameters) of Inception(in_channels, c1, r3_c3, r5_c5, cp) on height x width."""
    hw = (height, width)
    plain = conv_cost(in_channels, c1, 1, *hw)
    three = bottleneck_cost(in_channels, r3_c3[0], r3_c3[1], 3, *hw)
    five = bottleneck_cost(in_channels, r5_c5[0], r5_c5[1], 5, *hw)
    pooled = conv_cost(in_channels, cp, 1, *hw)
    return tuple(sum(numbers) for numbers in zip(plain, three, five, pooled))
