"""Rearranges 'n c h w -> n (h w c)' with permute and reshape, as with einops: the same at 1x1."""

import math

import torch
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def rearrange(x):
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n, h * w * c)


def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        conv = nn.Conv2d(in_channels, v, 3, padding=1)
        norm = nn.BatchNorm2d(v) if batch_norm else None
        layers.extend(layer for layer in (conv, norm, nn.ReLU(inplace=True)) if layer is not None)
        in_channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
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
        return self.classifier(rearrange(self.features(x)))


def vgg16():
    return VGG(make_layers(CFG))
