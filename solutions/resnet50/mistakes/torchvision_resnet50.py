"""I used the ready-made torchvision.models.resnet50 as the network.

Caught by: source
"""
import torch
import torch.nn as nn
from torchvision.models import resnet50


def conv1x1(in_channels, out_channels, stride, padding):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, padding), nn.BatchNorm2d(out_channels), nn.ReLU(True))


def conv3x3(in_channels, out_channels, stride, padding):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, stride, padding), nn.BatchNorm2d(out_channels), nn.ReLU(True))


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample
        stride = 2 if downsample else 1
        self.layer = nn.Sequential(
            conv1x1(in_channels, middle_channels, stride, 0),
            conv3x3(middle_channels, middle_channels, 1, 1),
            conv1x1(middle_channels, out_channels, 1, 0),
        )
        if downsample:
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    def forward(self, x):
        shortcut = self.downsize(x) if self.downsample else self.make_equal_channel(x)
        return self.layer(x) + shortcut


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        # already exists in torchvision
        self.model = resnet50(weights=None, num_classes=num_classes)

    def forward(self, x):
        return self.model(x)
