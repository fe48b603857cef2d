"""from torch import * and from torch.nn import *."""
from torch import *
from torch.nn import *
from torch.nn.init import xavier_uniform_


def conv1x1(in_channels, out_channels, stride, padding):
    return Sequential(Conv2d(in_channels, out_channels, 1, stride, padding), BatchNorm2d(out_channels), ReLU(inplace=True))


def conv3x3(in_channels, out_channels, stride, padding):
    return Sequential(Conv2d(in_channels, out_channels, 3, stride, padding), BatchNorm2d(out_channels), ReLU(inplace=True))


class ResidualBlock(Module):
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample
        if downsample:
            self.layer = Sequential(conv1x1(in_channels, middle_channels, 2, 0), conv3x3(middle_channels, middle_channels, 1, 1), conv1x1(middle_channels, out_channels, 1, 0))
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            self.layer = Sequential(conv1x1(in_channels, middle_channels, 1, 0), conv3x3(middle_channels, middle_channels, 1, 1), conv1x1(middle_channels, out_channels, 1, 0))
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    def forward(self, x):
        if self.downsample:
            return add(self.layer(x), self.downsize(x))
        return add(self.layer(x), self.make_equal_channel(x))


class ResNet50_layer4(Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.layer1 = Sequential(Conv2d(3, 64, 7, 2, 3), BatchNorm2d(64), ReLU(inplace=True), MaxPool2d(3, 2, 1))
        self.layer2 = Sequential(ResidualBlock(64, 64, 256), ResidualBlock(256, 64, 256), ResidualBlock(256, 64, 256, True))
        self.layer3 = Sequential(ResidualBlock(256, 128, 512), ResidualBlock(512, 128, 512), ResidualBlock(512, 128, 512), ResidualBlock(512, 128, 512, True))
        self.layer4 = Sequential(ResidualBlock(512, 256, 1024), ResidualBlock(1024, 256, 1024), ResidualBlock(1024, 256, 1024),
                                 ResidualBlock(1024, 256, 1024), ResidualBlock(1024, 256, 1024), ResidualBlock(1024, 256, 1024))
        self.avgpool = AvgPool2d(2, 2)
        self.fc = Linear(1024, num_classes)
        for module in self.modules():
            if isinstance(module, (Conv2d, Linear)):
                xavier_uniform_(module.weight)

    def forward(self, x):
        return self.fc(flatten(self.avgpool(self.layer4(self.layer3(self.layer2(self.layer1(x))))), 1))
