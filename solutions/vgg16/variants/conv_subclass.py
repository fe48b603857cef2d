"""Subclasses of nn.Conv2d, nn.MaxPool2d and nn.Linear with the sizes built in; the keys stay the same."""

import torch
from torch import nn


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution that keeps the size, and knows how to initialise itself."""

    def __init__(self, c_in, c_out):
        super().__init__(c_in, c_out, kernel_size=3, stride=1, padding=1)


class Halve(nn.MaxPool2d):
    def __init__(self):
        super().__init__(kernel_size=2, stride=2)


class Rectifier(nn.Module):
    def forward(self, x):
        return torch.relu(x)


def make_layers(cfg, batch_norm=False):
    layers = []
    c = 3
    for v in cfg:
        if v == "M":
            layers.append(Halve())
            continue
        layers.append(Conv3x3(c, v))
        if batch_norm:
            layers.append(nn.BatchNorm2d(v))
        layers.append(Rectifier())
        c = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), Rectifier(), nn.Dropout(), nn.Linear(512, 10)
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, (2.0 / n) ** 0.5)
                m.bias.data.zero_()

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class VGG16(VGG):
    def __init__(self):
        super().__init__(make_layers([64, 64, "M", 128, 128, "M", 256, 256, 256, "M"] + [512, 512, 512, "M"] * 2))


def vgg16():
    return VGG16()
