"""Two passes: first all convolutions, then the Sequential with ReLUs and pools put between them."""

import math

import torch
import torch.nn as nn

cfg = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']


def make_layers(cfg, batch_norm=False):
    # 1단계: 채널 수만 모아서 conv를 전부 만든다
    channels = [3] + [v for v in cfg if v != 'M']
    convs = [nn.Conv2d(a, b, 3, padding=1) for a, b in zip(channels[:-1], channels[1:])]
    # 2단계: 순서대로 배치한다
    layers = []
    for v in cfg:
        if v == 'M':
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.append(convs.pop(0))
            if batch_norm:
                layers.append(nn.BatchNorm2d(v))
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        # 이름이 같은 순서로 저장되도록 features를 먼저
        self.features = features
        self.classifier = nn.Sequential(*self.head(512, 512, 10))
        [self.init_conv(m) for m in self.modules() if isinstance(m, nn.Conv2d)]

    @staticmethod
    def head(a, b, c):
        return nn.Dropout(), nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(), nn.Linear(b, c)

    @staticmethod
    def init_conv(conv):
        n = conv.weight.numel() // conv.in_channels
        conv.weight.data = torch.empty_like(conv.weight).normal_(0, math.sqrt(2 / n))
        conv.bias.data = torch.zeros_like(conv.bias)

    def forward(self, x):
        x = self.features(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def vgg16():
    return VGG(make_layers(cfg))
