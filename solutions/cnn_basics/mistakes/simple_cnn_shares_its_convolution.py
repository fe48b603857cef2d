"""The convolution is a default argument: all SimpleCNNs have one and the same.

Caught by: simple_cnn
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def conv_output_size(n, f, p=0, s=1):
    """Return the side of a convolution's output, an int: (n + 2p - f) / s + 1."""
    moves, rest = divmod(n + 2 * p - f, s)
    if moves < 0 or rest:
        raise ValueError(f"no output size for n={n}, f={f}, p={p}, s={s}")
    return moves + 1


def same_padding(k):
    """Return the padding with which a k x k convolution of stride 1 keeps the size; a ValueError where k is even."""
    padding, rest = divmod(k - 1, 2)
    if rest:
        raise ValueError(f"{k} is even")
    return padding


def receptive_field(layers):
    """Return how many pixels along one side of the input a single value at the end of a stack of layers depends on."""
    pixels = 1
    for f, s in reversed(layers):
        pixels = (pixels - 1) * s + f
    return pixels


def kaiming_init(model):
    """Give every Conv2d and Linear of model Kaiming-normal weights (fan_in, for ReLU), and biases of 0."""

    def init(m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            fan_in = m.weight[0].numel()
            m.weight.data.normal_(0.0, math.sqrt(2.0 / fan_in))
            if m.bias is not None:
                m.bias.data.zero_()

    model.apply(init)


class SimpleCNN(nn.Module):
    """3x3 convolution to 32 channels without padding, ReLU: (N, 3, 32, 32) -> (N, 32, 30, 30)."""

    def __init__(self, conv=nn.Conv2d(3, 32, kernel_size=3), activation=nn.ReLU()):
        super().__init__()
        self.layers = nn.Sequential(conv, activation)
        kaiming_init(self)

    def forward(self, x):
        return self.layers(x)


class ConvPool(nn.Module):
    """The same, then a 2x2 max pooling: (N, 3, 32, 32) -> (N, 32, 15, 15)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 32, kernel_size=3), nn.ReLU(), nn.MaxPool2d(2))
        kaiming_init(self)

    def forward(self, x):
        return self.layers(x)


class FullyConnected(nn.Module):
    """One linear layer from 32 features to 10 logits: (N, 32) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(32, 10))
        kaiming_init(self)

    def forward(self, x):
        return self.layers(x)


class LeNet5(nn.Module):
    """(N, 1, 28, 28) -> logits (N, n_classes). Height and width: 28, 24, 12, 8, 4."""

    def __init__(self, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 4 * 4, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, n_classes)
        self.pool = nn.MaxPool2d(2, 2)
        self.relu = nn.ReLU()

    def forward(self, x):
        """ReLU after fc1 and fc2; none after the convolutions, none after fc3."""
        out = self.pool(self.conv1(x))
        out = self.pool(self.conv2(out))
        out = out.reshape(out.size(0), -1)
        out = self.relu(self.fc1(out))
        out = self.relu(self.fc2(out))
        return self.fc3(out)


def calc_mean_std(loader):
    """Return (mean, std) of the images in loader, one number per channel: two tensors of shape (C,)."""
    pixels = torch.cat([images.transpose(0, 1).flatten(1).double() for images, _ in loader], dim=1)
    mean = pixels.mean(dim=1)
    std = (pixels - mean[:, None]).square().mean(dim=1).sqrt()
    return mean.float(), std.float()
