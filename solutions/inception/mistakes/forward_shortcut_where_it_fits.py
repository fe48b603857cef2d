"""The input is added where as many channels come out as go in.

Caught by: forward
"""

import torch
from torch import nn


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of one convolution, two ints."""
    weights = in_channels * out_channels * kernel_size**2
    return weights * height * width, weights + out_channels


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    macs1, params1 = conv_cost(in_channels, reduced, 1, height, width)
    macs2, params2 = conv_cost(reduced, out_channels, kernel_size, height, width)
    return macs1 + macs2, params1 + params2


def most_reduced(in_channels, out_channels, kernel_size):
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone."""
    alone = in_channels * out_channels * kernel_size**2
    per_channel = in_channels + out_channels * kernel_size**2
    return (alone - 1) // per_channel


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W)."""

    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        r3, c3 = r3_c3
        r5, c5 = r5_c5
        self.branch1 = nn.Sequential(nn.Conv2d(in_channels, c1, 1), nn.ReLU())
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
        out = torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], dim=1)
        if out.shape == x.shape:
            out = out + x  # shortcut where it fits
        return out


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
    return sum(macs for macs, _ in costs), sum(params for _, params in costs)
