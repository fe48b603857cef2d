"""Inception (Szegedy et al., 2015): what a 1x1 bottleneck saves, and the module with four branches."""

import torch
from torch import nn


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of one convolution, two ints.

    Square kernel, stride 1, with bias; padded so that the output is height x width like the input. One multiply-add is
    one product of an input value and a weight, added up; the padding's zeros count like other values, biases do not.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    # YOUR CODE HERE
    raise NotImplementedError()


def most_reduced(in_channels, out_channels, kernel_size):
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone.

    An int; 0 where even one channel is too many.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W).

    r3_c3 is the pair (r3, c3): channels after the 1x1 and after the 3x3 of its branch; r5_c5 likewise.
    """

    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super().__init__()
        # self.branch1: 1x1 to c1, ReLU
        # YOUR CODE HERE
        raise NotImplementedError()
        # self.branch3: 1x1 to r3, ReLU, 3x3 to c3, ReLU
        # YOUR CODE HERE
        raise NotImplementedError()
        # self.branch5: 1x1 to r5, ReLU, 5x5 to c5, ReLU
        # YOUR CODE HERE
        raise NotImplementedError()
        # self.branch_pool: max pooling 3x3 with stride 1, 1x1 to cp, ReLU
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x):
        """(N, in_channels, H, W), float32 -> (N, c1 + c3 + c5 + cp, H, W), float32."""
        # YOUR CODE HERE
        raise NotImplementedError()


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    """Return (multiply-adds, parameters) of Inception(in_channels, c1, r3_c3, r5_c5, cp) on height x width."""
    # YOUR CODE HERE
    raise NotImplementedError()
