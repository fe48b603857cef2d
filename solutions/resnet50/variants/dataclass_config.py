"""The widths come from frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv1x1(in_channels: int, out_channels: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels=in_channels, out_channels=out_channels, kernel_size=1, stride=stride, padding=padding),
        nn.BatchNorm2d(num_features=out_channels),
        nn.ReLU(inplace=True),
    )


def conv3x3(in_channels: int, out_channels: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels=in_channels, out_channels=out_channels, kernel_size=3, stride=stride, padding=padding),
        nn.BatchNorm2d(num_features=out_channels),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    def __init__(
        self, in_channels: int, middle_channels: int, out_channels: int, downsample: bool = False
    ) -> None:
        super().__init__()
        self.downsample = downsample
        if downsample:
            self.layer = nn.Sequential(
                conv1x1(in_channels=in_channels, out_channels=middle_channels, stride=2, padding=0),
                conv3x3(in_channels=middle_channels, out_channels=middle_channels, stride=1, padding=1),
                conv1x1(in_channels=middle_channels, out_channels=out_channels, stride=1, padding=0),
            )
            self.downsize = conv1x1(in_channels=in_channels, out_channels=out_channels, stride=2, padding=0)
        else:
            self.layer = nn.Sequential(
                conv1x1(in_channels=in_channels, out_channels=middle_channels, stride=1, padding=0),
                conv3x3(in_channels=middle_channels, out_channels=middle_channels, stride=1, padding=1),
                conv1x1(in_channels=middle_channels, out_channels=out_channels, stride=1, padding=0),
            )
            self.make_equal_channel = conv1x1(
                in_channels=in_channels, out_channels=out_channels, stride=1, padding=0
            )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.layer(x)
        shortcut: Tensor = self.downsize(x) if self.downsample else self.make_equal_channel(x)
        return residual + shortcut


@dataclass(frozen=True)
class StageConfig:
    in_channels: int
    middle_channels: int
    out_channels: int
    depth: int
    downsample: bool = True

    def build(self) -> nn.Sequential:
        blocks = []
        for i in range(self.depth):
            width = self.in_channels if i == 0 else self.out_channels
            last = i == self.depth - 1
            blocks.append(ResidualBlock(width, self.middle_channels, self.out_channels, self.downsample and last))
        return nn.Sequential(*blocks)


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(in_channels=3, out_channels=64, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(num_features=64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.layer2 = StageConfig(64, 64, 256, 3).build()
        self.layer3 = StageConfig(256, 128, 512, 4).build()
        self.layer4 = StageConfig(512, 256, 1024, 6, downsample=False).build()
        self.avgpool = nn.AvgPool2d(kernel_size=2)
        self.fc = nn.Linear(in_features=1024, out_features=num_classes)

        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4, self.avgpool):
            x = stage(x)
        x = torch.flatten(x, start_dim=1)
        return self.fc(x)
