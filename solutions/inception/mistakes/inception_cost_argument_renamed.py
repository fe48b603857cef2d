"""The last width is called pool_proj, as in torchvision.

Caught by: inception_cost
"""

import torch
from torch import nn


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of one convolution, two ints.

    Square kernel, stride 1, with bias; padded so that the output is height x width like the input. One multiply-add is
    one product of an input value and a weight, added up; the padding's zeros count like other values, biases do not.
    """
    weights = out_channels * in_channels * kernel_size * kernel_size
    return weights * height * width, weights + out_channels


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    first = conv_cost(in_channels, reduced, 1, height, width)
    second = conv_cost(reduced, out_channels, kernel_size, height, width)
    return first[0] + second[0], first[1] + second[1]


def most_reduced(in_channels, out_channels, kernel_size):
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone.

    An int; 0 where even one channel is too many.
    """
    direct, _ = conv_cost(in_channels, out_channels, kernel_size, 1, 1)
    each, _ = bottleneck_cost(in_channels, 1, out_channels, kernel_size, 1, 1)  # grows by as much with every channel
    return (direct - 1) // each


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W).

    r3_c3 is the pair (r3, c3): channels after the 1x1 and after the 3x3 of its branch; r5_c5 likewise.
    """

    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        # self.branch1: 1x1 to c1, ReLU
        self.branch1 = nn.Sequential(nn.Conv2d(in_channels, c1, kernel_size=1), nn.ReLU())
        # self.branch3: 1x1 to r3, ReLU, 3x3 to c3, ReLU
        r3, c3 = r3_c3
        self.branch3 = nn.Sequential(
            nn.Conv2d(in_channels, r3, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(r3, c3, kernel_size=3, padding=1),
            nn.ReLU(),
        )
        # self.branch5: 1x1 to r5, ReLU, 5x5 to c5, ReLU
        r5, c5 = r5_c5
        self.branch5 = nn.Sequential(
            nn.Conv2d(in_channels, r5, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(r5, c5, kernel_size=5, padding=2),
            nn.ReLU(),
        )
        # self.branch_pool: max pooling 3x3 with stride 1, 1x1 to cp, ReLU
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            nn.Conv2d(in_channels, cp, kernel_size=1),
            nn.ReLU(),
        )

    def forward(self, x):
        """(N, in_channels, H, W), float32 -> (N, c1 + c3 + c5 + cp, H, W), float32."""
        branches = [self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)]
        return torch.cat(branches, dim=1)


def inception_cost(in_channels, c1, r3_c3, r5_c5, pool_proj, height, width):
    """Return (multiply-adds, parameters) of Inception(in_channels, c1, r3_c3, r5_c5, cp) on height x width."""
    parts = [
        conv_cost(in_channels, c1, 1, height, width),
        bottleneck_cost(in_channels, r3_c3[0], r3_c3[1], 3, height, width),
        bottleneck_cost(in_channels, r5_c5[0], r5_c5[1], 5, height, width),
        conv_cost(in_channels, pool_proj, 1, height, width),
    ]
    return sum(part[0] for part in parts), sum(part[1] for part in parts)
