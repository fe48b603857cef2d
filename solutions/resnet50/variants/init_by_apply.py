"""Initialisation through self.apply with a static method."""

import torch
import torch.nn as nn
import torch.nn.functional as F


# 주어진 함수: 1x1 합성곱 + 배치 정규화 + ReLU
def conv1x1(in_channels, out_channels, stride, padding):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


# 주어진 함수: 3x3 합성곱 + 배치 정규화 + ReLU
def conv3x3(in_channels, out_channels, stride, padding):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """병목(bottleneck) 블록: 채널을 줄이고 -> 3x3 -> 다시 늘린다."""

    def __init__(self, in_channels, middle_channels, out_channels, downsample=False):
        super().__init__()
        self.downsample = downsample

        if self.downsample:
            # 크기를 절반으로 줄이는 경우
            self.layer = nn.Sequential(
                conv1x1(in_channels, middle_channels, 2, 0),  # 여기서 절반으로
                conv3x3(middle_channels, middle_channels, 1, 1),
                conv1x1(middle_channels, out_channels, 1, 0),
            )
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            # 크기가 그대로인 경우
            self.layer = nn.Sequential(
                conv1x1(in_channels, middle_channels, 1, 0),  # 채널 줄이기
                conv3x3(middle_channels, middle_channels, 1, 1),  # 크기 유지
                conv1x1(middle_channels, out_channels, 1, 0),  # 채널 늘리기
            )
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    def forward(self, x):
        # 지름길(shortcut)도 항상 1x1 합성곱을 통과한다
        if self.downsample:
            shortcut = self.downsize(x)
        else:
            shortcut = self.make_equal_channel(x)
        out = self.layer(x)
        return out + shortcut


class ResNet50_layer4(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()

        # 1단계: 32x32 -> 16x16 -> 8x8
        self.layer1 = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        # 2단계: 블록 3개, 마지막에서 8x8 -> 4x4
        self.layer2 = nn.Sequential(
            ResidualBlock(64, 64, 256),
            ResidualBlock(256, 64, 256),
            ResidualBlock(256, 64, 256, downsample=True),
        )
        # 3단계: 블록 4개, 마지막에서 4x4 -> 2x2
        self.layer3 = nn.Sequential(
            ResidualBlock(256, 128, 512),
            ResidualBlock(512, 128, 512),
            ResidualBlock(512, 128, 512),
            ResidualBlock(512, 128, 512, downsample=True),
        )
        # 4단계: 블록 6개, 크기는 그대로
        self.layer4 = nn.Sequential(
            ResidualBlock(512, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
            ResidualBlock(1024, 256, 1024),
        )
        # 평균 풀링과 분류기
        self.avgpool = nn.AvgPool2d(2, 2)
        self.fc = nn.Linear(1024, num_classes)

        # 가중치 초기화 (Xavier)
        self.apply(self._init)

    @staticmethod
    def _init(m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight)

    def forward(self, x):
        out = self.layer1(x)
        out = self.layer2(out)
        out = self.layer3(out)
        out = self.layer4(out)
        out = self.avgpool(out)
        out = torch.flatten(out, 1)  # (N, 1024)
        out = self.fc(out)
        return out
