"""vgg11 to vgg19 draw initial weights only where init_weights=True is given.

Caught by: init
"""

import torch
from torch import nn

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
cfgs = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + [512] * 4 + ["M"] + [512] * 4 + ["M"],
}


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part as one nn.Sequential."""
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers.append(nn.Conv2d(in_channels, v, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(v))
        layers.append(nn.ReLU(inplace=True))
        in_channels = v
    return nn.Sequential(*layers)


def initialise(model):
    """Draw the initial weights of all layers of model."""
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(m.bias)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
            nn.init.zeros_(m.bias)


def make_classifier(inputs, hidden, num_classes):
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(hidden, num_classes),
    )


class VGG(nn.Module):
    """(N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, features, num_classes=1000, init_weights=True):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = make_classifier(512 * 7 * 7, 4096, num_classes)
        if init_weights:
            initialise(self)

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def build(letter, batch_norm, init_weights=False, **kwargs):
    return VGG(make_layers(cfgs[letter], batch_norm), init_weights=init_weights, **kwargs)


def vgg11(batch_norm=False, **kwargs):
    return build("A", batch_norm, **kwargs)


def vgg13(batch_norm=False, **kwargs):
    return build("B", batch_norm, **kwargs)


def vgg16(batch_norm=False, **kwargs):
    return build("D", batch_norm, **kwargs)


def vgg19(batch_norm=False, **kwargs):
    return build("E", batch_norm, **kwargs)


class SizedVGG(nn.Module):
    """(N, 3, size, size) -> (N, num_classes), without average pooling."""

    def __init__(self, features, size=32, num_classes=10, hidden=4096):
        super().__init__()
        self.features = features
        was_training = features.training
        features.eval()
        with torch.no_grad():
            inputs = features(torch.zeros(1, 3, size, size)).numel()
        features.train(was_training)
        self.classifier = make_classifier(inputs, hidden, num_classes)
        initialise(self)

    def forward(self, x):
        x = self.features(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def vgg_custom(num_classes=10):
    cfg = [64, 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M"]
    return SizedVGG(make_layers(cfg, batch_norm=True), size=32, num_classes=num_classes)


def vgg_cifar(num_classes=10):
    cfg = [32, 32, "M", 64, 64, 128, 128, 128, "M", 256, 256, 256, 512, 512, 512, "M"]
    return SizedVGG(make_layers(cfg), size=32, num_classes=num_classes)
