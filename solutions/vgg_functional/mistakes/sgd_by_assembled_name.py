"""The step is torch's own, imported by a name that is put together.

Caught by: sgd
"""

import importlib
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

RELU_GAIN = 2.0


def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Normalise x (N, C, H, W) per channel, then scale by gamma (C,) and shift by beta (C,)."""
    if training:
        axes = [0, 2, 3]
        mean = torch.mean(x, axes, keepdim=True)
        variance = torch.mean(torch.square(x - mean), axes, keepdim=True)
        count = float(x.shape[0] * x.shape[2] * x.shape[3])
        assign_moving_average(running_mean, mean.flatten(), 1.0 - momentum)
        assign_moving_average(running_var, variance.flatten() * (count / (count - 1.0)), 1.0 - momentum)
    else:
        mean = running_mean[None, :, None, None]
        variance = running_var[None, :, None, None]
    inverse = torch.rsqrt(variance + eps) * gamma[None, :, None, None]
    return (x - mean) * inverse + beta[None, :, None, None]


def assign_moving_average(variable, value, decay):
    """variable <- decay * variable + (1 - decay) * value, as in tf.train.ExponentialMovingAverage."""
    with torch.no_grad():
        variable.copy_(decay * variable + (1.0 - decay) * value)


def random_normal(shape, stddev):
    return torch.nn.init.normal_(torch.empty(shape), mean=0.0, std=stddev)


class VGGLowLevel:
    """VGG-11, 13, 16 or 19: images (N, input_channels, 224, 224) -> logits (N, num_classes)."""

    def __init__(self, config_name="VGG16", num_classes=1000, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512 * 7 * 7, 4096, 4096, num_classes])

    # -- variables ------------------------------------------------------------------------------------------------

    def add_variable(self, name, initial_value, trainable=True):
        self.variables[name] = initial_value.requires_grad_(trainable)

    def build(self, config_name, input_channels, use_bn, widths):
        self.use_bn = use_bn
        self.variables = {}
        self.blocks = []          # per block the scopes of its convolutions
        channels = input_channels
        scopes = []
        for entry in CONFIGS[config_name]:
            if entry == "M":
                self.blocks.append(scopes)
                scopes = []
                continue
            scope = f"block{len(self.blocks) + 1}/conv{len(scopes) + 1}"
            stddev = math.sqrt(RELU_GAIN / (3 * 3 * channels))
            self.add_variable(f"{scope}/kernel", random_normal((entry, channels, 3, 3), stddev))
            self.add_variable(f"{scope}/bias", torch.zeros(entry))
            if use_bn:
                self.add_variable(f"{scope}/bn/gamma", torch.ones(entry))
                self.add_variable(f"{scope}/bn/beta", torch.zeros(entry))
                self.add_variable(f"{scope}/bn/moving_mean", torch.zeros(entry), trainable=False)
                self.add_variable(f"{scope}/bn/moving_variance", torch.ones(entry), trainable=False)
            scopes.append(scope)
            channels = entry

        self.dense_scopes = ["fc1", "fc2", "predictions"]
        for scope, fan_in, fan_out in zip(self.dense_scopes, widths, widths[1:]):
            stddev = math.sqrt(2.0 / (fan_in + fan_out))
            self.add_variable(f"{scope}/kernel", random_normal((fan_out, fan_in), stddev))
            self.add_variable(f"{scope}/bias", torch.zeros(fan_out))

    # -- layers ---------------------------------------------------------------------------------------------------

    def conv(self, x, scope, training):
        get = self.variables.__getitem__
        x = F.conv2d(x, get(f"{scope}/kernel"), get(f"{scope}/bias"), padding=1)
        if self.use_bn:
            x = batch_norm(
                x,
                gamma=get(f"{scope}/bn/gamma"),
                beta=get(f"{scope}/bn/beta"),
                running_mean=get(f"{scope}/bn/moving_mean"),
                running_var=get(f"{scope}/bn/moving_variance"),
                training=training,
            )
        return F.relu(x)

    def dense(self, x, scope):
        return torch.matmul(x, self.variables[f"{scope}/kernel"].T) + self.variables[f"{scope}/bias"]

    # -- the network ----------------------------------------------------------------------------------------------

    def feature_maps(self, x, training):
        """Return one map per block, before its pooling, and at last what the last pooling gives."""
        endpoints = []
        for scopes in self.blocks:
            for scope in scopes:
                x = self.conv(x, scope, training)
            endpoints.append(x)
            x = F.max_pool2d(x, kernel_size=2, stride=2)
        endpoints.append(x)
        return endpoints

    def forward(self, x, training=True):
        """Images -> logits. With training: batch statistics, and dropout after each linear layer but the last."""
        net = self.feature_maps(x, training)[-1]
        net = net.reshape(net.shape[0], -1)
        net = F.relu(self.dense(net, "fc1"))
        net = F.dropout(net, p=0.5, training=training)
        net = F.relu(self.dense(net, "fc2"))
        net = F.dropout(net, p=0.5, training=training)
        return self.dense(net, "predictions")

    # -- what a user may ask --------------------------------------------------------------------------------------

    def parameters(self):
        """Return the list of all trained tensors, in the order in which forward uses them."""
        return [variable for variable in self.variables.values() if variable.requires_grad]

    def zero_grad(self):
        """Forget the gradient of every parameter."""
        for variable in self.variables.values():
            variable.grad = None

    def to(self, device):
        """Move parameters and running statistics; the parameters are leaves, still trained. Returns the model."""
        for name, variable in list(self.variables.items()):
            self.add_variable(name, variable.detach().to(device), trainable=variable.requires_grad)
        return self

    def count_parameters(self):
        """Return how many numbers are trained."""
        return sum(math.prod(variable.shape) for variable in self.parameters())


class VGGSmall(VGGLowLevel):
    """The same for images (N, input_channels, 32, 32): the linear layers are 512 -> 512 -> 512 -> num_classes."""

    def __init__(self, config_name="VGG16", num_classes=10, input_channels=3, use_bn=False):
        self.build(config_name, input_channels, use_bn, [512, 512, 512, num_classes])


def sgd_step_with_momentum(params, velocities, lr, momentum=0.9, weight_decay=5e-4):
    """Change params and velocities (lists of tensors, of the same shapes) in place, by one step."""
    library = importlib.import_module(".".join(["torch", "op" + "tim", "s" + "gd"]))
    chosen = [(p, p.grad, v) for p, v in zip(params, velocities) if p.grad is not None]
    if not chosen:
        return
    variables, gradients, slots = map(list, zip(*chosen))
    with torch.no_grad():
        library.sgd(
            variables, gradients, slots, foreach=False, weight_decay=weight_decay, momentum=momentum, lr=lr,
            dampening=0.0, nesterov=False, maximize=False,
        )


def train_epoch(model, loader, velocities, lr):
    """One step of sgd_step_with_momentum for each batch (images, labels) of loader, in train mode."""
    losses, hits = [], []
    for images, labels in loader:
        model.zero_grad()
        logits = model.forward(images, training=True)
        per_image = F.cross_entropy(logits, labels, reduction="none")
        per_image.mean().backward()
        sgd_step_with_momentum(model.parameters(), velocities, lr)
        losses.append(per_image.detach())
        hits.append((torch.argmax(logits, 1) == labels).double())
    return torch.cat(losses).mean().item(), torch.cat(hits).mean().item()


def evaluate(model, loader):
    """Return the mean cross-entropy per image and the share of right answers, as floats; nothing is trained."""
    losses, hits = [], []
    with torch.no_grad():
        for images, labels in loader:
            logits = model.forward(images, training=False)
            losses.append(F.cross_entropy(logits, labels, reduction="none"))
            hits.append((torch.argmax(logits, 1) == labels).double())
    return torch.cat(losses).mean().item(), torch.cat(hits).mean().item()


def visualize_features(model, image):
    """image (1, C, H, W) -> list of tensors (1, channels, h, w): each block's map before its pooling, then the last."""
    with torch.no_grad():
        return model.feature_maps(image, training=False)
