"""Sizes live in a frozen dataclass, with postponed annotations and type hints everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, Sequence

import torch
from torch import Tensor, nn

Entry = int | Literal["M"]


@dataclass(frozen=True)
class Config:
    """Everything one may want to change."""

    POOL: ClassVar[Final[str]] = "M"
    cfg: Sequence[Entry] = field(
        default=(64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
    )
    image_channels: int = 3
    hidden: int = 512
    classes: int = 10
    dropout: float = 0.5


DEFAULT: Final[Config] = Config()


def make_layers(cfg: Sequence[Entry], batch_norm: bool = False) -> nn.Sequential:
    modules: list[nn.Module] = []
    channels: int = DEFAULT.image_channels
    for entry in cfg:
        if entry == Config.POOL:
            modules.append(nn.MaxPool2d(kernel_size=2, stride=2))
        else:
            width = int(entry)
            modules.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
            if batch_norm:
                modules.append(nn.BatchNorm2d(width))
            modules.append(nn.ReLU(inplace=True))
            channels = width
    return nn.Sequential(*modules)


class VGG(nn.Module):
    features: nn.Module
    classifier: nn.Sequential

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        c: Config = DEFAULT
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(c.dropout),
            nn.Linear(512, c.hidden),
            nn.BatchNorm1d(c.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(c.dropout),
            nn.Linear(c.hidden, c.classes),
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n: int = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                nn.init.normal_(m.weight, mean=0.0, std=math.sqrt(2.0 / n))
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.features(x)
        vectors: Tensor = torch.flatten(maps, start_dim=1)
        logits: Tensor = self.classifier(vectors)
        return logits


def vgg16() -> VGG:
    return VGG(features=make_layers(DEFAULT.cfg))
