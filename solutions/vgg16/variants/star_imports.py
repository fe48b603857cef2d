"""Star imports from math, torch and torch.nn."""
from math import *
from torch import *
from torch.nn import *

cfg = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']

def make_layers(cfg, batch_norm=False):
    layers = []
    inp = 3
    for c in cfg:
        if c == 'M':
            layers += [MaxPool2d(2, 2)]
        elif batch_norm:
            layers += [Conv2d(inp, c, 3, 1, 1), BatchNorm2d(c), ReLU(True)]
            inp = c
        else:
            layers += [Conv2d(inp, c, 3, 1, 1), ReLU(True)]
            inp = c
    return Sequential(*layers)

class VGG(Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = Sequential(
            Dropout(),
            Linear(512, 512),
            BatchNorm1d(512),
            ReLU(),
            Dropout(),
            Linear(512, 10)
        )
        for m in self.modules():
            if isinstance(m, Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                init.normal_(m.weight, 0, (2 / n) ** 0.5)
                init.constant_(m.bias, 0)

    def forward(self, x):
        x = self.features(x)
        x = flatten(x, 1)
        return self.classifier(x)

def vgg16():
    return VGG(make_layers(cfg))
