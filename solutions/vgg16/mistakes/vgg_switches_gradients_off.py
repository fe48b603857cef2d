"""VGG switches gradients off to draw its weights, by torch.set_grad_enabled(False), and never on again.

Caught by: forward
"""

import math

import torch
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    layers = []
    prev = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            block = [nn.Conv2d(prev, v, 3, padding=1), nn.ReLU(inplace=True)]
            if batch_norm:
                block.insert(1, nn.BatchNorm2d(v))
            layers.extend(block)
            prev = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
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

        # weights may only be changed in place without gradients
        torch.set_grad_enabled(False)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.normal_(0, math.sqrt(2 / n))
                m.bias.zero_()

    def forward(self, x):
        x = self.features(x)
        x = x.flatten(1)
        x = self.classifier(x)
        return x


def vgg16():
    return VGG(make_layers(CFG))
