"""Initialises under no_grad by copying scaled torch.randn into the weights."""

import math

import torch
import torch.nn as nn

vgg16_cfg = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']


def make_layers(cfg, batch_norm=False):
    layers = []
    cin = 3
    for cout in cfg:
        if cout == 'M':
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.append(nn.Conv2d(cin, cout, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(cout))
            layers.append(nn.ReLU(inplace=True))
            cin = cout
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(),
                                        nn.Dropout(), nn.Linear(512, 10))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self):
        """He 초기화 (fan-out)"""
        for m in self.modules():
            if not isinstance(m, nn.Conv2d):
                continue
            out_channels, _, kh, kw = m.weight.shape
            std = math.sqrt(2.0 / (kh * kw * out_channels))
            m.weight.copy_(std * torch.randn_like(m.weight))
            m.bias.copy_(torch.zeros(out_channels))

    def forward(self, x):
        x = self.features(x)
        x = x.reshape(len(x), 512)
        return self.classifier(x)


def vgg16():
    return VGG(make_layers(vgg16_cfg))
