"""Every argument by keyword, with the defaults spelled out and sizes as tuples."""

import math

import torch
from torch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers.append(
                nn.MaxPool2d(kernel_size=(2, 2), stride=(2, 2), padding=0, dilation=1, return_indices=False, ceil_mode=False)
            )
        else:
            layers.append(
                nn.Conv2d(
                    in_channels=in_channels,
                    out_channels=v,
                    kernel_size=(3, 3),
                    stride=(1, 1),
                    padding=(1, 1),
                    dilation=(1, 1),
                    groups=1,
                    bias=True,
                    padding_mode="zeros",
                )
            )
            if batch_norm:
                layers.append(
                    nn.BatchNorm2d(num_features=v, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
                )
            layers.append(nn.ReLU(inplace=True))
            in_channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5, inplace=False),
            nn.Linear(in_features=512, out_features=512, bias=True),
            nn.BatchNorm1d(num_features=512, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True),
            nn.ReLU(inplace=True),
            nn.Dropout(p=0.5, inplace=False),
            nn.Linear(in_features=512, out_features=10, bias=True),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                n = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(tensor=module.weight, mean=0.0, std=math.sqrt(2.0 / n))
                nn.init.constant_(tensor=module.bias, val=0.0)

    def forward(self, x):
        x = self.features(input=x)
        x = torch.flatten(input=x, start_dim=1, end_dim=-1)
        x = self.classifier(input=x)
        return x


def vgg16():
    return VGG(features=make_layers(cfg=CFG, batch_norm=False))
