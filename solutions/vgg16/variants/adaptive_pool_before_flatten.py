"""An AdaptiveAvgPool2d(1) before the classifier: it does nothing to a 1x1 map."""

import math

import torch
from torch import nn

config = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    layers = []
    in_ch = 3
    for x in cfg:
        if x == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.append(nn.Conv2d(in_ch, x, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(x))
            layers.append(nn.ReLU(inplace=True))
            in_ch = x
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(1)  # 이미 1x1이라 그대로지만 안전하게
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(512, 10),
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
                m.bias.data.zero_()

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = x.reshape(x.shape[0], x.shape[1])
        return self.classifier(x)


def vgg16():
    return VGG(make_layers(config))
