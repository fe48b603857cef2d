"""A generator yields the layers one after the other."""

import math

import torch
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def generate_layers(cfg, batch_norm):
    channels = 3
    for v in cfg:
        if v == "M":
            yield nn.MaxPool2d(2, 2)
            continue
        yield nn.Conv2d(channels, v, 3, padding=1)
        if batch_norm:
            yield nn.BatchNorm2d(v)
        yield nn.ReLU(inplace=True)
        channels = v


def generate_classifier():
    yield nn.Dropout()
    yield nn.Linear(512, 512)
    yield nn.BatchNorm1d(512)
    yield nn.ReLU()
    yield nn.Dropout()
    yield nn.Linear(512, 10)


def make_layers(cfg, batch_norm=False):
    return nn.Sequential(*generate_layers(cfg, batch_norm))


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(*generate_classifier())
        for name, p in self.named_parameters():
            # the only four-dimensional parameters are the convolutions' weights
            if p.dim() == 4:
                n = p.shape[0] * p.shape[2] * p.shape[3]
                p.data.normal_(0, math.sqrt(2 / n))
                self.get_parameter(name.removesuffix("weight") + "bias").data.zero_()

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def vgg16():
    return VGG(make_layers(CFG))
