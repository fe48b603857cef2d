"""Every argument positional, also the defaults."""
import torch
import torch.nn as nn


def conv1x1(in_channels, out_channels, stride, padding):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, padding, 1, 1, True, 'zeros'),
                         nn.BatchNorm2d(out_channels, 1e-5, 0.1, True, True), nn.ReLU(True))


def conv3x3(in_channels, out_channels, stride, padding):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, stride, padding, 1, 1, True, 'zeros'),
                         nn.BatchNorm2d(out_channels, 1e-5, 0.1, True, True), nn.ReLU(True))


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample
        i, m, o = in_channels, middle_channels, out_channels
        if downsample:
            self.layer = nn.Sequential(conv1x1(i, m, 2, 0), conv3x3(m, m, 1, 1), conv1x1(m, o, 1, 0))
            self.downsize = conv1x1(i, o, 2, 0)
        else:
            self.layer = nn.Sequential(conv1x1(i, m, 1, 0), conv3x3(m, m, 1, 1), conv1x1(m, o, 1, 0))
            self.make_equal_channel = conv1x1(i, o, 1, 0)

    def forward(self, x):
        s = self.downsize(x) if self.downsample else self.make_equal_channel(x)
        return self.layer(x) + s


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        R = ResidualBlock
        self.layer1 = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1, 1, False, False))
        self.layer2 = nn.Sequential(R(64, 64, 256), R(256, 64, 256), R(256, 64, 256, True))
        self.layer3 = nn.Sequential(R(256, 128, 512), R(512, 128, 512), R(512, 128, 512), R(512, 128, 512, True))
        self.layer4 = nn.Sequential(R(512, 256, 1024), *[R(1024, 256, 1024) for _ in range(5)])
        self.avgpool, self.fc = nn.AvgPool2d(2, 2, 0, False, True), nn.Linear(1024, num_classes)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)): nn.init.xavier_uniform_(m.weight)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))
