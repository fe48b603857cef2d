"""Weights and images are in the memory format channels_last."""

import contextlib

import torch
from torch import nn

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
cfgs = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + [512] * 4 + ["M"] + [512] * 4 + ["M"],
}

LAST = torch.channels_last


def make_layers(cfg, batch_norm=False):
    """One nn.Sequential of all layers; the weights of the convolutions are stored channels last."""
    layers, channels = [], 3
    for v in cfg:
        if v == "M":
            layers += [nn.MaxPool2d(2, 2)]
        else:
            convolution = nn.Conv2d(channels, v, 3, padding=1).to(memory_format=LAST)
            norm = [nn.BatchNorm2d(v)] if batch_norm else []
            layers += [convolution, *norm, nn.ReLU(inplace=True)]
            channels = v
    return nn.Sequential(*layers)


def initialise(model):
    """Initial weights."""
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)):
            nn.init.zeros_(m.bias)
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0.0, std=0.01)
            else:
                nn.init.ones_(m.weight)


def classifier(inputs, hidden, num_classes):
    return nn.Sequential(
        *(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()),
        nn.Linear(hidden, num_classes),
    )


class VGG(nn.Module):
    def __init__(self, features, num_classes=1000, init_weights=True):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = classifier(25088, 4096, num_classes)
        if init_weights:
            initialise(self)

    def forward(self, x):
        x = self.features(x.contiguous(memory_format=LAST))
        x = self.avgpool(x).contiguous()  # channels first again: flattened channel by channel
        return self.classifier(x.view(len(x), -1))


def vgg11(batch_norm=False, **kwargs):
    return VGG(features=make_layers(cfgs["A"], batch_norm), **kwargs)


def vgg13(batch_norm=False, **kwargs):
    return VGG(features=make_layers(cfgs["B"], batch_norm), **kwargs)


def vgg16(batch_norm=False, **kwargs):
    return VGG(features=make_layers(cfgs["D"], batch_norm), **kwargs)


def vgg19(batch_norm=False, **kwargs):
    return VGG(features=make_layers(cfgs["E"], batch_norm), **kwargs)


@contextlib.contextmanager
def in_eval_mode(model):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for m, mode in modes:
            m.training = mode


class SizedVGG(nn.Module):
    def __init__(self, features, size=32, num_classes=10, hidden=4096):
        super().__init__()
        self.features = features
        with in_eval_mode(features), torch.no_grad():
            n = features(torch.zeros(1, 3, size, size)).numel()
        self.classifier = classifier(n, hidden, num_classes)
        initialise(self)

    def forward(self, x):
        x = self.features(x.contiguous(memory_format=LAST)).contiguous()
        return self.classifier(x.view(len(x), -1))


def vgg_custom(num_classes=10):
    cfg = (64, 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M")
    return SizedVGG(make_layers(cfg, batch_norm=True), size=32, num_classes=num_classes)


def vgg_cifar(num_classes=10):
    cfg = (32, 32, "M", 64, 64, 128, 128, 128, "M", 256, 256, 256, 512, 512, 512, "M")
    return SizedVGG(make_layers(cfg), size=32, num_classes=num_classes)
