"""F.dropout(training=self.training) in forward; Identity holds the places of the two Dropouts."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

cfgs = {'16': [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']}


def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == 'M':
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
        # 체크포인트의 번호(1, 2, 5)를 맞추기 위해 Identity로 자리를 채운다
        self.classifier = nn.Sequential(
            nn.Identity(),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Identity(),
            nn.Linear(512, 10),
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
                m.bias.data.zero_()

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size(0), -1)
        x = F.dropout(x, training=self.training)
        x = self.classifier[:4](x)
        x = F.dropout(x, training=self.training)
        x = self.classifier[4:](x)
        return x


def vgg16():
    return VGG(make_layers(cfgs['16']))
