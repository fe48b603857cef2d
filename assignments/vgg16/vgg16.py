"""VGG-16 for CIFAR-10: images (N, 3, 32, 32), ten classes."""

import math

import torch
from torch import nn

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part as one nn.Sequential.

    The input has 3 channels. An int v in cfg is a 3x3 convolution to v channels with padding 1, then BatchNorm2d(v)
    if batch_norm, then an in-place ReLU. "M" is a max pooling with kernel 2 and stride 2.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


class VGG(nn.Module):
    """features (from make_layers), flatten, classifier: (N, 3, 32, 32) -> logits (N, 10)."""

    def __init__(self, features):
        super().__init__()
        self.features = features
        # self.classifier: Dropout, Linear 512 -> 512, BatchNorm1d, ReLU, Dropout, Linear 512 -> 10
        # YOUR CODE HERE
        raise NotImplementedError()
        # Every convolution's weight: normal, mean 0, std sqrt(2 / n) with n = kernel height * kernel width *
        # out_channels; every convolution's bias: 0.
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x):
        """Images (N, 3, 32, 32), float32 -> logits (N, 10), float32."""
        # YOUR CODE HERE
        raise NotImplementedError()


def vgg16():
    """Return VGG with the 13 convolutions of CFG, without batch normalisation in the features."""
    # YOUR CODE HERE
    raise NotImplementedError()
