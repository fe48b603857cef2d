"""I take the layers out of the list one by one, and it is empty afterwards.

Caught by: receptive_field
"""

import torch
import torch.nn.functional as F
from torch import nn


def conv_output_size(n, f, p=0, s=1):
    padded = n + 2 * p
    if f > padded:
        raise ValueError("the filter is larger than the padded input")
    if (padded - f) % s != 0:
        raise ValueError("the stride leaves a remainder")
    return (padded - f) // s + 1


def same_padding(k):
    if k % 2 == 0:
        raise ValueError("k must be odd")
    return (k - 1) // 2


def receptive_field(layers):
    field = 1
    while layers:
        f, s = layers.pop()
        field = (field - 1) * s + f
    return field


def kaiming_init(model):
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="relu")
            if m.bias is not None:
                nn.init.zeros_(m.bias)


class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3)
        kaiming_init(self)

    def forward(self, x):
        return F.relu(self.conv(x))


class ConvPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3)
        self.pool = nn.MaxPool2d(2, 2)
        kaiming_init(self)

    def forward(self, x):
        return self.pool(F.relu(self.conv(x)))


class FullyConnected(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(32, 10)
        kaiming_init(self)

    def forward(self, x):
        return self.fc(x)


class LeNet5(nn.Module):
    def __init__(self, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 4 * 4, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, n_classes)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 2)
        x = F.max_pool2d(self.conv2(x), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def calc_mean_std(loader):
    count = 0
    total = 0.0
    squares = 0.0
    for images, _ in loader:
        images = images.double()
        count += images.size(0) * images.size(2) * images.size(3)
        total = total + images.sum(dim=(0, 2, 3))
        squares = squares + (images ** 2).sum(dim=(0, 2, 3))
    mean = total / count
    std = (squares / count - mean ** 2).clamp(min=0).sqrt()
    return mean.float(), std.float()




