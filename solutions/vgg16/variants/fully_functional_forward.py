"""forward of the classifier calls F.linear and F.batch_norm on the layers' own tensors."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

cfg_d = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']


def make_layers(cfg, batch_norm=False):
    layers = []
    c = 3
    for v in cfg:
        if v == 'M':
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.extend([nn.Conv2d(c, v, 3, padding=1)] + ([nn.BatchNorm2d(v)] if batch_norm else []) + [nn.ReLU()])
            c = v
    return nn.Sequential(*layers)


class Head(nn.Module):
    """Dropout, Linear, BatchNorm1d, ReLU, Dropout, Linear; the names keep the checkpoint's numbers."""

    def __init__(self):
        super().__init__()
        self.add_module('1', nn.Linear(512, 512))
        self.add_module('2', nn.BatchNorm1d(512))
        self.add_module('5', nn.Linear(512, 10))

    def forward(self, x):
        fc1, bn, fc2 = self.children()
        x = F.dropout(x, 0.5, self.training)
        x = F.linear(x, fc1.weight, fc1.bias)
        if self.training:
            bn.num_batches_tracked += 1
        x = F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, self.training, 0.1, 1e-5)
        x = x.clamp(min=0)
        x = F.dropout(x, 0.5, self.training)
        return x @ fc2.weight.T + fc2.bias


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = Head()
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
                m.bias.data.zero_()

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def vgg16():
    return VGG(make_layers(cfg_d))
