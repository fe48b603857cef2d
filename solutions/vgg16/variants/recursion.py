"""make_layers works by recursion over the rest of cfg."""

import math

import torch
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def _layers(cfg, c, batch_norm):
    if len(cfg) == 0:
        return []
    head, *tail = cfg
    if head == "M":
        return [nn.MaxPool2d(2, 2)] + _layers(tail, c, batch_norm)
    norm = [nn.BatchNorm2d(head)] if batch_norm else []
    return [nn.Conv2d(c, head, 3, padding=1)] + norm + [nn.ReLU(inplace=True)] + _layers(tail, head, batch_norm)


def make_layers(cfg, batch_norm=False):
    return nn.Sequential(*_layers(cfg, 3, batch_norm))


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        )
        self._init(self)

    def _init(self, module):
        for child in module.children():
            self._init(child)
        if isinstance(module, nn.Conv2d):
            n = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / n))
            nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def vgg16():
    return VGG(make_layers(CFG))
