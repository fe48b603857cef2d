"""Train narrow, then widen: a network with fewer channels learns at a fraction of the cost and is widened without a
change of function (Net2Net's Net2WiderNet: Chen, Goodfellow, Shlens, 2016, section 2.2), then trained on.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def narrow(model: nn.Module, width: float, num_classes: int = 10, image_channels: int = 3) -> nn.Module:
    """Replace every convolution, linear and batch-norm layer of ``model`` (in place) by one ``width`` times as wide.

    The ``image_channels`` and the ``num_classes`` logits keep their number.

    >>> block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 10))
    >>> narrow(block, 0.5)[3].in_features
    4
    """

    def scaled(channels: int) -> int:
        return max(1, round(channels * width))

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            replacement: nn.Module
            if isinstance(child, nn.Conv2d):
                inputs = child.in_channels if child.in_channels == image_channels else scaled(child.in_channels)
                old: Any = child  # torch types its sizes as tuples of any length
                sizes = old.kernel_size, old.stride, old.padding
                replacement = nn.Conv2d(inputs, scaled(child.out_channels), *sizes, bias=child.bias is not None)
            elif isinstance(child, nn.Linear):
                outputs = num_classes if child.out_features == num_classes else scaled(child.out_features)
                replacement = nn.Linear(scaled(child.in_features), outputs, bias=child.bias is not None)
            elif isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                replacement = type(child)(scaled(child.num_features))
            else:
                continue
            setattr(parent, name, replacement)
    return model


@torch.no_grad()
def widen(small: nn.Module, large: nn.Module, generator: torch.Generator) -> nn.Module:
    """Copy ``small``'s function into ``large`` (same modules, twice the channels), in place; returns ``large``.

    Channel c of ``small`` becomes channels c and c + C of ``large``; each consumer splits its weight between the two
    copies in a random proportion of its own, so that the copies get different gradients from the first step on.

    >>> small, large = nn.Linear(4, 10), nn.Linear(8, 10)
    >>> _ = widen(small, large, torch.Generator().manual_seed(0))
    >>> x = torch.ones(1, 4)
    >>> torch.allclose(small(x), large(torch.cat([x, x], 1)), atol=1e-6)
    True
    """
    targets = dict(large.state_dict())
    for name, value in small.state_dict().items():
        target = targets[name]
        if value.dim() == 0 or value.shape == target.shape:
            target.copy_(value)
            continue
        grown = value if value.shape[0] == target.shape[0] else torch.cat([value, value])
        if value.dim() > 1 and value.shape[1] != target.shape[1]:
            share = 0.25 + 0.5 * torch.rand(grown.shape[:2], generator=generator)
            share = share.view(*share.shape, *[1] * (grown.dim() - 2))
            grown = torch.cat([grown * share, grown * (1 - share)], dim=1)
        target.copy_(grown)
    return large


def with_batch_norm(features: nn.Sequential) -> nn.Sequential:
    """``features`` with a BatchNorm2d after each convolution (for training; see `fold_batch_norm`)."""
    layers: list[nn.Module] = []
    for layer in features:
        layers.append(layer)
        if isinstance(layer, nn.Conv2d):
            layers.append(nn.BatchNorm2d(layer.out_channels))
    return nn.Sequential(*layers)


def fold_batch_norm(features: nn.Sequential) -> nn.Sequential:
    """The same function as ``features`` in eval mode, each BatchNorm2d folded into the convolution before it.

    >>> block = with_batch_norm(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())).eval()
    >>> x = torch.ones(1, 3, 8, 8)
    >>> torch.allclose(block(x), fold_batch_norm(block)(x), atol=1e-6)
    True
    """
    layers: list[nn.Module] = []
    for layer in features.eval():
        if isinstance(layer, nn.BatchNorm2d):
            convolution = layers.pop()
            assert isinstance(convolution, nn.Conv2d)
            layer = fuse_conv_bn_eval(convolution, layer)
        layers.append(layer)
    return nn.Sequential(*layers)
