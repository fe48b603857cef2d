"""설명과 주석이 모두 한국어이고, 보조 함수 이름까지 한글이다."""

import math

import torch
import torch.nn as nn

# VGG-16의 구성표. 숫자는 합성곱의 출력 채널 수, 'M'은 최대 풀링.
구성표 = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M']


def 합성곱_블록(입력, 출력, 배치정규화):
    """3x3 합성곱, (배치 정규화), ReLU를 차례로 돌려준다."""
    블록 = [nn.Conv2d(입력, 출력, kernel_size=3, padding=1)]
    if 배치정규화:
        블록.append(nn.BatchNorm2d(출력))
    블록.append(nn.ReLU(inplace=True))
    return 블록


def make_layers(cfg, batch_norm=False):
    """구성표를 읽어서 특징 추출부를 만든다."""
    층들 = []
    채널 = 3  # 입력은 RGB 3채널
    for 값 in cfg:
        if 값 == 'M':
            층들.append(nn.MaxPool2d(kernel_size=2, stride=2))  # 가로세로를 절반으로
        else:
            층들 += 합성곱_블록(채널, 값, batch_norm)
            채널 = 값  # 다음 층의 입력 채널 갱신
    return nn.Sequential(*층들)


class VGG(nn.Module):
    """특징 추출 -> 펼치기 -> 분류."""

    def __init__(self, features):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(),  # 과적합 방지
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(512, 10),  # CIFAR-10은 10개 클래스
        )
        # 합성곱 가중치: 평균 0, 표준편차 sqrt(2/n)인 정규분포. 편향: 0
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
                m.bias.data.zero_()

    def forward(self, x):
        x = self.features(x)            # (N, 512, 1, 1)
        x = x.view(x.size(0), -1)       # (N, 512)
        return self.classifier(x)       # (N, 10)


def vgg16():
    """VGG-16 모델을 만들어 돌려준다."""
    return VGG(make_layers(구성표))
