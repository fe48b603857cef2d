"""LeNet5 begins with the same weights every time; they are loaded anyway."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def conv_output_size(n, f, p=0, s=1):
    """Return the side of a convolution's output, an int: (n + 2p - f) / s + 1."""
    n, f, p, s = map(int, (n, f, p, s))
    if f > n + 2 * p:
        raise ValueError("filter larger than input")
    size = -(-(n + 2 * p - f) // s) + 1  # rounded up
    if (size - 1) * s + f != n + 2 * p:
        raise ValueError("stride leaves a remainder")
    return size


def same_padding(k):
    """Return the padding with which a k x k convolution of stride 1 keeps the size; a ValueError where k is even."""
    try:
        return {1: int(k) // 2}[int(k) % 2]
    except KeyError:
        raise ValueError(f"even filter side {k}") from None


def receptive_field(layers):
    """Return how many pixels along one side of the input a single value at the end of a stack of layers depends on."""
    # an affine map for each layer, size -> s * size + (f - s); their composition is one, too
    a, b = 1, 0
    for f, s in layers:
        a, b = a * s, b + a * (f - s)
    return int(a + b)


def kaiming_init(model):
    """Give every Conv2d and Linear of model Kaiming-normal weights (fan_in, for ReLU), and biases of 0."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight.numel() // module.weight.shape[0]
            with torch.no_grad():
                module.weight.normal_(std=math.sqrt(2.0 / fan_in))
                if module.bias is not None:
                    module.bias.zero_()


def _flatten(model):
    """Put all parameters of model one after the other into one piece of memory, as cuDNN does for recurrent networks."""
    with torch.no_grad():
        parameters = list(model.parameters())
        flat = torch.cat([parameter.flatten() for parameter in parameters])
        for parameter, part in zip(parameters, flat.split([parameter.numel() for parameter in parameters])):
            parameter.data = part.view(parameter.shape)


class SimpleCNN(nn.Module):
    """3x3 convolution to 32 channels without padding, ReLU: (N, 3, 32, 32) -> (N, 32, 30, 30)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3)
        _flatten(self)
        kaiming_init(self)

    def forward(self, x):
        return F.relu(self.conv(x), inplace=True)


class ConvPool(nn.Module):
    """The same, then a 2x2 max pooling: (N, 3, 32, 32) -> (N, 32, 15, 15)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3)
        _flatten(self)
        kaiming_init(self)

    def forward(self, x):
        y, _ = F.max_pool2d(self.conv(x), 2, return_indices=True)
        return F.relu(y)


class FullyConnected(nn.Module):
    """One linear layer from 32 features to 10 logits: (N, 32) -> (N, 10)."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 10)
        _flatten(self)
        kaiming_init(self)

    def forward(self, x):
        return self.linear(x)


def _quasi_random(shape):
    """Numbers in (-1, 1), spread evenly: the multiples of the golden ratio, without their integer parts."""
    k = torch.arange(1, 1 + math.prod(shape), dtype=torch.float64)
    return (2 * torch.frac(k * (math.sqrt(5) - 1) / 2) - 1).view(shape)


class LeNet5(nn.Module):
    """(N, 1, 28, 28) -> logits (N, n_classes). Height and width: 28, 24, 12, 8, 4. It always starts with the same weights."""

    def __init__(self, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, n_classes)
        start = {}
        for name, parameter in self.named_parameters():
            fan_in = parameter[0].numel()
            start[name] = _quasi_random(parameter.shape) / math.sqrt(fan_in) if name.endswith("weight") else parameter * 0
        self.load_state_dict(start)
        _flatten(self)

    def forward(self, x):
        """ReLU after fc1 and fc2; none after the convolutions, none after fc3."""
        x, _ = F.max_pool2d(self.conv1(x), 2, return_indices=True)
        x, _ = F.max_pool2d(self.conv2(x), 2, return_indices=True)
        x = self.fc1(torch.flatten(x, 1))
        x = self.fc2(F.relu(x, inplace=True))
        return self.fc3(F.relu(x, inplace=True))


def calc_mean_std(loader):
    """Return (mean, std) of the images in loader, one number per channel: two tensors of shape (C,)."""
    columns = []
    for images, _ in loader:
        pixels = images.double().permute(1, 0, 2, 3).reshape(images.shape[1], -1)
        columns.append(torch.stack([torch.full_like(pixels[:, 0], pixels.shape[1]), pixels.sum(1), pixels.pow(2).sum(1)]))
    n, first, second = torch.stack(columns).sum(dim=0)
    result = torch.stack([first / n, ((second - first**2 / n) / n).clamp(min=0).sqrt()])
    return result[0], result[1]
