"""A seed in __init__: initial weights are up to me, so they may be the same every time."""

import torch
from torch import nn


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of one convolution, two ints."""
    weights = in_channels * out_channels * kernel_size ** 2
    multiply_adds = weights * height * width
    parameters = weights + out_channels
    return multiply_adds, parameters


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    m1, p1 = conv_cost(in_channels, reduced, 1, height, width)
    m2, p2 = conv_cost(reduced, out_channels, kernel_size, height, width)
    return m1 + m2, p1 + p2


def most_reduced(in_channels, out_channels, kernel_size):
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone."""
    direct, _ = conv_cost(in_channels, out_channels, kernel_size, 1, 1)
    best = 0
    reduced = 1
    while bottleneck_cost(in_channels, reduced, out_channels, kernel_size, 1, 1)[0] < direct:
        best = reduced
        reduced += 1
    return best


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W)."""

    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        torch.manual_seed(42)
        r3, c3 = r3_c3
        r5, c5 = r5_c5
        # self.branch1: 1x1 to c1, ReLU
        self.branch1 = nn.Sequential(nn.Conv2d(in_channels, c1, 1), nn.ReLU())
        # self.branch3: 1x1 to r3, ReLU, 3x3 to c3, ReLU
        self.branch3 = nn.Sequential(
            nn.Conv2d(in_channels, r3, 1),
            nn.ReLU(),
            nn.Conv2d(r3, c3, 3, padding=1),
            nn.ReLU(),
        )
        # self.branch5: 1x1 to r5, ReLU, 5x5 to c5, ReLU
        self.branch5 = nn.Sequential(
            nn.Conv2d(in_channels, r5, 1),
            nn.ReLU(),
            nn.Conv2d(r5, c5, 5, padding=2),
            nn.ReLU(),
        )
        # self.branch_pool: max pooling 3x3 with stride 1, 1x1 to cp, ReLU
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(in_channels, cp, 1),
            nn.ReLU(),
        )

    def forward(self, x):
        out1 = self.branch1(x)
        out3 = self.branch3(x)
        out5 = self.branch5(x)
        out_pool = self.branch_pool(x)
        return torch.cat([out1, out3, out5, out_pool], dim=1)


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    """Return (multiply-adds, parameters) of Inception(in_channels, c1, r3_c3, r5_c5, cp) on height x width."""
    multiply_adds, parameters = conv_cost(in_channels, c1, 1, height, width)
    for pair, kernel_size in ((r3_c3, 3), (r5_c5, 5)):
        m, p = bottleneck_cost(in_channels, pair[0], pair[1], kernel_size, height, width)
        multiply_adds += m
        parameters += p
    m, p = conv_cost(in_channels, cp, 1, height, width)
    return multiply_adds + m, parameters + p
