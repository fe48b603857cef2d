"""Results are of a class derived from int."""

import torch
from torch import nn
from torch.nn import functional as F


class 변(int):
    """한 변의 픽셀 수."""

    def 넓이(self):
        """정사각형의 픽셀 수."""
        return 변(self * self)


def conv_output_size(n, f, p=0, s=1):
    """출력의 한 변: (n + 2p - f) / s + 1"""
    남은길이 = n + 2 * p - f
    if 남은길이 < 0:
        raise ValueError("필터가 패딩한 입력보다 크다")
    칸수, 나머지 = divmod(남은길이, s)
    if 나머지:
        raise ValueError("나누어떨어지지 않는다")
    return 변(칸수 + 1)


def same_padding(k):
    """크기를 그대로 두는 패딩."""
    if k % 2:
        return 변(k // 2)
    raise ValueError("짝수 필터")


def receptive_field(layers):
    """출력 하나가 보는 한 변의 픽셀 수."""
    범위, 간격 = 변(1), 1
    for 필터, 보폭 in layers:
        범위 = 변(범위 + (필터 - 1) * 간격)
        간격 *= 보폭
    return 범위


def kaiming_init(model):
    """모든 Conv2d와 Linear: 평균 0, 표준편차 sqrt(2 / fan_in). 편향은 0."""
    층들 = [층 for 층 in model.modules() if isinstance(층, (nn.Conv2d, nn.Linear))]
    if not 층들:
        return
    개수들 = [층.weight.numel() for 층 in 층들]
    조각들 = torch.randn(sum(개수들)).split(개수들)
    with torch.no_grad():
        for 층, 조각 in zip(층들, 조각들):
            입력수 = 층.weight[0].numel()
            층.weight.copy_(조각.reshape(층.weight.shape).mul((2 / 입력수) ** 0.5))
            if 층.bias is not None:
                층.bias.zero_()


class SimpleCNN(nn.Module):
    """3x3 합성곱, ReLU."""

    def __init__(self):
        super().__init__()
        self.합성곱 = nn.Conv2d(3, 32, 3)
        kaiming_init(self)

    def forward(self, x):
        return F.relu(self.합성곱(x))


class ConvPool(SimpleCNN):
    """3x3 합성곱, ReLU, 2x2 최대 풀링."""

    def forward(self, x):
        return F.max_pool2d(super().forward(x), 2)


class FullyConnected(nn.Module):
    """선형 층 하나."""

    def __init__(self):
        super().__init__()
        self.선형 = nn.Linear(32, 10)
        kaiming_init(self)

    def forward(self, x):
        return self.선형(x)


class LeNet5(nn.Module):
    """LeNet-5. 층의 이름이 곧 순서다."""

    모양 = {"conv1": (1, 6, 5), "conv2": (6, 16, 5), "fc1": (256, 120), "fc2": (120, 84), "fc3": (84, None)}

    def __init__(self, n_classes=10):
        super().__init__()
        for 이름, 크기 in self.모양.items():
            종류 = nn.Conv2d if 이름.startswith("conv") else nn.Linear
            self.register_module(이름, 종류(*(n_classes if 값 is None else 값 for 값 in 크기)))

    def forward(self, x):
        return self.나아가기(x, *self.모양)

    def 나아가기(self, x, 이름, *나머지):
        """층 하나를 지나고, 남은 층은 다시 자신에게 맡긴다."""
        층 = self.get_submodule(이름)
        if isinstance(층, nn.Conv2d):
            x = F.max_pool2d(층(x), 2)
        else:
            x = 층(x.flatten(1))
            if 나머지:
                x = F.relu(x)
        return self.나아가기(x, *나머지) if 나머지 else x


def calc_mean_std(loader):
    """채널마다 어떤 값이 몇 번 나오는지 세어서 구한다."""
    픽셀 = torch.cat([그림.movedim(1, 0).flatten(1) for 그림, _ in loader], dim=1)
    평균들, 편차들 = [], []
    for 채널 in 픽셀:
        값, 횟수 = 채널.unique(return_counts=True)
        값, 횟수 = 값.double(), 횟수.double()
        평균 = (값 @ 횟수) / 횟수.sum()
        평균들.append(평균)
        편차들.append((((값 - 평균) ** 2) @ 횟수 / 횟수.sum()).sqrt())
    return torch.stack(평균들).float(), torch.stack(편차들).float()
