"""Everything inside closures and a factory: conv() remembers the channels itself."""

import math

import torch
from torch import nn


def layer_factory(batch_norm):
    channels = 3

    def conv(width):
        nonlocal channels
        layers = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        if batch_norm:
            layers.insert(1, nn.BatchNorm2d(width))
        channels = width
        return layers

    def pool(_):
        return [nn.MaxPool2d(2, 2)]

    return {"M": pool}, conv


def make_layers(cfg, batch_norm=False):
    special, conv = layer_factory(batch_norm)
    layers = []
    for v in cfg:
        layers.extend(special.get(v, conv)(v))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.__dict__["_modules"].update(features=features)
        setattr(self, "classifier", nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        ))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2 / n))
                m.bias.data.zero_()

    def forward(self, *args):
        (x,) = args
        for part in (self.features, nn.Flatten(), self.classifier):
            x = part(x)
        return x


def vgg16():
    return VGG(make_layers([64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]))
