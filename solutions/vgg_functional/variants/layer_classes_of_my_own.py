"""Small classes of my own for convolution, batch norm and linear layer; none is an nn.Module."""

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
    if training:
        n = x.shape[0] * x.shape[2] * x.shape[3]
        mean = x.mean(dim=(0, 2, 3))
        var = ((x - mean.view(1, -1, 1, 1)) ** 2).mean(dim=(0, 2, 3))
        with torch.no_grad():
            running_mean.copy_((1 - momentum) * running_mean + momentum * mean)
            running_var.copy_((1 - momentum) * running_var + momentum * var * n / (n - 1))
    else:
        mean = running_mean
        var = running_var
    x_hat = (x - mean.view(1, -1, 1, 1)) / torch.sqrt(var.view(1, -1, 1, 1) + eps)
    return gamma.view(1, -1, 1, 1) * x_hat + beta.view(1, -1, 1, 1)


class Conv:
    def __init__(self, cin, cout):
        self.weight, self.bias = conv_parameters(cin, cout)

    def __call__(self, x):
        return F.conv2d(x, self.weight, self.bias, 1, 1)

    def trained(self):
        return ["weight", "bias"]

    def kept(self):
        return []


class Norm(Conv):
    def __init__(self, c):
        self.gamma = torch.ones(c, requires_grad=True)
        self.beta = torch.zeros(c, requires_grad=True)
        self.mean, self.var = torch.zeros(c), torch.ones(c)
        self.training = True

    def __call__(self, x):
        return batch_norm(x, self.gamma, self.beta, self.mean, self.var, self.training)

    def trained(self):
        return ["gamma", "beta"]

    def kept(self):
        return ["mean", "var"]


class Dense(Conv):
    def __init__(self, i, o):
        self.weight, self.bias = linear_parameters(i, o)

    def __call__(self, x):
        return torch.matmul(x, self.weight.t()) + self.bias


def conv_parameters(in_channels, out_channels):
    std = math.sqrt(2.0 / (in_channels * 3 * 3))
    weight = (torch.randn(out_channels, in_channels, 3, 3) * std).requires_grad_(True)
    bias = torch.zeros(out_channels, requires_grad=True)
    return weight, bias


def linear_parameters(in_features, out_features):
    std = math.sqrt(2.0 / (in_features + out_features))
    weight = (torch.randn(out_features, in_features) * std).requires_grad_(True)
    bias = torch.zeros(out_features, requires_grad=True)
    return weight, bias


class VGGLowLevel:
    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512 * 7 * 7, 4096, 4096, num_classes])

    def build(self, config_name, input_channels, use_bn, widths):
        self.stages = []
        c = input_channels
        for v in CONFIGS[config_name]:
            if v == "M":
                self.stages.append(None)
            else:
                self.stages.append([Conv(c, v)] + ([Norm(v)] if use_bn else []))
                c = v
        self.dense = [Dense(a, b) for a, b in zip(widths, widths[1:])]
        self.layers = [layer for stage in self.stages if stage for layer in stage] + self.dense

    def feature_maps(self, x, training):
        maps = []
        for stage in self.stages:
            if stage is None:
                maps.append(x)
                x = F.max_pool2d(x, kernel_size=2)
                continue
            for layer in stage:
                layer.training = training
                x = layer(x)
            x = F.relu(x)
        return [*maps, x]

    def forward(self, x, training=True):
        first, second, third = self.dense
        x = torch.flatten(self.feature_maps(x, training)[-1], start_dim=1)
        x = F.dropout(F.relu(first(x)), p=0.5, training=training)
        x = F.dropout(F.relu(second(x)), p=0.5, training=training)
        return third(x)

    def parameters(self):
        return [getattr(layer, name) for layer in self.layers for name in layer.trained()]

    def zero_grad(self):
        for p in self.parameters():
            p.grad = None

    def to(self, device):
        for layer in self.layers:
            for name in layer.trained():
                setattr(layer, name, getattr(layer, name).detach().to(device).requires_grad_())
            for name in layer.kept():
                setattr(layer, name, getattr(layer, name).to(device))
        return self

    def count_parameters(self):
        return sum(p.numel() for p in self.parameters())


class VGGSmall(VGGLowLevel):
    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512, 512, 512, num_classes])


def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    with torch.no_grad():
        for p, v in zip(params, velocities):
            if p.grad is None:
                continue
            g = p.grad + weight_decay * p
            v.copy_(momentum * v + g)
            p -= lr * v


def train_epoch(model, loader, velocities, lr):
    total_loss = 0.0
    correct = 0
    total = 0
    for images, labels in loader:
        model.zero_grad()
        logits = model.forward(images, training=True)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        sgd_step_with_momentum(model.parameters(), velocities, lr)
        total_loss += loss.item() * images.size(0)
        correct += (logits.argmax(1) == labels).sum().item()
        total += images.size(0)
    return total_loss / total, correct / total


def evaluate(model, loader):
    total_loss = 0.0
    correct = 0
    total = 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model.forward(images, training=False)
            loss = F.cross_entropy(logits, labels)
            total_loss += loss.item() * images.size(0)
            correct += (logits.argmax(1) == labels).sum().item()
            total += images.size(0)
    return total_loss / total, correct / total


def visualize_features(model, image):
    with torch.no_grad():
        return model.feature_maps(image, training=False)
