"""Takes the only pixel with [:, :, 0, 0] where others flatten."""

from math import sqrt

from torch import nn

CFG = "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"


def parse(text):
    return [word if word == "M" else int(word) for word in text.split()]


def make_layers(cfg, batch_norm=False):
    layers = []
    channels = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(kernel_size=2))
            continue
        layers.append(nn.Conv2d(channels, v, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(v))
        layers.append(nn.ReLU(inplace=True))
        channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
        )
        for conv in filter(lambda m: isinstance(m, nn.Conv2d), self.modules()):
            n = conv.kernel_size[0] * conv.kernel_size[1] * conv.out_channels
            conv.weight.data.normal_(0, sqrt(2 / n))
            conv.bias.data.zero_()

    def forward(self, x):
        return self.classifier(self.features(x)[:, :, 0, 0])


def vgg16():
    return VGG(make_layers(parse(CFG)))
