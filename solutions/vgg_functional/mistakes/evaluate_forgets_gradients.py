"""evaluate calls zero_grad.

Caught by: evaluate
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
    """Batch normalisation of x (N, C, H, W), per channel."""
    if training:
        n = x.shape[0] * x.shape[2] * x.shape[3]
        mean = x.mean(dim=(0, 2, 3))
        var = x.var(dim=(0, 2, 3), unbiased=False)
        with torch.no_grad():
            running_mean.copy_((1 - momentum) * running_mean + momentum * mean)
            running_var.copy_((1 - momentum) * running_var + momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    shape = (1, -1, 1, 1)
    normalised = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    return gamma.view(shape) * normalised + beta.view(shape)


def conv_parameters(in_channels, out_channels):
    fan_in = 9 * in_channels
    weight = torch.randn(out_channels, in_channels, 3, 3) * math.sqrt(2 / fan_in)
    return [weight.requires_grad_(), torch.zeros(out_channels, requires_grad=True)]


def linear_parameters(in_features, out_features):
    weight = torch.randn(out_features, in_features) * math.sqrt(2 / (in_features + out_features))
    return [weight.requires_grad_(), torch.zeros(out_features, requires_grad=True)]


class VGGLowLevel:
    """VGG-11, 13, 16 or 19: images (N, input_channels, 224, 224) -> logits (N, num_classes)."""

    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512 * 7 * 7, 4096, 4096, num_classes])

    def build(self, config_name, input_channels, use_bn, widths):
        self.config = CONFIGS[config_name]
        self.convs = []  # per convolution: weight, bias, and with batch norm gamma, beta
        self.stats = []  # per convolution: running mean and variance, or nothing
        channels = input_channels
        for v in self.config:
            if v == "M":
                continue
            tensors = conv_parameters(channels, v)
            stats = []
            if use_bn:
                tensors += [torch.ones(v, requires_grad=True), torch.zeros(v, requires_grad=True)]
                stats += [torch.zeros(v), torch.ones(v)]
            self.convs.append(tensors)
            self.stats.append(stats)
            channels = v
        self.linears = [linear_parameters(a, b) for a, b in zip(widths, widths[1:])]

    def feature_maps(self, x, training):
        maps = []
        i = 0
        for v in self.config:
            if v == "M":
                maps.append(x)
                x = F.max_pool2d(x, 2, 2)
                continue
            weight, bias, *norm = self.convs[i]
            x = F.conv2d(x, weight, bias, padding=1)
            if norm:
                x = batch_norm(x, *norm, *self.stats[i], training)
            x = F.relu(x)
            i += 1
        return maps + [x]

    def forward(self, x, training=True):
        x = self.feature_maps(x, training)[-1].flatten(1)
        for i, (weight, bias) in enumerate(self.linears):
            x = F.linear(x, weight, bias)
            if i < 2:
                x = F.relu(x)
                x = F.dropout(x, 0.5, training)
        return x

    def parameters(self):
        return [tensor for tensors in self.convs + self.linears for tensor in tensors]

    def zero_grad(self):
        for p in self.parameters():
            p.grad = None

    def to(self, device):
        self.convs = [[p.detach().to(device).requires_grad_() for p in tensors] for tensors in self.convs]
        self.linears = [[p.detach().to(device).requires_grad_() for p in tensors] for tensors in self.linears]
        self.stats = [[s.to(device) for s in stats] for stats in self.stats]
        return self

    def count_parameters(self):
        return sum(p.numel() for p in self.parameters())


class VGGSmall(VGGLowLevel):
    """The same for images (N, input_channels, 32, 32)."""

    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512, 512, 512, num_classes])


def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    """One step of SGD, in place."""
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            g = p.grad + weight_decay * p
            velocities[i].mul_(momentum).add_(g)
            p.sub_(lr * velocities[i])


def train_epoch(model, loader, velocities, lr):
    loss_sum, right, n = 0.0, 0, 0
    for images, labels in loader:
        model.zero_grad()
        logits = model.forward(images, training=True)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        sgd_step_with_momentum(model.parameters(), velocities, lr)
        loss_sum += loss.item() * len(labels)
        right += (logits.argmax(dim=1) == labels).sum().item()
        n += len(labels)
    return loss_sum / n, right / n


def evaluate(model, loader):
    loss_sum, right, n = 0.0, 0, 0
    model.zero_grad()
    with torch.no_grad():
        for images, labels in loader:
            logits = model.forward(images, training=False)
            loss_sum += F.cross_entropy(logits, labels, reduction="sum").item()
            right += (logits.argmax(dim=1) == labels).sum().item()
            n += len(labels)
    return loss_sum / n, right / n


def visualize_features(model, image):
    with torch.no_grad():
        return model.feature_maps(image, training=False)
