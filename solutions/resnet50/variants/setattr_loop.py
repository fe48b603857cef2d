"""All three layers are set with setattr in one loop over a table."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def conv1x1(in_channels, out_channels, stride, padding):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, padding=padding),
                         nn.BatchNorm2d(out_channels),
                         nn.ReLU(inplace=True))


def conv3x3(in_channels, out_channels, stride, padding):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=padding),
                         nn.BatchNorm2d(out_channels),
                         nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super(ResidualBlock, self).__init__()
        self.downsample = downsample
        # only the first conv differs between the two cases
        first_stride = 2 if downsample else 1
        self.layer = nn.Sequential(conv1x1(in_channels, middle_channels, first_stride, 0),
                                   conv3x3(middle_channels, middle_channels, 1, 1),
                                   conv1x1(middle_channels, out_channels, 1, 0))
        if downsample:
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    def forward(self, x):
        if self.downsample:
            identity = self.downsize(x)
        else:
            identity = self.make_equal_channel(x)
        out = self.layer(x) + identity
        return out


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super(ResNet50_layer4, self).__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3),
                                    nn.BatchNorm2d(64),
                                    nn.ReLU(inplace=True),
                                    nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
        table = {2: (64, 64, 256, 3, True), 3: (256, 128, 512, 4, True), 4: (512, 256, 1024, 6, False)}
        for k, row in table.items():
            setattr(self, f'layer{k}', self._make_layer(*row))
        self.avgpool = nn.AvgPool2d(2, stride=2)
        self.fc = nn.Linear(1024, num_classes)

        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)

    def _make_layer(self, in_channels, middle_channels, out_channels, n, downsample_last):
        blocks = [ResidualBlock(in_channels, middle_channels, out_channels)]
        for i in range(1, n):
            last = i == n - 1
            blocks.append(ResidualBlock(out_channels, middle_channels, out_channels, downsample_last and last))
        return nn.Sequential(*blocks)

    def forward(self, x):
        for k in range(1, 5):
            x = getattr(self, f'layer{k}')(x)
        x = self.avgpool(x)
        x = x.reshape(x.shape[0], -1)
        return self.fc(x)
