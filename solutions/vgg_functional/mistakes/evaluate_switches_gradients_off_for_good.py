"""evaluate calls torch.set_grad_enabled(False), and nobody switches it on again.

Caught by: evaluate
"""

import math

import torch
import torch.nn.functional as F

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
        var = x.var(dim=(0, 2, 3), unbiased=False)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    x = (x - mean.view(1, -1, 1, 1)) / torch.sqrt(var.view(1, -1, 1, 1) + eps)
    return gamma.view(1, -1, 1, 1) * x + beta.view(1, -1, 1, 1)


def conv_parameters(in_channels, out_channels):
    weight = torch.randn(out_channels, in_channels, 3, 3) * math.sqrt(2 / (9 * in_channels))
    return weight.requires_grad_(), torch.zeros(out_channels, requires_grad=True)


def linear_parameters(in_features, out_features):
    weight = torch.randn(out_features, in_features) * math.sqrt(2 / (in_features + out_features))
    return weight.requires_grad_(), torch.zeros(out_features, requires_grad=True)


class VGGLowLevel:
    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512 * 7 * 7, 4096, 4096, num_classes])

    def build(self, config_name, input_channels, use_bn, widths):
        self.config = CONFIGS[config_name]
        self.use_bn = use_bn
        self.convs, self.linears = [], []
        channels = input_channels
        for v in self.config:
            if v == "M":
                continue
            conv = {}
            conv["weight"], conv["bias"] = conv_parameters(channels, v)
            if use_bn:
                conv["gamma"] = torch.ones(v, requires_grad=True)
                conv["beta"] = torch.zeros(v, requires_grad=True)
                conv["mean"] = torch.zeros(v)
                conv["var"] = torch.ones(v)
            self.convs.append(conv)
            channels = v
        for a, b in zip(widths[:-1], widths[1:]):
            weight, bias = linear_parameters(a, b)
            self.linears.append({"weight": weight, "bias": bias})

    def feature_maps(self, x, training):
        maps, convs = [], iter(self.convs)
        for v in self.config:
            if v == "M":
                maps.append(x)
                x = F.max_pool2d(x, 2, 2)
                continue
            conv = next(convs)
            x = F.conv2d(x, conv["weight"], conv["bias"], padding=1)
            if self.use_bn:
                x = batch_norm(x, conv["gamma"], conv["beta"], conv["mean"], conv["var"], training)
            x = F.relu(x)
        maps.append(x)
        return maps

    def forward(self, x, training=True):
        x = self.feature_maps(x, training)[-1]
        x = x.flatten(1)
        for i, layer in enumerate(self.linears):
            x = torch.matmul(x, layer["weight"].t()) + layer["bias"]
            if i < 2:
                x = F.dropout(F.relu(x), 0.5, training)
        return x

    def parameters(self):
        names = ["weight", "bias", "gamma", "beta"]
        return [layer[name] for layer in self.convs + self.linears for name in names if name in layer]

    def zero_grad(self):
        for p in self.parameters():
            p.grad = None

    def to(self, device):
        for layer in self.convs + self.linears:
            for name, t in layer.items():
                layer[name] = t.detach().to(device).requires_grad_(t.requires_grad)
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
            v.mul_(momentum).add_(g)
            p.sub_(lr * v)


def train_epoch(model, loader, velocities, lr):
    total_loss, right, n = 0.0, 0, 0
    for images, labels in loader:
        model.zero_grad()
        logits = model.forward(images, training=True)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        sgd_step_with_momentum(model.parameters(), velocities, lr)
        total_loss += loss.item() * len(labels)
        right += (logits.argmax(1) == labels).sum().item()
        n += len(labels)
    return total_loss / n, right / n


def evaluate(model, loader):
    total_loss, right, n = 0.0, 0, 0
    torch.set_grad_enabled(False)
    for images, labels in loader:
        logits = model.forward(images, training=False)
        total_loss += F.cross_entropy(logits, labels).item() * len(labels)
        right += (logits.argmax(1) == labels).sum().item()
        n += len(labels)
    return total_loss / n, right / n


def visualize_features(model, image):
    with torch.no_grad():
        return model.feature_maps(image, training=False)
