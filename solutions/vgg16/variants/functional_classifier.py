"""The classifier is a ModuleDict of the layers with weights; forward does the rest with functional calls."""

import math

import torch
import torch.nn.functional as F
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    layers, c = [], 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.append(nn.Conv2d(c, v, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(v))
            layers.append(nn.ReLU(inplace=True))
            c = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        # only these three have weights, so only these three need a place
        self.classifier = nn.ModuleDict({"1": nn.Linear(512, 512), "2": nn.BatchNorm1d(512), "5": nn.Linear(512, 10)})
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2.0 / n))
                m.bias.data.zero_()

    def forward(self, x):
        x = torch.flatten(self.features(x), 1)
        x = F.dropout(x, p=0.5, training=self.training)
        x = self.classifier["1"](x)
        x = F.relu(self.classifier["2"](x))
        x = F.dropout(x, p=0.5, training=self.training)
        return self.classifier["5"](x)


def vgg16():
    return VGG(make_layers(CFG))
