"""train_epoch shortens the gradients to norm 1 before the step.

Caught by: train_epoch
"""

import contextlib
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
    N, C, H, W = x.shape
    by_channel = x.reshape(N, C, H * W)
    if training:
        mean = by_channel.mean(dim=(0, 2), keepdim=True)
        centred = by_channel - mean
        var = centred.pow(2).mean(dim=(0, 2), keepdim=True)
        n = N * H * W
        update_running(running_mean, mean, momentum)
        update_running(running_var, var * n / (n - 1), momentum)
    else:
        centred = by_channel - running_mean.reshape(1, C, 1)
        var = running_var.reshape(1, C, 1)
    y = centred / (var + eps).sqrt()
    y = y * gamma.reshape(1, C, 1) + beta.reshape(1, C, 1)
    return y.reshape(N, C, H, W)


def update_running(running, batch, momentum):
    batch = batch.detach().flatten()
    running.data.mul_(1 - momentum).add_(batch, alpha=momentum)


class VGGLowLevel:
    """VGG-11, 13, 16 or 19: images (N, input_channels, 224, 224) -> logits (N, num_classes)."""

    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self._setup(config_name, input_channels, use_bn)
        self._add_linears(512 * 7 * 7, 4096, 4096, num_classes)

    # ---- construction ----

    def _setup(self, config_name, input_channels, use_bn):
        self.training = True
        self.recorder = None
        self.use_bn = use_bn
        self.names = []           # of the parameters, in the order of forward
        self.steps = []           # names of the methods of forward with their argument
        self.running = {}
        block, number, channels = 1, 1, input_channels
        for v in CONFIGS[config_name]:
            if v == "M":
                self.steps.append(("pool", block))
                block, number = block + 1, 1
            else:
                self._add_conv(f"c{block}_{number}", channels, v)
                number, channels = number + 1, v

    def _param(self, name, tensor):
        tensor.requires_grad = True
        setattr(self, name, tensor)
        self.names.append(name)

    def _add_conv(self, name, n_in, n_out):
        self._param(name + "_w", torch.randn(n_out, n_in, 3, 3) * math.sqrt(2 / (n_in * 9)))
        self._param(name + "_b", torch.zeros(n_out))
        self.steps.append(("conv", name))
        if self.use_bn:
            self._param(name + "_gamma", torch.ones(n_out))
            self._param(name + "_beta", torch.zeros(n_out))
            self.running[name] = [torch.zeros(n_out), torch.ones(n_out)]
            self.steps.append(("norm", name))
        self.steps.append(("relu", name))

    def _add_linears(self, *widths):
        self.steps.append(("flatten", None))
        for i in range(1, len(widths)):
            n_in, n_out = widths[i - 1], widths[i]
            self._param(f"l{i}_w", torch.randn(n_out, n_in) * math.sqrt(2 / (n_in + n_out)))
            self._param(f"l{i}_b", torch.zeros(n_out))
            self.steps.append(("linear", f"l{i}"))
            if i < len(widths) - 1:
                self.steps.append(("relu", f"l{i}"))
                self.steps.append(("drop", f"l{i}"))

    # ---- one method per kind of step ----

    def conv(self, x, name):
        return F.conv2d(x, getattr(self, name + "_w"), getattr(self, name + "_b"), padding="same")

    def norm(self, x, name):
        mean, var = self.running[name]
        return batch_norm(x, getattr(self, name + "_gamma"), getattr(self, name + "_beta"), mean, var, self.training)

    def relu(self, x, name):
        return torch.relu(x)

    def pool(self, x, block):
        self.record(x)
        x = F.max_pool2d(x, 2)
        if block == 5:
            self.record(x)
        return x

    def flatten(self, x, _):
        return torch.flatten(x, 1)

    def linear(self, x, name):
        return F.linear(x, getattr(self, name + "_w"), getattr(self, name + "_b"))

    def drop(self, x, name):
        return F.dropout(x, 0.5, self.training)

    # ---- mode and recorder ----

    @contextlib.contextmanager
    def mode(self, training):
        before = self.training
        self.training = training
        try:
            yield self
        finally:
            self.training = before

    @contextlib.contextmanager
    def recording(self):
        self.recorder = []
        try:
            yield self.recorder
        finally:
            self.recorder = None

    def record(self, x):
        if self.recorder is not None:
            self.recorder.append(x)

    # ---- what the handout asks for ----

    def forward(self, x, training=True):
        """Images -> logits. With training: batch statistics, and dropout after each linear layer but the last."""
        with self.mode(training):
            for method, argument in self.steps:
                x = getattr(self, method)(x, argument)
        return x

    def parameters(self):
        """Return the list of all trained tensors, in the order in which forward uses them."""
        return [getattr(self, name) for name in self.names]

    def zero_grad(self):
        """Forget the gradient of every parameter."""
        for p in self.parameters():
            p.grad = None

    def to(self, device):
        """Move parameters and running statistics; the parameters are leaves, still trained. Returns the model."""
        for name in self.names:
            moved = getattr(self, name).detach().to(device)
            moved.requires_grad = True
            setattr(self, name, moved)
        self.running = {name: [t.to(device) for t in pair] for name, pair in self.running.items()}
        return self

    def count_parameters(self):
        """Return how many numbers are trained."""
        return sum(p.nelement() for p in self.parameters())


class VGGSmall(VGGLowLevel):
    """The same for images (N, input_channels, 32, 32): the linear layers are 512 -> 512 -> 512 -> num_classes."""

    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self._setup(config_name, input_channels, use_bn)
        self._add_linears(512, 512, 512, num_classes)


def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    """Change params and velocities (lists of tensors, of the same shapes) in place, by one step."""
    for p, v in zip(params, velocities):
        if p.grad is None:
            continue
        d_p = p.grad.data.add(p.data, alpha=weight_decay)
        v.data.mul_(momentum).add_(d_p)
        p.data.add_(v.data, alpha=-lr)


def clip(params, largest):
    """Scale all gradients down if together they are longer than largest; keeps the training from blowing up."""
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.sqrt(sum((g * g).sum() for g in grads)).item()
    if norm > largest:
        for g in grads:
            g.mul_(largest / norm)


def train_epoch(model, loader, velocities, lr):
    """One step of sgd_step_with_momentum for each batch (images, labels) of loader, in train mode."""
    total_loss = total_right = total = 0
    for images, labels in loader:
        model.zero_grad()
        logits = model.forward(images, training=True)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        clip(model.parameters(), 1.0)
        with torch.no_grad():
            total_loss += loss.item() * len(images)
            total_right += (logits.argmax(-1) == labels).sum().item()
            total += len(images)
        sgd_step_with_momentum(model.parameters(), velocities, lr)
    return total_loss / total, total_right / total


def evaluate(model, loader):
    """Return the mean cross-entropy per image and the share of right answers, as floats; nothing is trained."""
    total_loss = total_right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model.forward(images, training=False)
            total_loss += F.cross_entropy(logits, labels, reduction="sum").item()
            total_right += (logits.argmax(-1) == labels).sum().item()
            total += len(images)
    return total_loss / total, total_right / total


def visualize_features(model, image):
    """image (1, C, H, W) -> list of tensors (1, channels, h, w): each block's map before its pooling, then the last."""
    with torch.no_grad(), model.recording() as maps:
        model.forward(image, training=False)
    return maps
