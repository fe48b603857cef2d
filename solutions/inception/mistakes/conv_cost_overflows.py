"""I compute with 32-bit numbers of numpy, which are too small for a large convolution.

Caught by: conv_cost
"""

import numpy as np
import torch
from torch import nn


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    weights = np.prod([in_channels, out_channels, kernel_size, kernel_size], dtype=np.int32)
    positions = np.prod([height, width], dtype=np.int32)
    return int(np.multiply(weights, positions, dtype=np.int32)), int(weights) + out_channels


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    m1, p1 = conv_cost(in_channels, reduced, 1, height, width)
    m2, p2 = conv_cost(reduced, out_channels, kernel_size, height, width)
    return m1 + m2, p1 + p2


def most_reduced(in_channels, out_channels, kernel_size):
    alone = conv_cost(in_channels, out_channels, kernel_size, 1, 1)[0]
    reduced = 0
    while bottleneck_cost(in_channels, reduced + 1, out_channels, kernel_size, 1, 1)[0] < alone:
        reduced += 1
    return reduced


class Inception(nn.Module):
    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        r3, c3 = r3_c3
        r5, c5 = r5_c5
        self.branch1 = nn.Sequential(nn.Conv2d(in_channels, c1, 1), nn.ReLU())
        self.branch3 = nn.Sequential(
            nn.Conv2d(in_channels, r3, 1), nn.ReLU(), nn.Conv2d(r3, c3, 3, padding=1), nn.ReLU()
        )
        self.branch5 = nn.Sequential(
            nn.Conv2d(in_channels, r5, 1), nn.ReLU(), nn.Conv2d(r5, c5, 5, padding=2), nn.ReLU()
        )
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(in_channels, cp, 1), nn.ReLU()
        )

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], dim=1)


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    parts = [
        conv_cost(in_channels, c1, 1, height, width),
        bottleneck_cost(in_channels, *r3_c3, 3, height, width),
        bottleneck_cost(in_channels, *r5_c5, 5, height, width),
        conv_cost(in_channels, cp, 1, height, width),
    ]
    return sum(m for m, _ in parts), sum(p for _, p in parts)




