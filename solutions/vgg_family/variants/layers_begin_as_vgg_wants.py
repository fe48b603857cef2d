"""make_layers draws by the table, so init_weights=False leaves these weights; a generator of its own."""

from functools import singledispatch

import torch
from torch import nn

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
cfgs = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + [512] * 4 + ["M"] + [512] * 4 + ["M"],
}


@singledispatch
def _draw(layer, normal):
    """Layers without weights."""


@_draw.register(nn.Conv2d)
def _(layer, normal):
    out, _, height, width = layer.weight.shape
    normal(layer.weight, (2 / (out * height * width)) ** 0.5)
    _constant(layer.bias, 0)


@_draw.register(nn.BatchNorm2d)
def _(layer, normal):
    _constant(layer.weight, 1)
    _constant(layer.bias, 0)


@_draw.register(nn.Linear)
def _(layer, normal):
    normal(layer.weight, 0.01)
    _constant(layer.bias, 0)


def _constant(parameter, value):
    if parameter is not None:
        with torch.no_grad():
            parameter.fill_(value)


def _source():
    """A function normal(parameter, std), with one generator per device, all seeded from PyTorch's."""
    generators = {}

    @torch.no_grad()
    def normal(parameter, std):
        if parameter.is_meta:
            return
        device = parameter.device
        if device not in generators:
            seed = int(torch.randint(2**62, (), device="cpu"))
            generators[device] = torch.Generator(device).manual_seed(seed)
        parameter.normal_(0, std, generator=generators[device])

    return normal


def initialise(model):
    """Draw the initial weights of all layers of model, as the handout's table says."""
    normal = _source()
    for layer in model.modules():
        _draw(layer, normal)
    return model


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part as one nn.Sequential, its weights drawn."""
    layers, channels = [], 3
    for v in cfg:
        if v == "M":
            layers += (nn.MaxPool2d(2, 2),)
        else:
            norm = (nn.BatchNorm2d(v),) if batch_norm else ()
            layers += (nn.Conv2d(channels, v, 3, padding=1), *norm, nn.ReLU(inplace=True))
            channels = v
    return initialise(nn.Sequential(*layers))


def _classifier(numbers, hidden, num_classes):
    drop = lambda: (nn.ReLU(), nn.Dropout())  # noqa: E731
    return nn.Sequential(
        nn.Linear(numbers, hidden), *drop(), nn.Linear(hidden, hidden), *drop(), nn.Linear(hidden, num_classes)
    )


class VGG(nn.Module):
    """features (from make_layers), average pooling to 7 x 7, flatten, classifier: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, features, num_classes=1000, init_weights=True):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(output_size=(7, 7))
        self.classifier = _classifier(25088, 4096, num_classes)
        if init_weights:
            initialise(self)

    def forward(self, x):
        """Images (N, 3, H, W), float32 -> logits (N, num_classes), float32."""
        return self.classifier(self.avgpool(self.features(x)).flatten(start_dim=1))


class _Builder:
    """A function that returns VGG with the layers of one list."""

    def __init__(self, letter):
        self.letter = letter

    def __call__(self, batch_norm=False, **kwargs):
        return VGG(make_layers(cfgs[self.letter], batch_norm), **kwargs)

    def __repr__(self):
        return f"<VGG {self.letter}>"


vgg11, vgg13, vgg16, vgg19 = map(_Builder, "ABDE")


class SizedVGG(nn.Module):
    """VGG without average pooling, for images of one size: (N, 3, size, size) -> (N, num_classes)."""

    def __init__(self, features, size=32, num_classes=10, hidden=4096):
        super().__init__()
        self.features = initialise(features)
        channels, side = 3, size
        for layer in features:
            if isinstance(layer, nn.Conv2d):
                channels = layer.out_channels
            elif isinstance(layer, nn.MaxPool2d):
                side //= 2
        self.classifier = initialise(_classifier(channels * side * side, hidden, num_classes))

    def forward(self, x):
        """Images (N, 3, size, size), float32 -> logits (N, num_classes), float32."""
        return self.classifier(self.features(x).flatten(start_dim=1))


def vgg_custom(num_classes=10):
    """Return SizedVGG for 32 x 32 images, three times three convolutions, with batch norm."""
    cfg = [v for width in (64, 128, 256) for v in (width, width, width, "M")]
    return SizedVGG(make_layers(cfg, True), num_classes=num_classes)


def vgg_cifar(num_classes=10):
    """Return SizedVGG for 32 x 32 images, without batch norm."""
    text = "32 32 M 64 64 128 128 128 M 256 256 256 512 512 512 M"
    return SizedVGG(make_layers([v if v == "M" else int(v) for v in text.split()]), num_classes=num_classes)
