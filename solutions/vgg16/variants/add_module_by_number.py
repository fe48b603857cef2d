"""Layers are added one by one with add_module and a counter."""

import math

import torch.nn as nn

cfg = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']


def make_layers(cfg, batch_norm=False):
    seq = nn.Sequential()
    count = 0

    def add(layer):
        nonlocal count
        seq.add_module(f'{count}', layer)
        count += 1

    previous = 3
    for entry in cfg:
        if entry == 'M':
            add(nn.MaxPool2d((2, 2), (2, 2)))
            continue
        add(nn.Conv2d(previous, entry, (3, 3), (1, 1), (1, 1)))
        previous = entry
        if batch_norm:
            add(nn.BatchNorm2d(entry))
        add(nn.ReLU(True))
    return seq


class VGG(nn.Module):
    def __init__(self, features):
        super(VGG, self).__init__()
        self.add_module('features', features)
        classifier = nn.Sequential()
        classifier.add_module('0', nn.Dropout(0.5))
        classifier.add_module('1', nn.Linear(512, 512, bias=True))
        classifier.add_module('2', nn.BatchNorm1d(512))
        classifier.add_module('3', nn.ReLU(True))
        classifier.add_module('4', nn.Dropout(0.5))
        classifier.add_module('5', nn.Linear(512, 10, bias=True))
        self.add_module('classifier', classifier)
        for name, module in self.named_modules():
            if 'features' in name and isinstance(module, nn.Conv2d):
                kh, kw = module.kernel_size
                module.weight.data.normal_(0, math.sqrt(2.0 / (kh * kw * module.out_channels)))
                module.bias.data.fill_(0.0)

    def forward(self, x):
        y = self.features(x)
        y = y.view(y.size(0), -1)
        return self.classifier(y)


def vgg16():
    return VGG(make_layers(cfg))
