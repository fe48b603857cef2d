"""My initialise resets batch norm, its running statistics too.

Caught by: sized
"""

import torch
from torch import nn

cfgs = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + [512] * 4 + ["M"] + [512] * 4 + ["M"],
}


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


def initialise(model):
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            nn.init.constant_(m.bias, 0)
        elif isinstance(m, nn.BatchNorm2d):
            m.reset_parameters()  # weight 1, bias 0
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
            nn.init.constant_(m.bias, 0)


class VGG(nn.Module):
    def __init__(self, features, num_classes=1000, init_weights=True):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initialise(self)

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def vgg11(batch_norm=False, **kwargs):
    return VGG(make_layers(cfgs["A"], batch_norm), **kwargs)


def vgg13(batch_norm=False, **kwargs):
    return VGG(make_layers(cfgs["B"], batch_norm), **kwargs)


def vgg16(batch_norm=False, **kwargs):
    return VGG(make_layers(cfgs["D"], batch_norm), **kwargs)


def vgg19(batch_norm=False, **kwargs):
    return VGG(make_layers(cfgs["E"], batch_norm), **kwargs)


class SizedVGG(nn.Module):
    def __init__(self, features, size=32, num_classes=10, hidden=4096):
        super().__init__()
        self.features = features
        channels, side = 3, size
        for m in features:
            if isinstance(m, nn.Conv2d):
                channels = m.out_channels
            elif isinstance(m, nn.MaxPool2d):
                side = side // 2
        self.classifier = nn.Sequential(
            nn.Linear(channels * side * side, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, num_classes),
        )
        initialise(self)

    def forward(self, x):
        x = self.features(x)
        return self.classifier(torch.flatten(x, 1))


def vgg_custom(num_classes=10):
    cfg = [64, 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M"]
    return SizedVGG(make_layers(cfg, batch_norm=True), num_classes=num_classes)


def vgg_cifar(num_classes=10):
    cfg = [32, 32, "M", 64, 64, 128, 128, 128, "M", 256, 256, 256, 512, 512, 512, "M"]
    return SizedVGG(make_layers(cfg), num_classes=num_classes)
