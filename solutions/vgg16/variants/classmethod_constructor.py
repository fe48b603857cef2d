"""The model is made by a classmethod, VGG.from_config, and vgg16 is a functools.partial of it."""

import math
from functools import partial

import torch
from torch import nn


def make_layers(cfg, batch_norm=False):
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
    CONFIGS = {
        "vgg11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
        "vgg16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    }

    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = self._make_classifier()
        self._init_convolutions()

    @classmethod
    def from_config(cls, name, batch_norm=False):
        return cls(make_layers(cls.CONFIGS[name], batch_norm))

    @staticmethod
    def _make_classifier():
        return nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        )

    def _init_convolutions(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2 / n))
                m.bias.data.zero_()

    @property
    def device(self):
        return next(self.parameters()).device

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


vgg16 = partial(VGG.from_config, "vgg16")
