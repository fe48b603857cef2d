"""I forgot the last 'M'.

Caught by: vgg16
"""

# Homework: VGG-16
from math import sqrt

import torch
import torch.nn as nn

VGG16_CONFIG = [
    64, 64, "M",
    128, 128, "M",
    256, 256, 256, "M",
    512, 512, 512, "M",
    512, 512, 512,
]


def conv_block(c_in, c_out, batch_norm):
    """one convolution of the paper: conv, (bn), relu"""
    block = [nn.Conv2d(c_in, c_out, kernel_size=3, stride=1, padding=1)]
    if batch_norm:
        block.append(nn.BatchNorm2d(c_out))
    block.append(nn.ReLU(inplace=True))
    return block


def make_layers(cfg, batch_norm=False):
    layers = []
    channels = 3                                   # what comes in: an RGB image
    for item in cfg:
        if item == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))   # halves height and width
        else:
            layers.extend(conv_block(channels, item, batch_norm))
            channels = item                        # what the next block will see
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features

        # fully connected part
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(inplace=True),
            nn.Dropout(p=0.5),
            nn.Linear(512, 10),
        )

        # He initialisation, fan out
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                kh, kw = layer.kernel_size
                n = kh * kw * layer.out_channels
                nn.init.normal_(layer.weight, mean=0.0, std=sqrt(2.0 / n))
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        features = self.features(x)                # N x 512 x 1 x 1
        flat = features.flatten(1)                 # N x 512
        logits = self.classifier(flat)             # N x 10
        return logits


def vgg16():
    features = make_layers(VGG16_CONFIG, batch_norm=False)
    model = VGG(features)
    return model
