"""The 1x1 has no bias in my count.

Caught by: bottleneck
"""

# 3주차 과제 - Inception 모듈
import torch
import torch.nn as nn
import torch.nn.functional as F


def conv_cost(in_channels, out_channels, kernel_size, height, width):
    # 출력 한 개를 만드는 데 필요한 곱셈 수
    per_output = in_channels * kernel_size * kernel_size
    # 출력 개수
    outputs = out_channels * height * width
    mul_adds = per_output * outputs
    params = per_output * out_channels + out_channels  # 편향 포함
    return (mul_adds, params)


def bottleneck_cost(in_channels, reduced, out_channels, kernel_size, height, width):
    squeeze = conv_cost(in_channels, reduced, 1, height, width)   # 1x1로 채널 줄이기
    expand = conv_cost(reduced, out_channels, kernel_size, height, width)
    return (squeeze[0] + expand[0], squeeze[1] - reduced + expand[1])


def most_reduced(in_channels, out_channels, kernel_size):
    # r * (in + out*k*k) < in*out*k*k 를 만족하는 가장 큰 r
    direct = in_channels * out_channels * kernel_size ** 2
    per_channel = in_channels + out_channels * kernel_size ** 2
    return (direct - 1) // per_channel


class Inception(nn.Module):
    def __init__(self, in_channels, c1, r3_c3, r5_c5, cp):
        super(Inception, self).__init__()
        # 1x1 가지
        self.branch1 = nn.Sequential(
            nn.Conv2d(in_channels, c1, kernel_size=1),
            nn.ReLU(inplace=True))
        # 1x1 -> 3x3 가지
        self.branch3 = nn.Sequential(
            nn.Conv2d(in_channels, r3_c3[0], kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(r3_c3[0], r3_c3[1], kernel_size=3, padding=1),
            nn.ReLU(inplace=True))
        # 1x1 -> 5x5 가지
        self.branch5 = nn.Sequential(
            nn.Conv2d(in_channels, r5_c5[0], kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(r5_c5[0], r5_c5[1], kernel_size=5, padding=2),
            nn.ReLU(inplace=True))
        # 풀링 -> 1x1 가지
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            nn.Conv2d(in_channels, cp, kernel_size=1),
            nn.ReLU(inplace=True))

    def forward(self, x):
        outputs = [self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)]
        return torch.cat(outputs, 1)  # 채널 방향으로 합치기


def inception_cost(in_channels, c1, r3_c3, r5_c5, cp, height, width):
    total_m, total_p = 0, 0
    costs = [
        conv_cost(in_channels, c1, 1, height, width),
        bottleneck_cost(in_channels, r3_c3[0], r3_c3[1], 3, height, width),
        bottleneck_cost(in_channels, r5_c5[0], r5_c5[1], 5, height, width),
        conv_cost(in_channels, cp, 1, height, width),
    ]
    for m, p in costs:
        total_m += m
        total_p += p
    return (total_m, total_p)
