"""VGG with nothing but functional calls: no nn.Module, every parameter a tensor of our own."""

import math

import torch
import torch.nn.functional as F

# One number per 3x3 convolution (its output channels); "M" is a 2x2 max pooling, which ends a block.
CONFIGS = {
    "VGG11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "VGG13": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "VGG16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "VGG19": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
}


def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Normalise x (N, C, H, W) per channel, then scale by gamma (C,) and shift by beta (C,).

    With training: by the batch's mean and biased variance; running_mean and running_var (C,) are then updated in place,
    new = (1 - momentum) * old + momentum * batch's, the variance with the batch's unbiased one.
    Else: by running_mean and running_var, which stay as they are.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def conv_parameters(in_channels, out_channels):
    """Return weight (out, in, 3, 3), normal with std sqrt(2 / fan_in), and bias (out,), 0; both trained leaves."""
    # YOUR CODE HERE
    raise NotImplementedError()


def linear_parameters(in_features, out_features):
    """Return weight (out, in), normal with std sqrt(2 / (in + out)), and bias (out,), 0; both trained leaves."""
    # YOUR CODE HERE
    raise NotImplementedError()


class VGGLowLevel:
    """VGG-11, 13, 16 or 19: images (N, input_channels, 224, 224) -> logits (N, num_classes)."""

    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512 * 7 * 7, 4096, 4096, num_classes])

    def build(self, config_name, input_channels, use_bn, widths):
        """Make all parameters: the convolutions of CONFIGS[config_name], then linear layers from widths to widths."""
        # YOUR CODE HERE
        raise NotImplementedError()

    def feature_maps(self, x, training):
        """Return one map per block, before its pooling, and at last what the last pooling gives."""
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x, training=True):
        """Images -> logits. With training: batch statistics, and dropout after each linear layer but the last."""
        # YOUR CODE HERE
        raise NotImplementedError()

    def parameters(self):
        """Return the list of all trained tensors, in the order in which forward uses them."""
        # YOUR CODE HERE
        raise NotImplementedError()

    def zero_grad(self):
        """Forget the gradient of every parameter."""
        # YOUR CODE HERE
        raise NotImplementedError()

    def to(self, device):
        """Move parameters and running statistics; the parameters are leaves, still trained. Returns the model."""

        # YOUR CODE HERE
        raise NotImplementedError()

    def count_parameters(self):
        """Return how many numbers are trained."""
        # YOUR CODE HERE
        raise NotImplementedError()


class VGGSmall(VGGLowLevel):
    """The same for images (N, input_channels, 32, 32): the linear layers are 512 -> 512 -> 512 -> num_classes."""

    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512, 512, 512, num_classes])


def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    """Change params and velocities (lists of tensors, of the same shapes) in place, by one step.

    For each parameter p with velocity v: g = gradient + weight_decay * p, v = momentum * v + g, p = p - lr * v.
    A parameter without a gradient (None) stays as it is, and so does its velocity.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def train_epoch(model, loader, velocities, lr):
    """One step of sgd_step_with_momentum for each batch (images, labels) of loader, in train mode.

    Returns the mean cross-entropy per image and the share of right answers, both floats, both as of before each step.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def evaluate(model, loader):
    """Return the mean cross-entropy per image and the share of right answers, as floats; nothing is trained."""
    # YOUR CODE HERE
    raise NotImplementedError()


def visualize_features(model, image):
    """image (1, C, H, W) -> list of tensors (1, channels, h, w): each block's map before its pooling, then the last."""
    # YOUR CODE HERE
    raise NotImplementedError()
