"""forward refuses what is not (N, 3, 32, 32), make_layers what is neither an int nor 'M'."""

import math

import torch
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    assert all(v == "M" or (isinstance(v, int) and v > 0) for v in cfg), cfg
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.append(nn.Conv2d(in_channels, v, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(v))
            layers.append(nn.ReLU(inplace=True))
            in_channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        if not isinstance(features, nn.Module):
            raise TypeError("features must be a module, for example what make_layers returns")
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2 / n))
                m.bias.data.zero_()

    def forward(self, x):
        if x.dim() != 4 or tuple(x.shape[1:]) != (3, 32, 32):
            raise ValueError(f"expected images (N, 3, 32, 32), got {tuple(x.shape)}")
        x = self.features(x)
        assert x.shape[1:] == (512, 1, 1)
        return self.classifier(torch.flatten(x, 1))


def vgg16():
    return VGG(make_layers(CFG))
