"""torchvision's Bottleneck does the work inside my ResidualBlock.

Caught by: source
"""
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck


class ResidualBlock(nn.Module):
    # 이미 있는 Bottleneck 을 사용
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        stride = 2 if downsample else 1
        project = nn.Sequential(
            nn.Conv2d(in_channels, middle_channels * 4, 1, stride, bias=False),
            nn.BatchNorm2d(middle_channels * 4),
        )
        self.layer = Bottleneck(in_channels, middle_channels, stride=stride, downsample=project)

    def forward(self, x):
        return self.layer(x)


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        )
        self.layer2 = self.stack(64, 64, 256, 3, True)
        self.layer3 = self.stack(256, 128, 512, 4, True)
        self.layer4 = self.stack(512, 256, 1024, 6, False)
        self.avgpool = nn.AvgPool2d(2, 2)
        self.fc = nn.Linear(1024, num_classes)

    @staticmethod
    def stack(in_channels, middle, out, n, downsample):
        blocks = [ResidualBlock(in_channels, middle, out)]
        blocks += [ResidualBlock(out, middle, out) for _ in range(n - 2)]
        blocks += [ResidualBlock(out, middle, out, downsample)]
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))
