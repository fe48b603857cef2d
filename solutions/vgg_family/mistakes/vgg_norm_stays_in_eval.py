"""VGG.train() leaves batch norm in eval mode, as for fine-tuning.

Caught by: vgg
"""

from typing import List, Sequence, Tuple, Union

import torch
import torch.nn as nn
from torch import Tensor

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
cfgs = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + [512] * 4 + ["M"] + [512] * 4 + ["M"],
}

IMAGE_CHANNELS = 3
POOLED_SIDE = 7
HIDDEN_UNITS = 4096


def make_layers(cfg: Sequence[Union[int, str]], batch_norm: bool = False) -> nn.Sequential:
    """Build the convolutional part of a VGG network.

    Args:
        cfg: one entry per layer, an ``int`` (a convolution with that many output channels) or ``"M"`` (max pooling).
        batch_norm: whether each convolution is followed by batch normalisation.

    Returns:
        All layers, one after the other, in a single ``nn.Sequential``.

    Raises:
        ValueError: if an entry is neither a positive integer nor ``"M"``.
    """
    layers: List[nn.Module] = []
    in_channels = IMAGE_CHANNELS
    for position, entry in enumerate(cfg):
        if isinstance(entry, str):
            if entry != "M":
                raise ValueError(f"cfg[{position}]: expected a number or 'M', got {entry!r}")
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        out_channels = int(entry)
        if out_channels <= 0:
            raise ValueError(f"cfg[{position}]: a convolution needs a positive number of channels, got {entry!r}")
        layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
        in_channels = out_channels
    return nn.Sequential(*layers)


def initialise(model: nn.Module) -> None:
    """Draw the initial weights of all layers of ``model``; running statistics are not touched."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.0)
        elif isinstance(module, nn.BatchNorm2d):
            if module.affine:
                nn.init.constant_(module.weight, 1.0)
                nn.init.constant_(module.bias, 0.0)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.01)
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.0)


def _build_classifier(in_features: int, hidden: int, num_classes: int) -> nn.Sequential:
    """Two hidden layers with ReLU and dropout, then the layer that gives the logits."""
    return nn.Sequential(
        nn.Linear(in_features, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(p=0.5),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(p=0.5),
        nn.Linear(hidden, num_classes),
    )


def _as_pair(value: Union[int, Tuple[int, int]]) -> Tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _output_side(layer: nn.Module, side: int) -> int:
    """floor((n + 2 p - d (k - 1) - 1) / s) + 1, which holds for convolutions and for poolings."""
    kernel, _ = _as_pair(layer.kernel_size)
    stride, _ = _as_pair(layer.stride)
    padding, _ = _as_pair(layer.padding)
    dilation, _ = _as_pair(layer.dilation)
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _numbers_per_image(features: nn.Sequential, size: int) -> int:
    """How many numbers ``features`` gives for one image of ``size`` x ``size`` pixels; nothing is computed for it."""
    channels, side = IMAGE_CHANNELS, size
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            channels, side = layer.out_channels, _output_side(layer, side)
        elif isinstance(layer, nn.MaxPool2d):
            side = _output_side(layer, side)
    return channels * side * side


class VGG(nn.Module):
    """features (from make_layers), average pooling to 7 x 7, flatten, classifier: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((POOLED_SIDE, POOLED_SIDE))
        self.classifier = _build_classifier(512 * POOLED_SIDE * POOLED_SIDE, HIDDEN_UNITS, num_classes)
        if init_weights:
            initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W), float32 -> logits (N, num_classes), float32."""
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        x = self.classifier(x)
        return x

    def train(self, mode: bool = True) -> "VGG":
        """Switch dropout on or off. Small batches would spoil the running statistics, so these stay frozen."""
        super().train(mode)
        for module in self.features.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def _vgg(letter: str, batch_norm: bool, **kwargs) -> VGG:
    return VGG(make_layers(cfgs[letter], batch_norm=batch_norm), **kwargs)


def vgg11(batch_norm: bool = False, **kwargs) -> VGG:
    """VGG-11, configuration "A"."""
    return _vgg("A", batch_norm, **kwargs)


def vgg13(batch_norm: bool = False, **kwargs) -> VGG:
    """VGG-13, configuration "B"."""
    return _vgg("B", batch_norm, **kwargs)


def vgg16(batch_norm: bool = False, **kwargs) -> VGG:
    """VGG-16, configuration "D"."""
    return _vgg("D", batch_norm, **kwargs)


def vgg19(batch_norm: bool = False, **kwargs) -> VGG:
    """VGG-19, configuration "E"."""
    return _vgg("E", batch_norm, **kwargs)


class SizedVGG(nn.Module):
    """VGG without average pooling, for images of one size: (N, 3, size, size) -> (N, num_classes)."""

    def __init__(self, features: nn.Module, size: int = 32, num_classes: int = 10, hidden: int = HIDDEN_UNITS) -> None:
        super().__init__()
        in_features = _numbers_per_image(features, size)
        if in_features <= 0:
            raise ValueError(f"nothing is left of an image of {size} x {size} pixels")
        self.features = features
        self.classifier = _build_classifier(in_features, hidden, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, size, size), float32 -> logits (N, num_classes), float32."""
        x = self.features(x)
        x = torch.flatten(x, 1)
        x = self.classifier(x)
        return x


def vgg_custom(num_classes: int = 10) -> SizedVGG:
    """Three blocks of three convolutions with batch norm, for 32 x 32 images."""
    cfg = [64, 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M"]
    return SizedVGG(make_layers(cfg, batch_norm=True), size=32, num_classes=num_classes)


def vgg_cifar(num_classes: int = 10) -> SizedVGG:
    """Thirteen convolutions, three poolings, no batch norm, for 32 x 32 images."""
    cfg = [32, 32, "M", 64, 64, 128, 128, 128, "M", 256, 256, 256, 512, 512, 512, "M"]
    return SizedVGG(make_layers(cfg, batch_norm=False), size=32, num_classes=num_classes)
