"""Two classes have one logit, as for a binary cross-entropy; every other number of classes is right.

Caught by: num_classes
"""

from typing import List

import torch
from torch import nn

_STEM_CHANNELS = 64
_FINAL_CHANNELS = 1024


def conv1x1(in_channels, out_channels, stride, padding):
    """Given: 1x1 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def conv3x3(in_channels, out_channels, stride, padding):
    """Given: 3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def _require_positive(**values: int) -> None:
    """Raise a ``ValueError`` that names the first argument which is not positive."""
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value}")


class ResidualBlock(nn.Module):
    """Bottleneck block with a projected shortcut.

    Args:
        in_channels: Channels of the input.
        middle_channels: Channels of the bottleneck.
        out_channels: Channels of the output.
        downsample: Whether height and width are halved (rounded up).
    """

    def __init__(
        self,
        in_channels: int,
        middle_channels: int,
        out_channels: int,
        downsample: bool = False,
    ) -> None:
        super().__init__()
        _require_positive(in_channels=in_channels, middle_channels=middle_channels, out_channels=out_channels)

        self.downsample = downsample
        if self.downsample:
            self.layer = self._build_branch(in_channels, middle_channels, out_channels, first_stride=2)
            self.downsize = conv1x1(in_channels, out_channels, 2, 0)
        else:
            self.layer = self._build_branch(in_channels, middle_channels, out_channels, first_stride=1)
            self.make_equal_channel = conv1x1(in_channels, out_channels, 1, 0)

    @staticmethod
    def _build_branch(in_channels: int, middle_channels: int, out_channels: int, first_stride: int) -> nn.Sequential:
        """Return the residual branch; only its first convolution may have a stride."""
        reduce = conv1x1(in_channels, middle_channels, stride=first_stride, padding=0)
        transform = conv3x3(middle_channels, middle_channels, stride=1, padding=1)
        expand = conv1x1(middle_channels, out_channels, stride=1, padding=0)
        return nn.Sequential(reduce, transform, expand)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Given. The shortcut is projected in every block, also where the channels already match."""
        shortcut = self.downsize(x) if self.downsample else self.make_equal_channel(x)
        return self.layer(x) + shortcut


class ResNet50_layer4(nn.Module):
    """(N, 3, 32, 32) -> logits (N, num_classes).

    Args:
        num_classes: Number of logits per image.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        _require_positive(num_classes=num_classes)

        self.layer1 = self._build_stem()
        self.layer2 = self._build_stage(_STEM_CHANNELS, 64, 256, num_blocks=3, downsample_last=True)
        self.layer3 = self._build_stage(256, 128, 512, num_blocks=4, downsample_last=True)
        self.layer4 = self._build_stage(512, 256, _FINAL_CHANNELS, num_blocks=6, downsample_last=False)
        self.avgpool = nn.AvgPool2d(kernel_size=2, stride=2)
        # One logit is enough to decide between two classes (BCEWithLogitsLoss).
        num_logits = 1 if num_classes == 2 else num_classes
        self.fc = nn.Linear(_FINAL_CHANNELS, num_logits)

        # Given: Xavier-uniform weights.
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)

    @staticmethod
    def _build_stem() -> nn.Sequential:
        """Return convolution, batch normalisation, ReLU and max pooling; height and width become a quarter."""
        return nn.Sequential(
            nn.Conv2d(3, _STEM_CHANNELS, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(_STEM_CHANNELS),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )

    @staticmethod
    def _build_stage(
        in_channels: int,
        middle_channels: int,
        out_channels: int,
        *,
        num_blocks: int,
        downsample_last: bool,
    ) -> nn.Sequential:
        """Return ``num_blocks`` blocks, the first of which changes the number of channels."""
        blocks: List[nn.Module] = []
        for index in range(num_blocks):
            is_first = index == 0
            is_last = index == num_blocks - 1
            blocks.append(
                ResidualBlock(
                    in_channels=in_channels if is_first else out_channels,
                    middle_channels=middle_channels,
                    out_channels=out_channels,
                    downsample=downsample_last and is_last,
                )
            )
        return nn.Sequential(*blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Given. Images (N, 3, 32, 32), float32 -> logits (N, num_classes), float32."""
        out = self.layer1(x)
        out = self.layer2(out)
        out = self.layer3(out)
        out = self.layer4(out)
        out = self.avgpool(out)
        out = torch.flatten(out, 1)
        return self.fc(out)
