"""I flatten with the channels last.

Caught by: lenet5
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


def conv_output_size(n, f, p=0, s=1):
    if f > n + 2 * p:
        raise ValueError(f"a {f}x{f} filter does not fit into {n} with padding {p}")
    if (n + 2 * p - f) % s:
        raise ValueError(f"stride {s} does not divide {n + 2 * p - f}")
    return (n + 2 * p - f) // s + 1


def same_padding(k):
    if k % 2 == 0:
        raise ValueError("k has to be odd")
    return k // 2


def receptive_field(layers):
    field = 1
    stride = 1
    for f, s in layers:
        field = field + (f - 1) * stride
        stride = stride * s
    return field


def kaiming_init(model):
    for m in model.modules():
        if isinstance(m, nn.Conv2d) or isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            nn.init.zeros_(m.bias)


class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        kaiming_init(self)

    def forward(self, x):
        return F.relu(self.conv1(x))


class ConvPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.pool = nn.MaxPool2d(2, 2)
        kaiming_init(self)

    def forward(self, x):
        return self.pool(F.relu(self.conv1(x)))


class FullyConnected(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(32, 10)
        kaiming_init(self)

    def forward(self, x):
        return self.fc1(x)


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
        x = x.permute(0, 2, 3, 1).flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def calc_mean_std(loader):
    n = 0
    s1 = 0.0
    s2 = 0.0
    for images, labels in loader:
        b, c, h, w = images.shape
        n += b * h * w
        s1 = s1 + images.sum(dim=[0, 2, 3])
        s2 = s2 + (images ** 2).sum(dim=[0, 2, 3])
    mean = s1 / n
    std = torch.sqrt(torch.clamp(s2 / n - mean ** 2, min=0))
    return mean, std
