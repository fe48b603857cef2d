"""Means by len(loader.dataset), as in many tutorials; the model is called."""

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
        self.config = CONFIGS[config_name]
        self.use_bn = use_bn
        self.conv_w, self.conv_b = [], []
        self.gamma, self.beta, self.mean, self.var = [], [], [], []
        self.fc_w, self.fc_b = [], []
        c = input_channels
        for v in self.config:
            if v == "M":
                continue
            w, b = conv_parameters(c, v)
            self.conv_w.append(w)
            self.conv_b.append(b)
            if use_bn:
                self.gamma.append(torch.ones(v, requires_grad=True))
                self.beta.append(torch.zeros(v, requires_grad=True))
                self.mean.append(torch.zeros(v))
                self.var.append(torch.ones(v))
            c = v
        for i in range(3):
            w, b = linear_parameters(widths[i], widths[i + 1])
            self.fc_w.append(w)
            self.fc_b.append(b)

    def feature_maps(self, x, training):
        maps = []
        i = 0
        for v in self.config:
            if v == "M":
                maps.append(x)
                x = F.max_pool2d(x, 2, 2)
            else:
                x = F.conv2d(x, self.conv_w[i], self.conv_b[i], padding=1)
                if self.use_bn:
                    x = batch_norm(x, self.gamma[i], self.beta[i], self.mean[i], self.var[i], training)
                x = F.relu(x)
                i += 1
        maps.append(x)
        return maps

    def forward(self, x, training=True):
        x = self.feature_maps(x, training)[-1]
        x = x.reshape(x.shape[0], -1)
        x = F.relu(torch.matmul(x, self.fc_w[0].t()) + self.fc_b[0])
        x = F.dropout(x, 0.5, training)
        x = F.relu(torch.matmul(x, self.fc_w[1].t()) + self.fc_b[1])
        x = F.dropout(x, 0.5, training)
        return torch.matmul(x, self.fc_w[2].t()) + self.fc_b[2]

    def parameters(self):
        params = []
        for i in range(len(self.conv_w)):
            params += [self.conv_w[i], self.conv_b[i]]
            if self.use_bn:
                params += [self.gamma[i], self.beta[i]]
        for i in range(3):
            params += [self.fc_w[i], self.fc_b[i]]
        return params

    def zero_grad(self):
        for p in self.parameters():
            p.grad = None

    def to(self, device):
        for tensors in (self.conv_w, self.conv_b, self.gamma, self.beta, self.fc_w, self.fc_b):
            for i in range(len(tensors)):
                tensors[i] = tensors[i].detach().to(device).requires_grad_(True)
        for tensors in (self.mean, self.var):
            for i in range(len(tensors)):
                tensors[i] = tensors[i].to(device)
        return self

    def count_parameters(self):
        return sum(p.numel() for p in self.parameters())

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)


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
        logits = model(images, training=True)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        sgd_step_with_momentum(model.parameters(), velocities, lr)
        total_loss += loss.item() * images.size(0)
        correct += (logits.argmax(1) == labels).sum().item()
        total += images.size(0)
    return total_loss / len(loader.dataset), correct / len(loader.dataset)


def evaluate(model, loader):
    total_loss = 0.0
    correct = 0
    total = 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model(images, training=False)
            loss = F.cross_entropy(logits, labels)
            total_loss += loss.item() * images.size(0)
            correct += (logits.argmax(1) == labels).sum().item()
            total += images.size(0)
    return total_loss / len(loader.dataset), correct / len(loader.dataset)


def visualize_features(model, image):
    with torch.no_grad():
        return model.feature_maps(image, training=False)
