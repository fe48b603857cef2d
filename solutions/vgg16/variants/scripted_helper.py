"""A helper compiled with torch.jit.script flattens; the annotations are TorchScript's."""

import math
import warnings
from typing import List

import torch
import torch.nn as nn
from torch import Tensor

warnings.filterwarnings("ignore", category=DeprecationWarning)
CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


@torch.jit.script
def flatten_batch(x: Tensor) -> Tensor:
    size: List[int] = [x.size(0), -1]
    return x.reshape(size)


def make_layers(cfg, batch_norm: bool = False):
    layers: List[nn.Module] = []
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

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = flatten_batch(x)
        return self.classifier(x)


def vgg16():
    return VGG(make_layers(CFG))
