"""LeNet5 of layers of my own, which kaiming_init leaves as they are."""

import torch
from torch import nn
from torch.nn import functional as F


def conv_output_size(n, f, p=0, s=1):
    """Return the side of a convolution's output, an int: (n + 2p - f) / s + 1. It moves the filter along."""
    if s < 1:
        raise ValueError("the filter has to move on")
    left, right, count = -p, -p + f, 0
    while right <= n + p:
        left, right, count = left + s, right + s, count + 1
    if count == 0:
        raise ValueError("the filter does not even fit once")
    if right - s != n + p:
        raise ValueError(f"the filter stops {n + p - right + s} pixels before the end")
    return count


def same_padding(k):
    """Return the padding with which a k x k convolution of stride 1 keeps the size; a ValueError where k is even."""
    padding = (k - 1) / 2
    if not padding.is_integer():
        raise ValueError(f"{padding} pixels of padding are impossible")
    return int(padding)


def receptive_field(layers):
    """Return how many pixels along one side of the input a single value at the end of a stack of layers depends on."""
    pixels = range(1)
    for f, s in reversed(layers):
        pixels = range(pixels[0] * s, pixels[-1] * s + f)
    return len(pixels)


def kaiming_init(model):
    """Give every Conv2d and Linear of model Kaiming-normal weights (fan_in, for ReLU), and biases of 0."""
    state = {name: module for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))}
    for name in sorted(state):
        weight, bias = state[name].weight, state[name].bias
        fan_in, _ = nn.init._calculate_fan_in_and_fan_out(weight)
        nn.init.normal_(weight, mean=0.0, std=nn.init.calculate_gain("relu") * fan_in**-0.5)
        if bias is not None:
            nn.init.zeros_(bias)


class Patches(nn.Module):
    """A convolution without padding, as a product of its filters with all patches of the image."""

    def __init__(self, c_in, c_out, k):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.weight = nn.Parameter(0.02 * torch.randn(c_out, c_in, k, k))
        self.k = k

    def forward(self, x):
        patches = x.unfold(2, self.k, 1).unfold(3, self.k, 1)  # (N, C, H, W, k, k)
        y = torch.tensordot(patches, self.weight, dims=([1, 4, 5], [1, 2, 3]))  # (N, H, W, c_out)
        return (y + self.bias).permute(0, 3, 1, 2)


class Affine(nn.Module):
    """x -> W x + b"""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.weight = nn.Parameter(0.02 * torch.randn(n_out, n_in))

    def forward(self, x):
        return torch.einsum("oi,ni->no", self.weight, x) + self.bias


class Halve(nn.Module):
    """2x2 max pooling; an odd last row or column is left out."""

    def forward(self, x):
        height, width = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
        x = x[..., :height, :width]
        x = torch.maximum(x[..., 0::2, :], x[..., 1::2, :])
        return torch.maximum(x[..., 0::2], x[..., 1::2])


class SimpleCNN(nn.Module):
    """3x3 convolution to 32 channels without padding, ReLU: (N, 3, 32, 32) -> (N, 32, 30, 30)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({"activation": nn.ReLU(), "convolution": nn.Conv2d(3, 32, 3)})
        kaiming_init(self)

    def forward(self, x):
        return self.layers["activation"](self.layers["convolution"](x))


class ConvPool(nn.Module):
    """The same, then a 2x2 max pooling: (N, 3, 32, 32) -> (N, 32, 15, 15)."""

    def __init__(self):
        super().__init__()
        self.halve = Halve()
        self.conv = nn.Conv2d(3, 32, 3)
        kaiming_init(self)

    def forward(self, x):
        return self.halve(F.relu(self.conv(x)))


class FullyConnected(nn.Module):
    """One linear layer from 32 features to 10 logits: (N, 32) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 10)
        kaiming_init(self)

    def forward(self, x):
        return torch.addmm(self.linear.bias, x, self.linear.weight.t())


class LeNet5(nn.Module):
    """(N, 1, 28, 28) -> logits (N, n_classes). Height and width: 28, 24, 12, 8, 4."""

    def __init__(self, n_classes=10):
        super().__init__()
        self.conv1 = Patches(1, 6, 5)
        self.conv2 = Patches(6, 16, 5)
        self.halve = Halve()
        self.fc1 = Affine(256, 120)
        self.fc2 = Affine(120, 84)
        self.fc3 = Affine(84, n_classes)

    def forward(self, x):
        """ReLU after fc1 and fc2; none after the convolutions, none after fc3."""
        x = self.halve(self.conv1(x))
        x = self.halve(self.conv2(x))
        x = torch.relu(self.fc1(x.flatten(1)))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


def calc_mean_std(loader):
    """Return (mean, std) of the images in loader, one number per channel: two tensors of shape (C,)."""
    # Welford's method, image by image
    n, mean, spread = 0, 0.0, 0.0
    for images, _ in loader:
        for image in images.double():
            values = image.flatten(1)
            k = values.size(1)
            new = values.mean(1)
            step = new - mean
            mean = mean + step * k / (n + k)
            spread = spread + (values - new[:, None]).pow(2).sum(1) + step**2 * n * k / (n + k)
            n += k
    return mean.float(), (spread / n).pow(0.5).float()
