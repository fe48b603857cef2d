# -*- coding: utf-8 -*-
"""Layers are numbered by hand with add_module, in the style of a notebook turned into a file."""
# 2주차 과제 - VGG16 구현
import torch
import torch.nn as nn
import torch.nn.functional as F
import math

config = {'vgg16': [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']}


def make_layers(cfg, batch_norm=False):
    model = nn.Sequential()
    in_ch = 3
    idx = 0
    for i in range(len(cfg)):
        out_ch = cfg[i]
        if out_ch == 'M':
            # 맥스 풀링: 크기를 절반으로
            model.add_module(str(idx), nn.MaxPool2d(2, stride=2))
            idx += 1
        else:
            # 3x3 합성곱
            model.add_module(str(idx), nn.Conv2d(in_ch, out_ch, kernel_size=3, padding=1))
            idx += 1
            if batch_norm == True:
                model.add_module(str(idx), nn.BatchNorm2d(out_ch))
                idx += 1
            model.add_module(str(idx), nn.ReLU(inplace=True))
            idx += 1
            in_ch = out_ch
    return model


class VGG(nn.Module):

    def __init__(self, features):
        super(VGG, self).__init__()

        self.features = features

        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(512, 10)
        )

        # 가중치 초기화 (He)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
                m.bias.data.fill_(0)

    def forward(self, x):
        out = self.features(x)
        out = out.reshape(out.shape[0], -1)   # 배치는 그대로 두고 펼치기
        out = self.classifier(out)
        return out


def vgg16():
    model = VGG(make_layers(config['vgg16']))
    return model
