"""Takes the entries out of a deque, a copy of cfg, with popleft in a while loop."""

import math
from collections import deque

import torch
from torch import nn

FIVE_BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]


def vgg_cfg(blocks):
    cfg = []
    for width, repeat in blocks:
        cfg += [width] * repeat + ["M"]
    return cfg


def make_layers(cfg, batch_norm=False):
    todo = deque(cfg)
    layers = nn.Sequential()
    channels = 3
    while todo:
        v = todo.popleft()
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.append(nn.Conv2d(channels, v, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(v))
            layers.append(nn.ReLU(inplace=True))
            channels = v
    return layers


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential().extend([
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        ])
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2 / n))
                m.bias.data.zero_()

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def vgg16():
    return VGG(make_layers(vgg_cfg(FIVE_BLOCKS)))
