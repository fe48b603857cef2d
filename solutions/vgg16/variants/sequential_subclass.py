"""The features are a subclass of nn.Sequential that builds itself, the classifier another."""

import torch
from torch import nn


class Features(nn.Sequential):
    """conv-(bn)-relu and pooling layers, numbered like in a plain Sequential"""

    def __init__(self, cfg, batch_norm):
        super().__init__()
        channels = 3
        for v in cfg:
            if v == "M":
                self.append(nn.MaxPool2d(2, 2))
            else:
                self.append(nn.Conv2d(channels, v, kernel_size=3, padding=1))
                if batch_norm:
                    self.append(nn.BatchNorm2d(v))
                self.append(nn.ReLU(inplace=True))
                channels = v


class Classifier(nn.Sequential):
    def __init__(self, n_in=512, n_hidden=512, n_out=10):
        super().__init__(
            nn.Dropout(),
            nn.Linear(n_in, n_hidden),
            nn.BatchNorm1d(n_hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(n_hidden, n_out),
        )

    def forward(self, x):
        return super().forward(torch.flatten(x, 1))


def make_layers(cfg, batch_norm=False):
    return Features(cfg, batch_norm)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = Classifier()
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, (2 / n) ** 0.5)
                m.bias.data.zero_()

    def forward(self, x):
        return self.classifier(self.features(x))


def vgg16():
    return VGG(make_layers([64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]))
