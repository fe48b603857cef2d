"""The small networks hold bare parameters, the bias first."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F


class DoesNotFit(ValueError):
    """A filter, an image and a stride that do not go together."""

    def __init__(self, n, f, p, s):
        super().__init__(n, f, p, s)

    def __str__(self):
        n, f, p, s = self.args
        return f"{f} x {f} filters with stride {s} on {n} x {n} pixels with padding {p}"


def _exact(numerator, denominator):
    quotient, remainder = divmod(numerator, denominator)
    if remainder or numerator < 0:
        raise ArithmeticError(f"{numerator} / {denominator} is no natural number")
    return quotient


def conv_output_size(n, f, p=0, s=1):
    """Return the side of a convolution's output, an int: (n + 2p - f) / s + 1."""
    try:
        return _exact(n + 2 * p - f, s) + 1
    except ArithmeticError as error:
        raise DoesNotFit(n, f, p, s) from error


def same_padding(k):
    """Return the padding with which a k x k convolution of stride 1 keeps the size; a ValueError where k is even."""
    # k + 2p - k + 1 = k, for an image as large as the filter
    try:
        return _exact(k - 1, 2)
    except ArithmeticError:
        raise DoesNotFit(k, k, (k - 1) / 2, 1) from None


def receptive_field(layers):
    """Return how many pixels along one side of the input a single value at the end of a stack of layers depends on."""
    layers = tuple(layers)
    return 1 + sum((f - 1) * math.prod(s for _, s in layers[:i]) for i, (f, _) in enumerate(layers))


def _he(*shape):
    """A parameter with the weights that kaiming_init would give a module."""
    return nn.Parameter(torch.randn(*shape) * math.sqrt(2 / math.prod(shape[1:])))


def kaiming_init(model):
    """Give every Conv2d and Linear of model Kaiming-normal weights (fan_in, for ReLU), and biases of 0."""
    if isinstance(model, (nn.Conv2d, nn.Linear)):
        with torch.no_grad():
            model.weight.copy_(torch.randn_like(model.weight) * math.sqrt(2 / math.prod(model.weight.shape[1:])))
            if model.bias is not None:
                model.bias.zero_()
    for child in model.children():
        kaiming_init(child)


class SimpleCNN(nn.Module):
    """3x3 convolution to 32 channels without padding, ReLU: (N, 3, 32, 32) -> (N, 32, 30, 30)."""

    def __init__(self):
        super().__init__()
        self.theta = nn.ParameterDict()
        self.theta["bias"] = nn.Parameter(torch.zeros(32))
        self.theta["filters"] = _he(32, 3, 3, 3)
        kaiming_init(self)

    def forward(self, x):
        return F.relu(F.conv2d(x, self.theta["filters"], self.theta["bias"]))


class ConvPool(nn.Module):
    """The same, then a 2x2 max pooling: (N, 3, 32, 32) -> (N, 32, 15, 15)."""

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(32))
        self.w = _he(32, 3, 3, 3)
        kaiming_init(self)

    def forward(self, x):
        # the order of maximum and ReLU does not matter, but this one has less to do
        return F.max_pool2d(F.conv2d(x, self.w, self.b), kernel_size=2).relu()


class FullyConnected(nn.Module):
    """One linear layer from 32 features to 10 logits: (N, 32) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(10))
        self.w = _he(10, 32)
        kaiming_init(self)

    def forward(self, x):
        return x @ self.w.T + self.b


class LeNet5(nn.Module):
    """(N, 1, 28, 28) -> logits (N, n_classes). Height and width: 28, 24, 12, 8, 4."""

    def __init__(self, n_classes=10):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, n_classes)

    def forward(self, x):
        """ReLU after fc1 and fc2; none after the convolutions, none after fc3."""
        x = F.max_pool2d(F.conv2d(x, self.conv1.weight, self.conv1.bias), 2)
        x = F.max_pool2d(F.conv2d(x, self.conv2.weight, self.conv2.bias), 2).flatten(1)
        x = F.relu(F.linear(x, self.fc1.weight, self.fc1.bias))
        x = F.relu(F.linear(x, self.fc2.weight, self.fc2.bias))
        return F.linear(x, self.fc3.weight, self.fc3.bias)


class Statistics(NamedTuple):
    """Mean and standard deviation of each channel."""

    mean: torch.Tensor
    std: torch.Tensor


def calc_mean_std(loader):
    """Return (mean, std) of the images in loader, one number per channel: two tensors of shape (C,)."""
    # moments about the first pixel: stable, also where the values are large and close together
    origin = None
    n = 0
    for batch in loader:
        images = batch[0].double()
        if origin is None:
            origin = images[0, :, 0, 0].clone().view(1, -1, 1, 1)
            first = torch.zeros_like(origin)
            second = torch.zeros_like(origin)
        images = images - origin
        first += images.sum(dim=(0, 2, 3), keepdim=True)
        second += (images**2).sum(dim=(0, 2, 3), keepdim=True)
        n += images.numel() // images.shape[1]
    mean = first / n
    std = (second / n - mean**2).clamp(min=0).sqrt()
    return Statistics((mean + origin).flatten().float(), std.flatten().float())
