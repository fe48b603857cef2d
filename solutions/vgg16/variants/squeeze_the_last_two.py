"""Removes the two last dimensions with squeeze(-1), which leaves a batch of one alone."""

import math

import torch
import torch.nn as nn

cfg = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']


def make_layers(cfg, batch_norm=False):
    result = []
    last = 3
    for value in cfg:
        if isinstance(value, int):
            result.append(nn.Conv2d(last, value, kernel_size=3, stride=1, padding=1))
            if batch_norm is True:
                result.append(nn.BatchNorm2d(value))
            result.append(nn.ReLU(inplace=True))
            last = value
        else:
            result.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*result)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(),
                                        nn.Dropout(), nn.Linear(512, 10))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2 / n))
                m.bias.data.zero_()

    def forward(self, x):
        x = self.features(x)          # (N, 512, 1, 1)
        x = x.squeeze(-1).squeeze(-1)  # (N, 512), N=1이어도 안전
        return self.classifier(x)


def vgg16():
    return VGG(make_layers(cfg))
