"""From the arithmetic of convolutions to LeNet-5."""

import torch
from torch import nn


def conv_output_size(n, f, p=0, s=1):
    """Return the side of a convolution's output, an int: (n + 2p - f) / s + 1.

    n: side of the input, f: side of the filter, p: padding on each side, s: stride. It raises a ValueError where the
    filter is larger than the padded input, and where the division by s leaves a remainder.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def same_padding(k):
    """Return the padding with which a k x k convolution of stride 1 keeps the size; a ValueError where k is even."""
    # YOUR CODE HERE
    raise NotImplementedError()


def receptive_field(layers):
    """Return how many pixels along one side of the input a single value at the end of a stack of layers depends on.

    layers: a list of pairs (f, s), the filter's side and the stride of each layer (convolution or pooling), the first
    layer first. Of an empty list it is 1. Where a stride leaves gaps, the pixels in between count too.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def kaiming_init(model):
    """Give every Conv2d and Linear of model Kaiming-normal weights (fan_in, for ReLU), and biases of 0."""
    # YOUR CODE HERE
    raise NotImplementedError()


class SimpleCNN(nn.Module):
    """3x3 convolution to 32 channels without padding, ReLU: (N, 3, 32, 32) -> (N, 32, 30, 30)."""

    def __init__(self):
        super().__init__()
        # YOUR CODE HERE
        raise NotImplementedError()
        kaiming_init(self)

    def forward(self, x):
        # YOUR CODE HERE
        raise NotImplementedError()


class ConvPool(nn.Module):
    """The same, then a 2x2 max pooling: (N, 3, 32, 32) -> (N, 32, 15, 15)."""

    def __init__(self):
        super().__init__()
        # YOUR CODE HERE
        raise NotImplementedError()
        kaiming_init(self)

    def forward(self, x):
        # YOUR CODE HERE
        raise NotImplementedError()


class FullyConnected(nn.Module):
    """One linear layer from 32 features to 10 logits: (N, 32) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        # YOUR CODE HERE
        raise NotImplementedError()
        kaiming_init(self)

    def forward(self, x):
        # YOUR CODE HERE
        raise NotImplementedError()


class LeNet5(nn.Module):
    """(N, 1, 28, 28) -> logits (N, n_classes). Height and width: 28, 24, 12, 8, 4."""

    def __init__(self, n_classes=10):
        super().__init__()
        # self.conv1: 5x5 to 6 channels; self.conv2: 5x5 to 16; both without padding, each followed by a 2x2 max pooling
        # self.fc1: 256 -> 120; self.fc2: 120 -> 84; self.fc3: 84 -> n_classes
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x):
        """ReLU after fc1 and fc2; none after the convolutions, none after fc3."""
        # YOUR CODE HERE
        raise NotImplementedError()


def calc_mean_std(loader):
    """Return (mean, std) of the images in loader, one number per channel: two tensors of shape (C,).

    loader yields batches (images, labels), images (N, C, H, W); the last batch may be smaller. Every pixel of every
    image counts alike. The std is the square root of the mean squared distance from the mean.
    """
    # YOUR CODE HERE
    raise NotImplementedError()
