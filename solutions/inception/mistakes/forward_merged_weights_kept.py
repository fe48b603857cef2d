"""In eval mode the 1x1 convolutions run as one, made of the weights of the first such call.

Caught by: gradient
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
        self.widths = [c1, r3, r5]
        self.merged = None  # weight and bias of the three 1x1 convolutions on x as one

    def forward(self, x):
        if self.training:
            return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], dim=1)
        first = self.branch1[0], self.branch3[0], self.branch5[0]
        if self.merged is None:
            self.merged = torch.cat([conv.weight for conv in first]), torch.cat([conv.bias for conv in first])
        a, b, c = nn.functional.conv2d(x, *self.merged).split(self.widths, dim=1)
        return torch.cat([self.branch1[1:](a), self.branch3[1:](b), self.branch5[1:](c), self.branch_pool(x)], dim=1)


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
