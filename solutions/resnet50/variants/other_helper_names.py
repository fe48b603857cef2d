"""My own helpers with functools.partial and other names; conv1x1 and conv3x3 do not exist."""
import torch
from torch import nn
from functools import partial


def unit(k, i, o, s=1, p=None):
    """Convolution k x k, batch norm, ReLU; padding that keeps the size unless said."""
    return nn.Sequential(nn.Conv2d(i, o, k, s, k // 2 if p is None else p), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


point, square = partial(unit, 1), partial(unit, 3)


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        stride = [1, 2][downsample]
        self.layer = nn.Sequential(
            point(in_channels, middle_channels, stride),
            square(middle_channels, middle_channels),
            point(middle_channels, out_channels),
        )
        if downsample:
            self.downsize = point(in_channels, out_channels, stride)
        else:
            self.make_equal_channel = point(in_channels, out_channels, stride)

    def forward(self, x):
        for name, child in self.named_children():
            if name != "layer":
                return self.layer(x) + child(x)


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        R = ResidualBlock
        self.layer1 = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.layer2 = nn.Sequential(R(64, 64, 256), R(256, 64, 256), R(256, 64, 256, True))
        self.layer3 = nn.Sequential(R(256, 128, 512), R(512, 128, 512), R(512, 128, 512), R(512, 128, 512, True))
        self.layer4 = nn.Sequential(R(512, 256, 1024), *[R(1024, 256, 1024) for _ in range(5)])
        self.avgpool, self.fc = nn.AvgPool2d(2, 2), nn.Linear(1024, num_classes)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)): nn.init.xavier_uniform_(m.weight)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))
