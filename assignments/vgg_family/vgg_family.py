"""The VGG family for ImageNet, and without average pooling for smaller images."""

import torch
from torch import nn

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
cfgs = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + [512] * 4 + ["M"] + [512] * 4 + ["M"],
}


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part as one nn.Sequential.

    The input has 3 channels. An int v in cfg is a 3x3 convolution to v channels with padding 1, then BatchNorm2d(v)
    if batch_norm, then an in-place ReLU. "M" is a max pooling with kernel 2 and stride 2.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def initialise(model):
    """Draw the initial weights of all layers of model, as the handout's table says."""
    # YOUR CODE HERE
    raise NotImplementedError()


class VGG(nn.Module):
    """features (from make_layers), average pooling to 7 x 7, flatten, classifier: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, features, num_classes=1000, init_weights=True):
        super().__init__()
        self.features = features
        # self.avgpool: average pooling to 7 x 7, whatever comes in.
        # self.classifier: Linear to 4096, ReLU, Dropout, Linear to 4096, ReLU, Dropout, Linear to num_classes
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x):
        """Images (N, 3, H, W), float32 -> logits (N, num_classes), float32."""
        # YOUR CODE HERE
        raise NotImplementedError()


def vgg11(batch_norm=False, **kwargs):
    """Return VGG with the layers of cfgs["A"]; kwargs go to VGG."""
    # YOUR CODE HERE
    raise NotImplementedError()


def vgg13(batch_norm=False, **kwargs):
    """Return VGG with the layers of cfgs["B"]; kwargs go to VGG."""
    # YOUR CODE HERE
    raise NotImplementedError()


def vgg16(batch_norm=False, **kwargs):
    """Return VGG with the layers of cfgs["D"]; kwargs go to VGG."""
    # YOUR CODE HERE
    raise NotImplementedError()


def vgg19(batch_norm=False, **kwargs):
    """Return VGG with the layers of cfgs["E"]; kwargs go to VGG."""
    # YOUR CODE HERE
    raise NotImplementedError()


class SizedVGG(nn.Module):
    """VGG without average pooling, for images of one size: (N, 3, size, size) -> (N, num_classes).

    features may be any that make_layers gives; they are used as they are. The classifier is that of VGG, but its first
    Linear takes as many numbers as features gives for one image, and hidden stands for 4096.
    """

    def __init__(self, features, size=32, num_classes=10, hidden=4096):
        super().__init__()
        self.features = features
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x):
        """Images (N, 3, size, size), float32 -> logits (N, num_classes), float32."""
        # YOUR CODE HERE
        raise NotImplementedError()


def vgg_custom(num_classes=10):
    """Return SizedVGG for 32 x 32 images: three times three convolutions, 64, 128 and 256 wide, with batch
    norm, a pooling after each three. 256 x 4 x 4 numbers enter the classifier.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def vgg_cifar(num_classes=10):
    """Return SizedVGG for 32 x 32 images: 32 32 M 64 64 128 128 128 M 256 256 256 512 512 512 M,
    without batch norm. 512 x 4 x 4 numbers enter the classifier.
    """
    # YOUR CODE HERE
    raise NotImplementedError()
