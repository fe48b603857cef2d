"""Without a gradient the parameter stays, but I let its velocity fade.

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
    """Normalise x (N, C, H, W) per channel, then scale by gamma (C,) and shift by beta (C,)."""
    shape = (1, -1, 1, 1)
    if training:
        n = x.numel() // x.shape[1]
        mean = x.mean(dim=(0, 2, 3))
        var = x.var(dim=(0, 2, 3), unbiased=False)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    normed = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    return gamma.view(shape) * normed + beta.view(shape)


def conv_parameters(in_channels, out_channels):
    """Return weight (out, in, 3, 3), normal with std sqrt(2 / fan_in), and bias (out,), 0; both trained leaves."""
    weight = torch.randn(out_channels, in_channels, 3, 3) * math.sqrt(2 / (9 * in_channels))
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
        self.use_bn = use_bn
        self.features = []  # a dictionary per convolution, "M" per pooling
        channels = input_channels
        for entry in CONFIGS[config_name]:
            if entry == "M":
                self.features.append("M")
                continue
            weight, bias = conv_parameters(channels, entry)
            layer = {"weight": weight, "bias": bias}
            if use_bn:
                layer["gamma"] = torch.ones(entry, requires_grad=True)
                layer["beta"] = torch.zeros(entry, requires_grad=True)
                layer["mean"] = torch.zeros(entry)
                layer["var"] = torch.ones(entry)
            self.features.append(layer)
            channels = entry
        self.linears = []
        for before, after in zip(widths, widths[1:]):
            weight, bias = linear_parameters(before, after)
            self.linears.append({"weight": weight, "bias": bias})

    def layers(self):
        """The dictionaries of all layers that have parameters."""
        return [layer for layer in self.features if layer != "M"] + self.linears

    def feature_maps(self, x, training):
        """Return one map per block, before its pooling, and at last what the last pooling gives."""
        maps = []
        for layer in self.features:
            if layer == "M":
                maps.append(x)
                x = F.max_pool2d(x, 2)
                continue
            x = F.conv2d(x, layer["weight"], layer["bias"], padding=1)
            if self.use_bn:
                x = batch_norm(x, layer["gamma"], layer["beta"], layer["mean"], layer["var"], training)
            x = F.relu(x)
        maps.append(x)
        return maps

    def forward(self, x, training=True):
        """Images -> logits. With training: batch statistics, and dropout after each linear layer but the last."""
        x = torch.flatten(self.feature_maps(x, training)[-1], 1)
        first, second, last = self.linears
        x = F.relu(F.linear(x, first["weight"], first["bias"]))
        x = F.dropout(x, 0.5, training)
        x = F.relu(F.linear(x, second["weight"], second["bias"]))
        x = F.dropout(x, 0.5, training)
        return F.linear(x, last["weight"], last["bias"])

    def parameters(self):
        """Return the list of all trained tensors, in the order in which forward uses them."""
        trained = []
        for layer in self.layers():
            for key in ("weight", "bias", "gamma", "beta"):
                if key in layer:
                    trained.append(layer[key])
        return trained

    def zero_grad(self):
        """Forget the gradient of every parameter."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, device):
        """Move parameters and running statistics; the parameters are leaves, still trained. Returns the model."""
        for layer in self.layers():
            for key in ("weight", "bias", "gamma", "beta"):
                if key in layer:
                    layer[key] = layer[key].detach().to(device).requires_grad_()
            for key in ("mean", "var"):
                if key in layer:
                    layer[key] = layer[key].to(device)
        return self

    def count_parameters(self):
        """Return how many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters())


class VGGSmall(VGGLowLevel):
    """The same for images (N, input_channels, 32, 32): the linear layers are 512 -> 512 -> 512 -> num_classes."""

    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512, 512, 512, num_classes])


def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    """Change params and velocities (lists of tensors, of the same shapes) in place, by one step."""
    with torch.no_grad():
        for p, v in zip(params, velocities):
            v.mul_(momentum)
            if p.grad is None:
                continue
            v.add_(p.grad + weight_decay * p)
            p.sub_(lr * v)


def train_epoch(model, loader, velocities, lr):
    """One step of sgd_step_with_momentum for each batch (images, labels) of loader, in train mode."""
    total_loss, right, count = 0.0, 0, 0
    for images, labels in loader:
        model.zero_grad()
        logits = model.forward(images, training=True)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        sgd_step_with_momentum(model.parameters(), velocities, lr)
        total_loss += loss.item() * len(labels)
        right += (logits.argmax(dim=1) == labels).sum().item()
        count += len(labels)
    return total_loss / count, right / count


def evaluate(model, loader):
    """Return the mean cross-entropy per image and the share of right answers, as floats; nothing is trained."""
    total_loss, right, count = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model.forward(images, training=False)
            total_loss += F.cross_entropy(logits, labels).item() * len(labels)
            right += (logits.argmax(dim=1) == labels).sum().item()
            count += len(labels)
    return total_loss / count, right / count


def visualize_features(model, image):
    """image (1, C, H, W) -> list of tensors (1, channels, h, w): each block's map before its pooling, then the last."""
    with torch.no_grad():
        return model.feature_maps(image, training=False)
