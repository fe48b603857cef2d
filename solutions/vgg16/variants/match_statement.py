"""A match statement sorts the entries of cfg."""

import math

import torch
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    layers: list[nn.Module] = []
    channels = 3
    for entry in cfg:
        match entry, batch_norm:
            case "M", _:
                layers.append(nn.MaxPool2d(2, 2))
            case int(width), True:
                layers += nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
                channels = width
            case int(width), _:
                layers += nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)
                channels = width
            case _:
                raise ValueError(f"cfg holds {entry!r}; only integers and 'M' are known")
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        )
        for m in self.modules():
            match m:
                case nn.Conv2d(kernel_size=(kh, kw), out_channels=out):
                    nn.init.normal_(m.weight, 0, math.sqrt(2 / (kh * kw * out)))
                    nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def vgg16():
    return VGG(make_layers(CFG))
