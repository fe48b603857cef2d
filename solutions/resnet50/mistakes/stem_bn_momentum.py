"""Keras habit: momentum 0.99 in the batch norm of the stem (PyTorch means 0.01 by that; 0.1 is the default).

Caught by: whole
"""

from __future__ import annotations

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


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(in_channels=3, out_channels=64, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(num_features=64, momentum=0.99),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.layer2 = nn.Sequential(
            ResidualBlock(in_channels=64, middle_channels=64, out_channels=256),
            ResidualBlock(in_channels=256, middle_channels=64, out_channels=256),
            ResidualBlock(in_channels=256, middle_channels=64, out_channels=256, downsample=True),
        )
        self.layer3 = nn.Sequential(
            ResidualBlock(in_channels=256, middle_channels=128, out_channels=512),
            ResidualBlock(in_channels=512, middle_channels=128, out_channels=512),
            ResidualBlock(in_channels=512, middle_channels=128, out_channels=512),
            ResidualBlock(in_channels=512, middle_channels=128, out_channels=512, downsample=True),
        )
        self.layer4 = nn.Sequential(
            ResidualBlock(in_channels=512, middle_channels=256, out_channels=1024),
            *(ResidualBlock(in_channels=1024, middle_channels=256, out_channels=1024) for _ in range(5)),
        )
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
