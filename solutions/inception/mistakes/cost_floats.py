"""I divide to get the size of the output, so the multiply-adds are floats.

Caught by: conv_cost
"""

import torch
from torch import nn


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    weights = in_channels * out_channels * kernel_size**2
    stride, padding = 1, (kernel_size - 1) / 2
    out_height = (height + 2 * padding - kernel_size) / stride + 1
    out_width = (width + 2 * padding - kernel_size) / stride + 1
    return weights * out_height * out_width, weights + out_channels


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    mult1, par1 = conv_cost(in_channels, reduced, 1, height, width)
    mult2, par2 = conv_cost(reduced, out_channels, kernel_size, height, width)
    return mult1 + mult2, par1 + par2


def most_reduced(in_channels, out_channels, kernel_size):
    # r (in + out k^2) < in out k^2
    alone = in_channels * out_channels * kernel_size**2
    per_channel = in_channels + out_channels * kernel_size**2
    return (alone - 1) // per_channel


def conv_relu(i, o, k):
    return [nn.Conv2d(i, o, k, padding=k // 2), nn.ReLU()]


class Inception(nn.Module):
    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        r3, c3 = r3_c3
        r5, c5 = r5_c5
        self.branch1 = nn.Sequential(*conv_relu(in_channels, c1, 1))
        self.branch3 = nn.Sequential(*conv_relu(in_channels, r3, 1), *conv_relu(r3, c3, 3))
        self.branch5 = nn.Sequential(*conv_relu(in_channels, r5, 1), *conv_relu(r5, c5, 5))
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), *conv_relu(in_channels, cp, 1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], dim=1)


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    costs = [
        conv_cost(in_channels, c1, 1, height, width),
        bottleneck_cost(in_channels, *r3_c3, 3, height, width),
        bottleneck_cost(in_channels, *r5_c5, 5, height, width),
        conv_cost(in_channels, cp, 1, height, width),
    ]
    return sum(c[0] for c in costs), sum(c[1] for c in costs)
