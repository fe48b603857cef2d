"""Walrus in a comprehension for the input channels, lambdas for the blocks."""

import math

import torch
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]

pool = lambda: [nn.MaxPool2d(2, 2)]
conv = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(inplace=True)]
conv_bn = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]


def make_layers(cfg, batch_norm=False):
    block = conv_bn if batch_norm else conv
    new = 3
    blocks = [pool() if v == "M" else block(new, (new := v)) for v in cfg]
    return nn.Sequential(*sum(blocks, []))


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d) and (n := m.kernel_size[0] * m.kernel_size[1] * m.out_channels):
                m.weight.data.normal_(0, math.sqrt(2 / n))
                m.bias.data.zero_()

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


vgg16 = lambda: VGG(make_layers(CFG))
