"""forward runs the features a second time, to read off the batch size.

Caught by: forward
"""

import math

import torch
from torch import nn

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part as one nn.Sequential."""
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
    """features (from make_layers), flatten, classifier: (N, 3, 32, 32) -> logits (N, 10)."""

    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(512, 10),
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                nn.init.normal_(m.weight, 0.0, math.sqrt(2.0 / n))
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.features(x).reshape(self.features(x).size(0), -1)
        return self.classifier(x)


def vgg16():
    """VGG with the 13 convolutions of CFG, without batch normalisation in the features."""
    return VGG(make_layers(CFG))
