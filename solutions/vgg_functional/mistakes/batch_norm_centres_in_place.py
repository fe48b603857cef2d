"""batch_norm takes the mean from x itself, in place.

Caught by: batch_norm
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
    channel = (1, -1, 1, 1)
    if training:
        mean = x.mean((0, 2, 3))
        centred = x.sub_(mean.reshape(channel))
        var = centred.pow(2).mean((0, 2, 3))
        n = x.numel() / x.size(1)
        running_mean.mul_(1 - momentum).add_(momentum * mean.detach())
        running_var.mul_(1 - momentum).add_(momentum * n / (n - 1) * var.detach())
    else:
        centred = x.sub_(running_mean.reshape(channel))
        var = running_var
    normalised = centred * torch.rsqrt(var + eps).reshape(channel)
    return normalised * gamma.reshape(channel) + beta.reshape(channel)


def conv_parameters(in_channels, out_channels):
    weight = torch.empty(out_channels, in_channels, 3, 3).normal_(0, math.sqrt(2 / (9 * in_channels)))
    return weight.requires_grad_(), torch.zeros(out_channels).requires_grad_()


def linear_parameters(in_features, out_features):
    weight = torch.empty(out_features, in_features).normal_(0, math.sqrt(2 / (in_features + out_features)))
    return weight.requires_grad_(), torch.zeros(out_features).requires_grad_()


class ConvLayer:
    """Convolution, batch norm if asked for, ReLU."""

    def __init__(self, in_channels, out_channels, use_bn):
        self.weight, self.bias = conv_parameters(in_channels, out_channels)
        self.use_bn = use_bn
        if use_bn:
            self.gamma = torch.ones(out_channels).requires_grad_()
            self.beta = torch.zeros(out_channels).requires_grad_()
            self.running_mean = torch.zeros(out_channels)
            self.running_var = torch.ones(out_channels)

    def forward(self, x, training):
        x = F.conv2d(x, self.weight, self.bias, padding=1)
        if self.use_bn:
            x = batch_norm(x, self.gamma, self.beta, self.running_mean, self.running_var, training)
        return F.relu(x)

    def parameters(self):
        if self.use_bn:
            return [self.weight, self.bias, self.gamma, self.beta]
        return [self.weight, self.bias]

    def to(self, device):
        self.weight = self.weight.detach().to(device).requires_grad_()
        self.bias = self.bias.detach().to(device).requires_grad_()
        if self.use_bn:
            self.gamma = self.gamma.detach().to(device).requires_grad_()
            self.beta = self.beta.detach().to(device).requires_grad_()
            self.running_mean = self.running_mean.to(device)
            self.running_var = self.running_var.to(device)


class LinearLayer:
    """A linear layer, without activation."""

    def __init__(self, in_features, out_features):
        self.weight, self.bias = linear_parameters(in_features, out_features)

    def forward(self, x):
        return x @ self.weight.t() + self.bias

    def parameters(self):
        return [self.weight, self.bias]

    def to(self, device):
        self.weight = self.weight.detach().to(device).requires_grad_()
        self.bias = self.bias.detach().to(device).requires_grad_()


class VGGLowLevel:
    """VGG-11, 13, 16 or 19: images (N, input_channels, 224, 224) -> logits (N, num_classes)."""

    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512 * 7 * 7, 4096, 4096, num_classes])

    def build(self, config_name, input_channels, use_bn, widths):
        self.blocks = []  # lists of convolutions; after each of them comes a pooling
        block = []
        for v in CONFIGS[config_name]:
            if v == "M":
                self.blocks.append(block)
                block = []
            else:
                block.append(ConvLayer(input_channels, v, use_bn))
                input_channels = v
        self.convs = [conv for block in self.blocks for conv in block]
        self.linears = [LinearLayer(widths[i], widths[i + 1]) for i in range(len(widths) - 1)]

    def feature_maps(self, x, training):
        maps = []
        for block in self.blocks:
            for conv in block:
                x = conv.forward(x, training)
            maps.append(x)
            x = F.max_pool2d(x, kernel_size=2, stride=2)
        maps.append(x)
        return maps

    def forward(self, x, training=True):
        x = torch.flatten(self.feature_maps(x, training)[-1], 1)
        for linear in self.linears[:-1]:
            x = F.dropout(F.relu(linear.forward(x)), p=0.5, training=training)
        return self.linears[-1].forward(x)

    def parameters(self):
        result = []
        for layer in self.convs + self.linears:
            result.extend(layer.parameters())
        return result

    def zero_grad(self):
        for p in self.parameters():
            p.grad = None

    def to(self, device):
        for layer in self.convs + self.linears:
            layer.to(device)
        return self

    def count_parameters(self):
        return sum(p.numel() for p in self.parameters())


class VGGSmall(VGGLowLevel):
    """The same for images (N, input_channels, 32, 32)."""

    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512, 512, 512, num_classes])


@torch.no_grad()
def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    """One step of SGD, in place."""
    for p, v in zip(params, velocities):
        if p.grad is None:
            continue
        g = p.grad.add(p, alpha=weight_decay)
        v.mul_(momentum).add_(g)
        p.add_(v, alpha=-lr)


def train_epoch(model, loader, velocities, lr):
    total_loss = 0.0
    total_right = 0
    total = 0
    for images, labels in loader:
        model.zero_grad()
        logits = model.forward(images, training=True)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        total_loss += loss.item() * images.size(0)
        total_right += (logits.argmax(1) == labels).sum().item()
        total += images.size(0)
        sgd_step_with_momentum(model.parameters(), velocities, lr)
    return total_loss / total, total_right / total


@torch.no_grad()
def evaluate(model, loader):
    total_loss = 0.0
    total_right = 0
    total = 0
    for images, labels in loader:
        logits = model.forward(images, training=False)
        loss = F.cross_entropy(logits, labels)
        total_loss += loss.item() * images.size(0)
        total_right += (logits.argmax(1) == labels).sum().item()
        total += images.size(0)
    return total_loss / total, total_right / total


@torch.no_grad()
def visualize_features(model, image):
    return model.feature_maps(image, training=False)
