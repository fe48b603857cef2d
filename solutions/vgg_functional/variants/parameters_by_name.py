"""Parameters in a dictionary by name, running statistics in another."""

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
        self.config, self.use_bn = CONFIGS[config_name], use_bn
        self.p, self.running = {}, {}
        inputs, number = input_channels, 0
        for outputs in self.config:
            if outputs == "M":
                continue
            self.p[f"conv{number}.weight"], self.p[f"conv{number}.bias"] = conv_parameters(inputs, outputs)
            if use_bn:
                self.p[f"bn{number}.gamma"] = torch.full((outputs,), 1.0, requires_grad=True)
                self.p[f"bn{number}.beta"] = torch.full((outputs,), 0.0, requires_grad=True)
                self.running[f"bn{number}.mean"] = torch.zeros(outputs)
                self.running[f"bn{number}.var"] = torch.ones(outputs)
            inputs, number = outputs, number + 1
        for k in range(1, len(widths)):
            self.p[f"fc{k}.weight"], self.p[f"fc{k}.bias"] = linear_parameters(widths[k - 1], widths[k])

    def feature_maps(self, x, training):
        maps, number = [], 0
        for item in self.config:
            if item == "M":
                maps.append(x)
                x = F.max_pool2d(x, 2)
                continue
            x = F.conv2d(x, self.p[f"conv{number}.weight"], self.p[f"conv{number}.bias"], padding=1)
            if self.use_bn:
                gamma, beta = self.p[f"bn{number}.gamma"], self.p[f"bn{number}.beta"]
                mean, var = self.running[f"bn{number}.mean"], self.running[f"bn{number}.var"]
                x = batch_norm(x, gamma, beta, mean, var, training)
            x = F.relu(x, inplace=True)
            number += 1
        return maps + [x]

    def forward(self, x, training=True):
        x = self.feature_maps(x, training)[-1]
        x = x.view(x.size(0), -1)
        for k in (1, 2, 3):
            x = x.matmul(self.p[f"fc{k}.weight"].transpose(0, 1)).add(self.p[f"fc{k}.bias"])
            if k != 3:
                x = F.dropout(F.relu(x), p=0.5, training=training)
        return x

    def parameters(self):
        return list(self.p.values())

    def zero_grad(self):
        for p in self.parameters():
            p.grad = None

    def to(self, device):
        self.p = {name: p.detach().to(device).requires_grad_() for name, p in self.p.items()}
        self.running = {name: r.to(device) for name, r in self.running.items()}
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
