"""The classifier is an nn.ModuleList that forward walks through."""

import math

import torch
from torch import nn

# VGG-16 설정: 숫자는 출력 채널, "M"은 맥스 풀링
CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
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
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.ModuleList([
            nn.Dropout(0.5), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10)
        ])
        for m in self.features.modules():  # conv만 골라서 초기화
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2 / n))
                m.bias.data.zero_()

    def forward(self, x):
        for layer in self.features:      # 특징 추출
            x = layer(x)
        x = torch.flatten(x, 1)
        for layer in self.classifier:    # 분류
            x = layer(x)
        return x


def vgg16():
    return VGG(make_layers(CFG))
