"""I find other names for the arguments of Inception clearer.

Caught by: names
"""

import torch
from torch import nn


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of one convolution, two ints."""
    weights = in_channels * out_channels * kernel_size**2
    multiply_adds = weights * height * width
    return multiply_adds, weights + out_channels


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    first = conv_cost(in_channels, reduced, 1, height, width)
    second = conv_cost(reduced, out_channels, kernel_size, height, width)
    return first[0] + second[0], first[1] + second[1]


def most_reduced(in_channels, out_channels, kernel_size):
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone."""
    alone = in_channels * out_channels * kernel_size**2
    each = in_channels + out_channels * kernel_size**2
    return (alone - 1) // each


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W)."""

    def __init__(self, in_channels, ch1x1, ch3x3, ch5x5, pool_proj):
        super().__init__()
        c1, cp = ch1x1, pool_proj
        r3, c3 = ch3x3
        r5, c5 = ch5x5
        self.branch1 = nn.Sequential(
            nn.Conv2d(in_channels, c1, 1),
            nn.ReLU(),
        )
        self.branch3 = nn.Sequential(
            nn.Conv2d(in_channels, r3, 1),
            nn.ReLU(),
            nn.Conv2d(r3, c3, 3, padding=1),
            nn.ReLU(),
        )
        self.branch5 = nn.Sequential(
            nn.Conv2d(in_channels, r5, 1),
            nn.ReLU(),
            nn.Conv2d(r5, c5, 5, padding=2),
            nn.ReLU(),
        )
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(in_channels, cp, 1),
            nn.ReLU(),
        )

    def forward(self, x):
        """(N, in_channels, H, W), float32 -> (N, c1 + c3 + c5 + cp, H, W), float32."""
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], dim=1)


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    """Return (multiply-adds, parameters) of Inception(in_channels, c1, r3_c3, r5_c5, cp) on height x width."""
    r3, c3 = r3_c3
    r5, c5 = r5_c5
    costs = [
        conv_cost(in_channels, c1, 1, height, width),
        bottleneck_cost(in_channels, r3, c3, 3, height, width),
        bottleneck_cost(in_channels, r5, c5, 5, height, width),
        conv_cost(in_channels, cp, 1, height, width),
    ]
    return sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)
