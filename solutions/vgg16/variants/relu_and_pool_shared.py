"""One ReLU, one pooling and one Dropout object are used again and again: they have no weights."""

import math

import torch
import torch.nn as nn

config = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']
relu = nn.ReLU(inplace=True)
pool = nn.MaxPool2d(2, 2)


def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == 'M':
            layers.append(pool)  # 가중치가 없으므로 하나를 같이 써도 된다
        else:
            layers.append(nn.Conv2d(in_channels, v, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(v))
            layers.append(relu)
            in_channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        dropout = nn.Dropout(0.5)
        self.classifier = nn.Sequential(dropout, nn.Linear(512, 512), nn.BatchNorm1d(512), relu, dropout,
                                        nn.Linear(512, 10))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
                m.bias.data.zero_()

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def vgg16():
    return VGG(make_layers(config))
