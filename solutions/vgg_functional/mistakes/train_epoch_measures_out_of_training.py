"""train_epoch measures loss and accuracy in a second run, out of training, before the step.

Caught by: train_epoch
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
    C = x.shape[1]
    if training:
        n = x.shape[0] * x.shape[2] * x.shape[3]
        mean = x.sum(dim=(0, 2, 3)) / n
        centred = x - mean.view(1, C, 1, 1)
        var = (centred * centred).sum(dim=(0, 2, 3)) / n
        with torch.no_grad():
            running_mean.copy_((1 - momentum) * running_mean + momentum * mean)
            running_var.copy_((1 - momentum) * running_var + momentum * (var * n / (n - 1)))
    else:
        var = running_var
        centred = x - running_mean.view(1, C, 1, 1)
    scale = gamma / torch.sqrt(var + eps)
    return centred * scale.view(1, C, 1, 1) + beta.view(1, C, 1, 1)


def conv_parameters(in_channels, out_channels):
    """Return weight (out, in, 3, 3), normal with std sqrt(2 / fan_in), and bias (out,), 0; both trained leaves."""
    w = torch.empty(out_channels, in_channels, 3, 3).normal_(0, math.sqrt(2 / (9 * in_channels)))
    b = torch.zeros(out_channels)
    return w.requires_grad_(), b.requires_grad_()


def linear_parameters(in_features, out_features):
    """Return weight (out, in), normal with std sqrt(2 / (in + out)), and bias (out,), 0; both trained leaves."""
    w = torch.empty(out_features, in_features).normal_(0, math.sqrt(2 / (in_features + out_features)))
    b = torch.zeros(out_features)
    return w.requires_grad_(), b.requires_grad_()


class VGGLowLevel:
    """VGG-11, 13, 16 or 19: images (N, input_channels, 224, 224) -> logits (N, num_classes)."""

    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512 * 7 * 7, 4096, 4096, num_classes])

    def build(self, config_name, input_channels, use_bn, widths):
        self.config = CONFIGS[config_name]
        self.use_bn = use_bn
        self.conv_w, self.conv_b = [], []
        self.bn_gamma, self.bn_beta = [], []
        self.bn_mean, self.bn_var = [], []
        self.fc_w, self.fc_b = [], []

        c = input_channels
        for v in self.config:
            if v == "M":
                continue
            w, b = conv_parameters(c, v)
            self.conv_w.append(w)
            self.conv_b.append(b)
            if use_bn:
                self.bn_gamma.append(torch.ones(v, requires_grad=True))
                self.bn_beta.append(torch.zeros(v, requires_grad=True))
                self.bn_mean.append(torch.zeros(v))
                self.bn_var.append(torch.ones(v))
            c = v

        for i in range(len(widths) - 1):
            w, b = linear_parameters(widths[i], widths[i + 1])
            self.fc_w.append(w)
            self.fc_b.append(b)

    def feature_maps(self, x, training):
        """Return one map per block, before its pooling, and at last what the last pooling gives."""
        maps = []
        i = 0
        for v in self.config:
            if v == "M":
                maps.append(x)
                x = F.max_pool2d(x, kernel_size=2, stride=2)
                continue
            x = F.conv2d(x, self.conv_w[i], self.conv_b[i], padding=1)
            if self.use_bn:
                x = batch_norm(
                    x, self.bn_gamma[i], self.bn_beta[i], self.bn_mean[i], self.bn_var[i], training
                )
            x = F.relu(x)
            i += 1
        maps.append(x)
        return maps

    def forward(self, x, training=True):
        """Images -> logits. With training: batch statistics, and dropout after each linear layer but the last."""
        x = self.feature_maps(x, training)[-1]
        x = torch.flatten(x, 1)
        last = len(self.fc_w) - 1
        for i in range(last):
            x = torch.matmul(x, self.fc_w[i].t()) + self.fc_b[i]
            x = F.relu(x)
            x = F.dropout(x, p=0.5, training=training)
        return torch.matmul(x, self.fc_w[last].t()) + self.fc_b[last]

    def parameters(self):
        """Return the list of all trained tensors, in the order in which forward uses them."""
        result = []
        for i in range(len(self.conv_w)):
            result.append(self.conv_w[i])
            result.append(self.conv_b[i])
            if self.use_bn:
                result.append(self.bn_gamma[i])
                result.append(self.bn_beta[i])
        for i in range(len(self.fc_w)):
            result.append(self.fc_w[i])
            result.append(self.fc_b[i])
        return result

    def zero_grad(self):
        """Forget the gradient of every parameter."""
        for p in self.parameters():
            p.grad = None

    def to(self, device):
        """Move parameters and running statistics; the parameters are leaves, still trained. Returns the model."""
        for trained in (self.conv_w, self.conv_b, self.bn_gamma, self.bn_beta, self.fc_w, self.fc_b):
            for i in range(len(trained)):
                trained[i] = trained[i].detach().to(device).requires_grad_()
        for running in (self.bn_mean, self.bn_var):
            for i in range(len(running)):
                running[i] = running[i].to(device)
        return self

    def count_parameters(self):
        """Return how many numbers are trained."""
        total = 0
        for p in self.parameters():
            total += p.numel()
        return total


class VGGSmall(VGGLowLevel):
    """The same for images (N, input_channels, 32, 32): the linear layers are 512 -> 512 -> 512 -> num_classes."""

    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512, 512, 512, num_classes])


def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    """Change params and velocities (lists of tensors, of the same shapes) in place, by one step."""
    with torch.no_grad():
        for i in range(len(params)):
            p, v = params[i], velocities[i]
            if p.grad is None:
                continue
            g = p.grad + weight_decay * p
            v.mul_(momentum)
            v.add_(g)
            p.sub_(lr * v)


def train_epoch(model, loader, velocities, lr):
    """One step of sgd_step_with_momentum for each batch (images, labels) of loader, in train mode."""
    loss_sum = 0.0
    right = 0
    count = 0
    for images, labels in loader:
        with torch.no_grad():
            clean = model.forward(images, training=False)
            clean_loss = F.cross_entropy(clean, labels)

        model.zero_grad()
        loss = F.cross_entropy(model.forward(images, training=True), labels)
        loss.backward()
        sgd_step_with_momentum(model.parameters(), velocities, lr)

        k = labels.shape[0]
        loss_sum += clean_loss.item() * k
        right += int((clean.argmax(dim=1) == labels).sum())
        count += k
    return loss_sum / count, right / count


def evaluate(model, loader):
    """Return the mean cross-entropy per image and the share of right answers, as floats; nothing is trained."""
    loss_sum = 0.0
    right = 0
    count = 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model.forward(images, training=False)
            k = labels.shape[0]
            loss_sum += F.cross_entropy(logits, labels).item() * k
            right += int((logits.argmax(dim=1) == labels).sum())
            count += k
    return loss_sum / count, right / count


def visualize_features(model, image):
    """image (1, C, H, W) -> list of tensors (1, channels, h, w): each block's map before its pooling, then the last."""
    with torch.no_grad():
        return model.feature_maps(image, training=False)
