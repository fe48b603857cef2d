"""A convolution as unfold and a Linear: its weight is (32, 27)."""

from fractions import Fraction

import torch
from torch import nn
from torch.nn import functional as F


def conv_output_size(n, f, p=0, s=1):
    """Return the side of a convolution's output, an int: (n + 2p - f) / s + 1."""
    if f > n + 2 * p:
        raise ValueError("the filter is larger than the padded input")
    size = Fraction(n + 2 * p - f, s) + 1
    if size.denominator != 1:
        raise ValueError(f"the output would have {size} pixels")
    return size.numerator


def same_padding(k):
    """Return the padding with which a k x k convolution of stride 1 keeps the size; a ValueError where k is even."""
    padding = Fraction(k - 1, 2)
    if padding.denominator != 1:
        raise ValueError(f"k = {k} would take a padding of {padding}")
    return int(padding)


def receptive_field(layers):
    """Return how many pixels along one side of the input a single value at the end of a stack of layers depends on."""
    # the first and the last pixel that output 0 depends on, seen from each layer in turn
    first, last = 0, 0
    for f, s in reversed(list(layers)):
        first, last = first * s, last * s + f - 1
    return last - first + 1


@torch.no_grad()
def kaiming_init(model):
    """Give every Conv2d and Linear of model Kaiming-normal weights (fan_in, for ReLU), and biases of 0."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            module.weight.normal_(0, (2 / fan_in) ** 0.5)
            if module.bias is not None:
                module.bias.fill_(0)


class SimpleCNN(nn.Module):
    """3x3 convolution to 32 channels without padding, ReLU: (N, 3, 32, 32) -> (N, 32, 30, 30).

    The same linear layer sees each 3x3 square of the image.
    """

    def __init__(self):
        super().__init__()
        self.squares = nn.Unfold(kernel_size=3)
        self.linear = nn.Linear(3 * 3 * 3, 32)
        kaiming_init(self)

    def forward(self, x):
        height, width = x.shape[-2:]
        y = self.linear(self.squares(x).transpose(1, 2))  # (N, places, 32)
        return F.relu(y.transpose(1, 2).unflatten(2, (height - 2, width - 2)))


class ConvPool(nn.Module):
    """The same, then a 2x2 max pooling: (N, 3, 32, 32) -> (N, 32, 15, 15)."""

    def __init__(self):
        super().__init__()
        self.before = SimpleCNN()
        kaiming_init(self)

    def forward(self, x):
        return self.before(x).unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))


class FullyConnected(nn.Module):
    """One linear layer from 32 features to 10 logits: (N, 32) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(32, 10)])
        kaiming_init(self)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class LeNet5(nn.Module):
    """(N, 1, 28, 28) -> logits (N, n_classes). Height and width: 28, 24, 12, 8, 4."""

    def __init__(self, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, n_classes)
        for module in (self.conv1, self.conv2, self.fc1, self.fc2, self.fc3):
            nn.init.orthogonal_(module.weight)
            nn.init.zeros_(module.bias)

    @staticmethod
    def pool(x):
        """The largest of each 2x2 pixels."""
        return x.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))

    def forward(self, x):
        """ReLU after fc1 and fc2; none after the convolutions, none after fc3."""
        x = self.pool(self.conv1(x))
        x = self.pool(self.conv2(x))
        x = torch.einsum("nchw,ochw->no", x, self.fc1.weight.unflatten(1, (16, 4, 4))) + self.fc1.bias
        return self.fc3(F.relu(self.fc2(F.relu(x))))


def calc_mean_std(loader):
    """Return (mean, std) of the images in loader, one number per channel: two float64 tensors of shape (C,).

    The statistics of the batches are put together by the formula of Chan, Golub and LeVeque (1979).
    """
    n, mean, moment = 0, None, None
    for images, labels in loader:
        x = images.transpose(0, 1).flatten(1).to(torch.float64)
        k = x.shape[1]
        mean_k = x.mean(dim=1)
        moment_k = (x - mean_k[:, None]).square().sum(dim=1)
        if mean is None:
            n, mean, moment = k, mean_k, moment_k
            continue
        difference = mean_k - mean
        moment = moment + moment_k + difference.square() * (n * k / (n + k))
        mean = mean + difference * (k / (n + k))
        n += k
    return mean, (moment / n).sqrt()
