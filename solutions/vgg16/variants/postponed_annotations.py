"""Annotations are postponed; strings are recognised by their type and not by their value."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CFG: list[int | str] = [
    64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M",
]
NUM_CLASSES = 10


def make_layers(cfg: list[int | str], batch_norm: bool = False) -> nn.Sequential:
    """Build the feature extractor described by ``cfg``."""
    modules: list[nn.Module] = []
    prev: int = 3
    for width in cfg:
        if isinstance(width, str):
            modules.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        modules.append(nn.Conv2d(in_channels=prev, out_channels=width, kernel_size=3, padding=1))
        if batch_norm:
            modules.append(nn.BatchNorm2d(width))
        modules.append(nn.ReLU(inplace=True))
        prev = width
    return nn.Sequential(*modules)


class VGG(nn.Module):
    """VGG for 32x32 images."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(512, NUM_CLASSES),
        )
        self._initialize_weights()

    def _initialize_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                std = math.sqrt(2.0 / fan_out)
                module.weight.data.normal_(0.0, std)
                module.bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = torch.flatten(x, start_dim=1)
        return self.classifier(x)


def vgg16() -> VGG:
    """VGG-16, configuration D of the paper."""
    return VGG(make_layers(CFG))
