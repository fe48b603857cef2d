"""Both Sequentials are made from an OrderedDict whose names are the numbers."""

import math
from collections import OrderedDict

import torch
from torch import nn

VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    layers = OrderedDict()
    c = 3
    for v in cfg:
        if v == "M":
            layers[str(len(layers))] = nn.MaxPool2d(2)
        else:
            layers[str(len(layers))] = nn.Conv2d(c, v, 3, padding=1)
            if batch_norm:
                layers[str(len(layers))] = nn.BatchNorm2d(v)
            layers[str(len(layers))] = nn.ReLU(inplace=True)
            c = v
    return nn.Sequential(layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(OrderedDict([
            ("0", nn.Dropout()),
            ("1", nn.Linear(512, 512)),
            ("2", nn.BatchNorm1d(512)),
            ("3", nn.ReLU()),
            ("4", nn.Dropout()),
            ("5", nn.Linear(512, 10)),
        ]))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2.0 / n))
                m.bias.data.zero_()

    def forward(self, x):
        x = self.features(x)
        return self.classifier(torch.flatten(x, 1))


def vgg16():
    return VGG(make_layers(VGG16))
