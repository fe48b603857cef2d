"""The pooling moves by one pixel only.

Caught by: conv_pool
"""

# Week 5: CNN basics
import torch
from torch import nn


def conv_output_size(n, f, p=0, s=1):
    """How many places a filter of side f has on n pixels."""
    room = n + p + p - f                     # how far it can move
    if room < 0 or room % s != 0:
        raise ValueError("this does not work out")
    return int(room / s) + 1


def same_padding(k):
    p, rest = divmod(k - 1, 2)
    if rest:
        raise ValueError("only odd filters can keep the size")
    return p


def receptive_field(layers):
    # backwards: one output needs 1 value, those need (1 - 1) * s + f values, ...
    # with f < s the gaps are counted as well
    size = 1
    for f, s in reversed(layers):
        size = (size - 1) * s + f
    return size


def kaiming_init(model):
    def init(layer):
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            fan_in = layer.weight[0].numel()
            layer.weight.data.normal_(0, (2 / fan_in) ** 0.5)
            layer.bias.data.fill_(0)

    model.apply(init)


class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels=3, out_channels=32, kernel_size=3, stride=1, padding=0),
            nn.ReLU(),
        )
        kaiming_init(self)

    def forward(self, x):
        out = self.layers(x)
        return out


class ConvPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels=3, out_channels=32, kernel_size=3, stride=1, padding=0),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=1),
        )
        kaiming_init(self)

    def forward(self, x):
        out = self.layers(x)
        return out


class FullyConnected(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(in_features=32, out_features=10)
        kaiming_init(self)

    def forward(self, x):
        out = self.linear(x)
        return out


class LeNet5(nn.Module):
    """LeCun et al., 1998, as far as it is still done that way"""

    def __init__(self, n_classes=10):
        super().__init__()
        # 1 x 28 x 28
        self.conv1 = nn.Conv2d(in_channels=1, out_channels=6, kernel_size=5)      # 6 x 24 x 24
        self.pool1 = nn.MaxPool2d(kernel_size=2, stride=2)                        # 6 x 12 x 12
        self.conv2 = nn.Conv2d(in_channels=6, out_channels=16, kernel_size=5)     # 16 x 8 x 8
        self.pool2 = nn.MaxPool2d(kernel_size=2, stride=2)                        # 16 x 4 x 4
        self.fc1 = nn.Linear(256, 120)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(84, n_classes)

    def forward(self, x):
        out = self.conv1(x)
        out = self.pool1(out)
        out = self.conv2(out)
        out = self.pool2(out)
        out = out.view(out.size(0), -1)
        out = self.relu1(self.fc1(out))
        out = self.relu2(self.fc2(out))
        out = self.fc3(out)
        return out


def calc_mean_std(loader):
    # first the mean, then in a second round the distances from it
    total, count = 0, 0
    for images, _ in loader:
        total += images.sum(dim=(0, 2, 3))
        count += images.size(0) * images.size(2) * images.size(3)
    mean = total / count
    squares = 0
    for images, _ in loader:
        squares += ((images - mean.view(1, -1, 1, 1)) ** 2).sum(dim=(0, 2, 3))
    std = (squares / count).sqrt()
    return mean, std
