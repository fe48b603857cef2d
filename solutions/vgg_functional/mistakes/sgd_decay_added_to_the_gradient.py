"""The weight decay is added to p.grad itself: who steps twice with one gradient decays twice.

Caught by: sgd
"""

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
    if training:
        mean = x.mean(dim=(0, 2, 3))
        var = x.var(dim=(0, 2, 3), unbiased=False)
        count = x.numel() / x.size(1)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * count / (count - 1))
    else:
        mean, var = running_mean, running_var
    scale = gamma / torch.sqrt(var + eps)
    shift = beta - mean * scale
    return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)


def conv_parameters(in_channels, out_channels):
    """Return weight (out, in, 3, 3), normal with std sqrt(2 / fan_in), and bias (out,), 0; both trained leaves."""
    weight = torch.randn(out_channels, in_channels, 3, 3) * math.sqrt(2 / (in_channels * 3 * 3))
    return weight.requires_grad_(), torch.zeros(out_channels, requires_grad=True)


def linear_parameters(in_features, out_features):
    """Return weight (out, in), normal with std sqrt(2 / (in + out)), and bias (out,), 0; both trained leaves."""
    weight = torch.randn(out_features, in_features) * math.sqrt(2 / (in_features + out_features))
    return weight.requires_grad_(), torch.zeros(out_features, requires_grad=True)


class VGGLowLevel:
    """VGG-11, 13, 16 or 19: images (N, input_channels, 224, 224) -> logits (N, num_classes)."""

    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512 * 7 * 7, 4096, 4096, num_classes])

    def build(self, config_name, input_channels, use_bn, widths):
        """Make all parameters: the convolutions of CONFIGS[config_name], then linear layers from widths to widths."""
        self.config = CONFIGS[config_name]
        self.convolutions = []
        self.norms = []
        self.linears = []
        channels = input_channels
        for item in self.config:
            if item == "M":
                continue
            self.convolutions.append(conv_parameters(channels, item))
            if use_bn:
                gamma = torch.ones(item, requires_grad=True)
                beta = torch.zeros(item, requires_grad=True)
                self.norms.append((gamma, beta, torch.zeros(item), torch.ones(item)))
            channels = item
        for place in range(len(widths) - 1):
            self.linears.append(linear_parameters(widths[place], widths[place + 1]))

    def feature_maps(self, x, training):
        """Return one map per block, before its pooling, and at last what the last pooling gives."""
        maps = []
        layer = 0
        for item in self.config:
            if item == "M":
                maps.append(x)
                x = F.max_pool2d(x, kernel_size=2, stride=2)
                continue
            weight, bias = self.convolutions[layer]
            x = F.conv2d(x, weight, bias, padding=1)
            if self.norms:
                x = batch_norm(x, *self.norms[layer], training)
            x = F.relu(x)
            layer += 1
        return [*maps, x]

    def forward(self, x, training=True):
        """Images -> logits. With training: batch statistics, and dropout after each linear layer but the last."""
        x = self.feature_maps(x, training)[-1]
        x = x.flatten(1)
        for weight, bias in self.linears[:-1]:
            x = F.relu(torch.matmul(x, weight.t()) + bias)
            x = F.dropout(x, 0.5, training)
        weight, bias = self.linears[-1]
        return torch.matmul(x, weight.t()) + bias

    def parameters(self):
        """Return the list of all trained tensors, in the order in which forward uses them."""
        found = []
        for layer, convolution in enumerate(self.convolutions):
            found.extend(convolution)
            if self.norms:
                found.extend(self.norms[layer][:2])
        for linear in self.linears:
            found.extend(linear)
        return found

    def zero_grad(self):
        """Forget the gradient of every parameter."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, device):
        """Move parameters and running statistics; the parameters are leaves, still trained. Returns the model."""

        def moved(tensors):
            return tuple(tensor.detach().to(device).requires_grad_(tensor.requires_grad) for tensor in tensors)

        self.convolutions = [moved(tensors) for tensors in self.convolutions]
        self.norms = [moved(tensors) for tensors in self.norms]
        self.linears = [moved(tensors) for tensors in self.linears]
        return self

    def count_parameters(self):
        """Return how many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters())


class VGGSmall(VGGLowLevel):
    """The same for images (N, input_channels, 32, 32): the linear layers are 512 -> 512 -> 512 -> num_classes."""

    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512, 512, 512, num_classes])


def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    """Change params and velocities (lists of tensors, of the same shapes) in place, by one step.

    For each parameter p with velocity v: g = gradient + weight_decay * p, v = momentum * v + g, p = p - lr * v.
    A parameter without a gradient (None) stays as it is, and so does its velocity.
    """
    with torch.no_grad():
        for parameter, velocity in zip(params, velocities, strict=True):
            if parameter.grad is None:
                continue
            parameter.grad.add_(parameter, alpha=weight_decay)
            velocity.mul_(momentum).add_(parameter.grad)
            parameter.sub_(lr * velocity)


def train_epoch(model, loader, velocities, lr):
    """One step of sgd_step_with_momentum for each batch (images, labels) of loader, in train mode.

    Returns the mean cross-entropy per image and the share of right answers, both floats, both as of before each step.
    """
    total, right, count = 0.0, 0, 0
    for images, labels in loader:
        model.zero_grad()
        logits = model.forward(images, training=True)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        sgd_step_with_momentum(model.parameters(), velocities, lr)
        total += loss.item() * len(labels)
        right += (logits.argmax(dim=1) == labels).sum().item()
        count += len(labels)
    return total / count, right / count


def evaluate(model, loader):
    """Return the mean cross-entropy per image and the share of right answers, as floats; nothing is trained."""
    total, right, count = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model.forward(images, training=False)
            total += F.cross_entropy(logits, labels, reduction="sum").item()
            right += (logits.argmax(dim=1) == labels).sum().item()
            count += len(labels)
    return total / count, right / count


def visualize_features(model, image):
    """image (1, C, H, W) -> list of tensors (1, channels, h, w): each block's map before its pooling, then the last."""
    with torch.no_grad():
        return model.feature_maps(image, training=False)
