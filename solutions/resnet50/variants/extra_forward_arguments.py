"""forward also takes further arguments with default values."""

import torch
import torch.nn as nn
import torch.nn.functional as F

# ResNet50 homework. Notes to myself:
#   output size of a conv = (n + 2p - k) / s + 1
#   bottleneck = squeeze (1x1), convolve (3x3), expand (1x1)


def conv1x1(in_channels, out_channels, stride, padding):
    layers = []
    layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, padding=padding))
    layers.append(nn.BatchNorm2d(out_channels))
    layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def conv3x3(in_channels, out_channels, stride, padding):
    layers = []
    layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=padding))
    layers.append(nn.BatchNorm2d(out_channels))
    layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample

        if self.downsample:
            self.layer = nn.Sequential(
                conv1x1(in_channels, middle_channels, 2, 0),      # H -> H/2
                conv3x3(middle_channels, middle_channels, 1, 1),  # H/2
                conv1x1(middle_channels, out_channels, 1, 0),     # H/2
            )
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            self.layer = nn.Sequential(
                conv1x1(in_channels, middle_channels, 1, 0),      # H
                conv3x3(middle_channels, middle_channels, 1, 1),  # H
                conv1x1(middle_channels, out_channels, 1, 0),     # H
            )
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    def forward(self, x):
        out = self.layer(x)
        # print("block", x.shape, "->", out.shape)
        if self.downsample:
            shortcut = self.downsize(x)
        else:
            shortcut = self.make_equal_channel(x)
        return out + shortcut


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()

        # 32 -> 16 -> 8
        self.layer1 = nn.Sequential(
            nn.Conv2d(in_channels=3, out_channels=64, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )

        # 8 -> 8 -> 8 -> 4
        self.layer2 = nn.Sequential(
            ResidualBlock(64, 64, 256, downsample=False),
            ResidualBlock(256, 64, 256, downsample=False),
            ResidualBlock(256, 64, 256, downsample=True),
        )

        # 4 -> 4 -> 4 -> 4 -> 2
        self.layer3 = nn.Sequential(
            ResidualBlock(256, 128, 512, downsample=False),
            ResidualBlock(512, 128, 512, downsample=False),
            ResidualBlock(512, 128, 512, downsample=False),
            ResidualBlock(512, 128, 512, downsample=True),
        )

        # stays 2
        blocks = [ResidualBlock(512, 256, 1024, downsample=False)]
        for _ in range(5):
            blocks.append(ResidualBlock(1024, 256, 1024, downsample=False))
        self.layer4 = nn.Sequential(*blocks)

        self.avgpool = nn.AvgPool2d(kernel_size=2, stride=2)
        self.fc = nn.Linear(1024, num_classes)

        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, x, return_features=False, *, verbose=False):
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        # print(x.shape)
        x = self.avgpool(x)
        x = x.view(x.size(0), -1)
        if return_features:
            return x
        x = self.fc(x)
        if verbose:
            print(x.shape)
        return x
