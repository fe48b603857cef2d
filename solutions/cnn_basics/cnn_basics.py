"""From the arithmetic of convolutions to LeNet-5."""

import torch
from torch import nn


def conv_output_size(n, f, p=0, s=1):
    """Return the side of a convolution's output, an int: (n + 2p - f) / s + 1.

    n: side of the input, f: side of the filter, p: padding on each side, s: stride. It raises a ValueError where the
    filter is larger than the padded input, and where the division by s leaves a remainder.
    """
    ### BEGIN SOLUTION
    span = n + 2 * p - f
    if span < 0:
        raise ValueError("the filter is larger than the padded input")
    if span % s != 0:
        raise ValueError("the stride does not fit: some of the input would be left over")
    return span // s + 1
    ### END SOLUTION


def same_padding(k):
    """Return the padding with which a k x k convolution of stride 1 keeps the size; a ValueError where k is even."""
    ### BEGIN SOLUTION
    if k % 2 == 0:
        raise ValueError("no padding on both sides keeps the size with an even filter")
    return (k - 1) // 2
    ### END SOLUTION


def receptive_field(layers):
    """Return how many pixels along one side of the input a single value at the end of a stack of layers depends on.

    layers: a list of pairs (f, s), the filter's side and the stride of each layer (convolution or pooling), the first
    layer first. Of an empty list it is 1. Where a stride leaves gaps, the pixels in between count too.
    """
    ### BEGIN SOLUTION
    size, jump = 1, 1
    for f, s in layers:
        size += (f - 1) * jump
        jump *= s
    return size
    ### END SOLUTION


def kaiming_init(model):
    """Give every Conv2d and Linear of model Kaiming-normal weights (fan_in, for ReLU), and biases of 0."""
    ### BEGIN SOLUTION
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    ### END SOLUTION


class SimpleCNN(nn.Module):
    """3x3 convolution to 32 channels without padding, ReLU: (N, 3, 32, 32) -> (N, 32, 30, 30)."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.conv = nn.Conv2d(3, 32, kernel_size=3)
        ### END SOLUTION
        kaiming_init(self)

    def forward(self, x):
        ### BEGIN SOLUTION
        return torch.relu(self.conv(x))
        ### END SOLUTION


class ConvPool(nn.Module):
    """The same, then a 2x2 max pooling: (N, 3, 32, 32) -> (N, 32, 15, 15)."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.conv = nn.Conv2d(3, 32, kernel_size=3)
        self.pool = nn.MaxPool2d(kernel_size=2)
        ### END SOLUTION
        kaiming_init(self)

    def forward(self, x):
        ### BEGIN SOLUTION
        return self.pool(torch.relu(self.conv(x)))
        ### END SOLUTION


class FullyConnected(nn.Module):
    """One linear layer from 32 features to 10 logits: (N, 32) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.fc = nn.Linear(32, 10)
        ### END SOLUTION
        kaiming_init(self)

    def forward(self, x):
        ### BEGIN SOLUTION
        return self.fc(x)
        ### END SOLUTION


class LeNet5(nn.Module):
    """(N, 1, 28, 28) -> logits (N, n_classes). Height and width: 28, 24, 12, 8, 4."""

    def __init__(self, n_classes=10):
        super().__init__()
        # self.conv1: 5x5 to 6 channels; self.conv2: 5x5 to 16; both without padding, each followed by a 2x2 max pooling
        # self.fc1: 256 -> 120; self.fc2: 120 -> 84; self.fc3: 84 -> n_classes
        ### BEGIN SOLUTION
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, n_classes)
        ### END SOLUTION

    def forward(self, x):
        """ReLU after fc1 and fc2; none after the convolutions, none after fc3."""
        ### BEGIN SOLUTION
        x = self.pool(self.conv1(x))
        x = self.pool(self.conv2(x))
        x = torch.flatten(x, 1)
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)
        ### END SOLUTION


def calc_mean_std(loader):
    """Return (mean, std) of the images in loader, one number per channel: two tensors of shape (C,).

    loader yields batches (images, labels), images (N, C, H, W); the last batch may be smaller. Every pixel of every
    image counts alike. The std is the square root of the mean squared distance from the mean.
    """
    ### BEGIN SOLUTION
    count, total, squares = 0, 0, 0
    for images, _ in loader:
        count += images.numel() // images.shape[1]
        total = total + images.sum((0, 2, 3))
        squares = squares + (images**2).sum((0, 2, 3))
    mean = total / count
    std = (squares / count - mean**2).clamp(min=0).sqrt()  # rounding can make it negative
    return mean, std
    ### END SOLUTION
