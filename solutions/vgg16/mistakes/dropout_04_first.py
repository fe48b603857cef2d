"""The first dropout has p = 0.4.

Caught by: dropout
"""

import math

import torch
from torch import nn

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part as one nn.Sequential.

    The input has 3 channels. An int v in cfg is a 3x3 convolution to v channels with padding 1, then BatchNorm2d(v)
    if batch_norm, then an in-place ReLU. "M" is a max pooling with kernel 2 and stride 2.
    """
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(in_channels, v, kernel_size=3, padding=1))
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
        # self.classifier: Dropout, Linear 512 -> 512, BatchNorm1d, ReLU, Dropout, Linear 512 -> 10
        self.classifier = nn.Sequential(
            nn.Dropout(0.4),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(512, 10),
        )
        # Every convolution's weight: normal, mean 0, std sqrt(2 / n) with n = kernel height * kernel width *
        # out_channels; every convolution's bias: 0.
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                n = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                module.weight.data.normal_(0, math.sqrt(2.0 / n))
                module.bias.data.zero_()

    def forward(self, x):
        """Images (N, 3, 32, 32), float32 -> logits (N, 10), float32."""
        x = self.features(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def vgg16():
    """Return VGG with the 13 convolutions of CFG, without batch normalisation in the features."""
    return VGG(make_layers(CFG))
