"""In train mode forward runs eight images at a time, to save memory: batch norm sees each part by itself.

Caught by: whole
"""

import torch
from torch import nn


def conv1x1(in_channels, out_channels, stride, padding):
    """Given: 1x1 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def conv3x3(in_channels, out_channels, stride, padding):
    """Given: 3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Bottleneck block: 1x1 to middle_channels, 3x3, 1x1 to out_channels, plus a projected shortcut.

    (N, in_channels, H, W) -> (N, out_channels, H, W); with downsample H and W are halved (rounded up).
    """

    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample
        if self.downsample:
            # self.layer: conv1x1, conv3x3, conv1x1; here the FIRST 1x1 has stride 2.
            self.layer = nn.Sequential(
                conv1x1(in_channels, middle_channels, 2, 0),
                conv3x3(middle_channels, middle_channels, 1, 1),
                conv1x1(middle_channels, out_channels, 1, 0),
            )
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            # self.layer: conv1x1, conv3x3, conv1x1; height and width stay as they are.
            self.layer = nn.Sequential(
                conv1x1(in_channels, middle_channels, 1, 0),
                conv3x3(middle_channels, middle_channels, 1, 1),
                conv1x1(middle_channels, out_channels, 1, 0),
            )
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    def forward(self, x):
        """Given. The shortcut is projected in every block, also where the channels already match."""
        shortcut = self.downsize(x) if self.downsample else self.make_equal_channel(x)
        return self.layer(x) + shortcut


class ResNet50_layer4(nn.Module):
    """(N, 3, 32, 32) -> logits (N, num_classes). Height and width: 32, 16, 8 | 8, 8, 4 | 4, 4, 4, 2 | 2 | 1."""

    def __init__(self, num_classes=10):
        super().__init__()
        # self.layer1: Conv2d 3 -> 64 (7x7, stride 2, padding 3), BatchNorm2d, ReLU, MaxPool2d (3x3, stride 2, pad 1)
        self.layer1 = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        # self.layer2: 3 blocks, middle 64, out 256; the last one downsamples
        self.layer2 = nn.Sequential(
            ResidualBlock(64, 64, 256),
            ResidualBlock(256, 64, 256),
            ResidualBlock(256, 64, 256, downsample=True),
        )
        # self.layer3: 4 blocks, middle 128, out 512; the last one downsamples
        self.layer3 = nn.Sequential(
            ResidualBlock(256, 128, 512),
            ResidualBlock(512, 128, 512),
            ResidualBlock(512, 128, 512),
            ResidualBlock(512, 128, 512, downsample=True),
        )
        # self.layer4: 6 blocks, middle 256, out 1024; none downsamples
        self.layer4 = nn.Sequential(
            ResidualBlock(512, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
        )
        # self.avgpool: 2x2 average pooling; self.fc: Linear to num_classes
        self.avgpool = nn.AvgPool2d(kernel_size=2, stride=2)
        self.fc = nn.Linear(1024, num_classes)

        # Given: Xavier-uniform weights.
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, x):
        """Given. Images (N, 3, 32, 32), float32 -> logits (N, num_classes), float32."""
        if self.training and len(x) > 8:
            return torch.cat([self(part) for part in x.split(8)])
        out = self.layer1(x)
        out = self.layer2(out)
        out = self.layer3(out)
        out = self.layer4(out)
        out = self.avgpool(out)
        out = torch.flatten(out, 1)
        return self.fc(out)
