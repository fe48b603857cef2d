"""I keep costs that were computed before in a dict, by channels and kernel; height and width are not in the key.

Caught by: bottleneck
"""

import torch
from torch import Tensor, nn

Cost = tuple[int, int]

# most_reduced asks for the same bottlenecks again and again
_bottlenecks: dict[tuple[int, int, int, int], Cost] = {}


def _total(*costs: Cost) -> Cost:
    """Sum of pairs, component by component."""
    return sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)


def conv_cost(in_channels: int, out_channels: int, kernel_size: int, height: int, width: int) -> Cost:
    """Return (multiply-adds, parameters) of one convolution, two ints."""
    n_weights = in_channels * out_channels * kernel_size**2
    return n_weights * height * width, n_weights + out_channels


def bottleneck_cost(
    in_channels: int, reduced: int, out_channels: int, kernel_size: int, height: int, width: int
) -> Cost:
    """Return (multiply-adds, parameters) of a 1x1 convolution to `reduced` channels and a convolution after it."""
    key = (in_channels, reduced, out_channels, kernel_size)
    if key not in _bottlenecks:
        _bottlenecks[key] = _total(
            conv_cost(in_channels, reduced, 1, height, width),
            conv_cost(reduced, out_channels, kernel_size, height, width),
        )
    return _bottlenecks[key]


def most_reduced(in_channels: int, out_channels: int, kernel_size: int) -> int:
    """Return the largest `reduced` with which the bottleneck takes fewer multiply-adds than the convolution alone.

    Per pixel the bottleneck takes r * (in + k * k * out), the convolution k * k * in * out. The largest integer r with
    r * a < b is (b - 1) // a.
    """
    alone, _ = conv_cost(in_channels, out_channels, kernel_size, 1, 1)
    per_channel, _ = bottleneck_cost(in_channels, 1, out_channels, kernel_size, 1, 1)
    return (alone - 1) // per_channel


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, c1 + c3 + c5 + cp, H, W)."""

    def __init__(
        self,
        in_channels: int,
        c1: int,
        r3_c3: tuple[int, int],
        r5_c5: tuple[int, int],
        cp: int,
    ) -> None:
        super().__init__()
        self.branch1 = nn.Sequential(*self._conv_relu(in_channels, c1, 1))
        self.branch3 = self._bottleneck(in_channels, *r3_c3, kernel_size=3)
        self.branch5 = self._bottleneck(in_channels, *r5_c5, kernel_size=5)
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            *self._conv_relu(in_channels, cp, 1),
        )

    @staticmethod
    def _conv_relu(in_channels: int, out_channels: int, kernel_size: int) -> list[nn.Module]:
        return [nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2), nn.ReLU()]

    @classmethod
    def _bottleneck(cls, in_channels: int, reduced: int, out_channels: int, *, kernel_size: int) -> nn.Sequential:
        return nn.Sequential(
            *cls._conv_relu(in_channels, reduced, 1),
            *cls._conv_relu(reduced, out_channels, kernel_size),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W), float32 -> (N, c1 + c3 + c5 + cp, H, W), float32."""
        branches = (self.branch1, self.branch3, self.branch5, self.branch_pool)
        return torch.cat([branch(x) for branch in branches], dim=1)


def inception_cost(
    in_channels: int,
    c1: int,
    r3_c3: tuple[int, int],
    r5_c5: tuple[int, int],
    cp: int,
    height: int,
    width: int,
) -> Cost:
    """Return (multiply-adds, parameters) of Inception(in_channels, c1, r3_c3, r5_c5, cp) on height x width."""
    size = (height, width)
    return _total(
        conv_cost(in_channels, c1, 1, *size),
        bottleneck_cost(in_channels, *r3_c3, 3, *size),
        bottleneck_cost(in_channels, *r5_c5, 5, *size),
        conv_cost(in_channels, cp, 1, *size),
    )
