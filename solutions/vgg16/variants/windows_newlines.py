"""Lines end as Windows ends them (CR LF); comments in Korean that CP949 can write too."""

import math

import torch
from torch import nn

# VGG16 = 블록 5개. 블록마다 conv 개수와 채널 수가 다르다.
CFG = [64, 64, "M",
       128, 128, "M",
       256, 256, 256, "M",
       512, 512, 512, "M",
       512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v in cfg:
        # "M"이면 풀링, 숫자면 합성곱
        if v == "M":
            pool = nn.MaxPool2d(kernel_size=2, stride=2)
            layers.append(pool)
        else:
            conv = nn.Conv2d(in_channels, v, kernel_size=3, padding=1)
            bn = nn.BatchNorm2d(v)
            relu = nn.ReLU(inplace=True)
            if batch_norm:
                layers += [conv, bn, relu]
            else:
                layers += [conv, relu]
            in_channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features

        layers = []
        layers.append(nn.Dropout())
        layers.append(nn.Linear(512, 512))
        layers.append(nn.BatchNorm1d(512))
        layers.append(nn.ReLU())
        layers.append(nn.Dropout())
        layers.append(nn.Linear(512, 10))
        self.classifier = nn.Sequential(*layers)

        # 모든 conv를 N(0, sqrt(2/n))으로, 편향은 0으로
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                with torch.no_grad():
                    m.weight.normal_(0, math.sqrt(2 / n))
                    m.bias.zero_()

    def forward(self, x):
        x = self.features(x)
        x = torch.flatten(x, 1)   # 배치 차원은 남긴다
        x = self.classifier(x)
        return x


def vgg16():
    layers = make_layers(CFG, batch_norm=False)
    return VGG(layers)
