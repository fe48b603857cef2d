"""No loop of its own: input channels by itertools.accumulate, layers by chain.from_iterable."""

import math
from itertools import accumulate, chain

import torch
from torch import nn

CFG = (*[64] * 2, "M", *[128] * 2, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M")


def make_layers(cfg, batch_norm=False):
    inputs = accumulate(cfg, lambda seen, v: seen if v == "M" else v, initial=3)

    def block(c_in, v):
        if v == "M":
            return (nn.MaxPool2d(2, 2),)
        norm = (nn.BatchNorm2d(v),) if batch_norm else ()
        return (nn.Conv2d(c_in, v, 3, padding=1), *norm, nn.ReLU(inplace=True))

    return nn.Sequential(*chain.from_iterable(block(c_in, v) for c_in, v in zip(inputs, cfg)))


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        )
        convs = [m for m in self.modules() if isinstance(m, nn.Conv2d)]
        for conv in convs:
            n = math.prod(conv.kernel_size) * conv.out_channels
            nn.init.normal_(conv.weight, std=math.sqrt(2 / n))
            nn.init.zeros_(conv.bias)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def vgg16():
    return VGG(make_layers(CFG))
