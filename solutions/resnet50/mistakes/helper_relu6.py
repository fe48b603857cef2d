"""ReLU6 (from MobileNet) in the conv helpers instead of ReLU: equal below 6.

Caught by: large_values
"""
# 과제: ResNet-50 (layer4 까지)
import torch
from torch import nn
import torch.nn.functional as F


def conv1x1(in_channels, out_channels, stride, padding):
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, padding=padding)
    bn = nn.BatchNorm2d(out_channels)
    relu = nn.ReLU6(inplace=True)
    return nn.Sequential(conv, bn, relu)


def conv3x3(in_channels, out_channels, stride, padding):
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=padding)
    bn = nn.BatchNorm2d(out_channels)
    relu = nn.ReLU6(inplace=True)
    return nn.Sequential(conv, bn, relu)


class ResidualBlock(nn.Module):

    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super(ResidualBlock, self).__init__()
        self.downsample = downsample
        if self.downsample == True:
            # (1) 첫 번째 1x1 에서 stride 2
            reduce = conv1x1(in_channels, middle_channels, 2, 0)
            conv = conv3x3(middle_channels, middle_channels, 1, 1)
            expand = conv1x1(middle_channels, out_channels, 1, 0)
            self.layer = nn.Sequential(reduce, conv, expand)
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            # (2) 크기 변화 없음
            reduce = conv1x1(in_channels, middle_channels, 1, 0)
            conv = conv3x3(middle_channels, middle_channels, 1, 1)
            expand = conv1x1(middle_channels, out_channels, 1, 0)
            self.layer = nn.Sequential(reduce, conv, expand)
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    def forward(self, x):
        if self.downsample == True:
            skip = self.downsize(x)
        else:
            skip = self.make_equal_channel(x)
        out = self.layer(x)
        out = out + skip
        return out


class ResNet50_layer4(nn.Module):

    def __init__(self, num_classes=10):
        super(ResNet50_layer4, self).__init__()

        # stem
        conv = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        bn = nn.BatchNorm2d(64)
        relu = nn.ReLU(inplace=True)
        pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(conv, bn, relu, pool)

        # 블록 3개
        b1 = ResidualBlock(64, 64, 256)
        b2 = ResidualBlock(256, 64, 256)
        b3 = ResidualBlock(256, 64, 256, True)
        self.layer2 = nn.Sequential(b1, b2, b3)

        # 블록 4개
        b1 = ResidualBlock(256, 128, 512)
        b2 = ResidualBlock(512, 128, 512)
        b3 = ResidualBlock(512, 128, 512)
        b4 = ResidualBlock(512, 128, 512, True)
        self.layer3 = nn.Sequential(b1, b2, b3, b4)

        # 블록 6개, downsample 없음
        b1 = ResidualBlock(512, 256, 1024)
        b2 = ResidualBlock(1024, 256, 1024)
        b3 = ResidualBlock(1024, 256, 1024)
        b4 = ResidualBlock(1024, 256, 1024)
        b5 = ResidualBlock(1024, 256, 1024)
        b6 = ResidualBlock(1024, 256, 1024)
        self.layer4 = nn.Sequential(b1, b2, b3, b4, b5, b6)

        self.avgpool = nn.AvgPool2d(2, 2)
        self.fc = nn.Linear(1024, num_classes)

        for m in self.modules():
            if isinstance(m, nn.Conv2d) or isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)

    def forward(self, x):
        out = self.layer1(x)      # (N, 64, 8, 8)
        out = self.layer2(out)    # (N, 256, 4, 4)
        out = self.layer3(out)    # (N, 512, 2, 2)
        out = self.layer4(out)    # (N, 1024, 2, 2)
        out = self.avgpool(out)   # (N, 1024, 1, 1)
        out = out.view(out.size(0), -1)
        out = self.fc(out)
        return out
