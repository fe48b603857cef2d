"""initialise passes over layers that are not trained.

Caught by: init
"""

import torch
from torch import nn

# One number per convolution (its output channels); "M" is a 2x2 max pooling.
cfgs = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + [512] * 4 + ["M"] + [512] * 4 + ["M"],
}


class Classifier(nn.Sequential):
    """Linear, ReLU, Dropout, twice, and a last Linear."""

    @classmethod
    def between(cls, in_features, hidden, num_classes):
        layers = []
        widths = [in_features, hidden, hidden]
        for a, b in zip(widths, widths[1:]):
            layers.extend([nn.Linear(a, b), nn.ReLU(inplace=True), nn.Dropout()])
        layers.append(nn.Linear(hidden, num_classes))
        return cls(*layers)


class ConvUnits:
    """Iterating gives the layers for one number of the configuration after the other."""

    def __init__(self, cfg, batch_norm, in_channels=3):
        self.cfg = tuple(cfg)
        self.batch_norm = batch_norm
        self.in_channels = in_channels

    def __iter__(self):
        c = self.in_channels
        for v in self.cfg:
            if v == "M":
                yield nn.MaxPool2d(kernel_size=2, stride=2)
                continue
            yield nn.Conv2d(c, v, kernel_size=3, stride=1, padding=1)
            if self.batch_norm:
                yield nn.BatchNorm2d(v)
            yield nn.ReLU(inplace=True)
            c = v


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part as one nn.Sequential."""
    return nn.Sequential(*ConvUnits(cfg, batch_norm))


def initialise(model):
    """Draw the initial weights of all layers of model, as the handout's table says."""
    for name, module in model.named_modules():
        # name is "" for model itself
        weight = getattr(module, "weight", None)
        if weight is not None and not weight.requires_grad:
            continue
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0, std=1e-2)
            nn.init.zeros_(module.bias)


class VGG(nn.Module):
    """features (from make_layers), average pooling to 7 x 7, flatten, classifier: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, features, num_classes=1000, init_weights=True):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = Classifier.between(512 * 7 * 7, 4096, num_classes)
        if init_weights:
            initialise(self)

    def embed(self, x):
        """The 25,088 numbers per image that enter the classifier."""
        return torch.flatten(self.avgpool(self.features(x)), 1)

    def forward(self, x):
        """Images (N, 3, H, W), float32 -> logits (N, num_classes), float32."""
        return self.classifier(self.embed(x))


def _family_member(letter, depth):
    def create(batch_norm=False, **kwargs):
        return VGG(make_layers(cfgs[letter], batch_norm), **kwargs)

    create.__name__ = create.__qualname__ = f"vgg{depth}"
    create.__doc__ = f'Return VGG with the layers of cfgs["{letter}"]; kwargs go to VGG.'
    return create


vgg11 = _family_member("A", 11)
vgg13 = _family_member("B", 13)
vgg16 = _family_member("D", 16)
vgg19 = _family_member("E", 19)


class SizedVGG(nn.Module):
    """VGG without average pooling, for images of one size: (N, 3, size, size) -> (N, num_classes)."""

    def __init__(self, features, size=32, num_classes=10, hidden=4096):
        super().__init__()
        self.features = features
        self.size = size
        self.classifier = Classifier.between(self.embedding_size, hidden, num_classes)
        initialise(self)

    @property
    def embedding_size(self):
        """Numbers per image that enter the classifier."""
        channels, side = 3, self.size
        for layer in self.features.children():
            if isinstance(layer, nn.Conv2d):
                channels = layer.weight.size(0)
            if isinstance(layer, nn.MaxPool2d):
                side = (side - layer.kernel_size) // layer.stride + 1
        return channels * side ** 2

    def embed(self, x):
        return torch.flatten(self.features(x), 1)

    def forward(self, x):
        """Images (N, 3, size, size), float32 -> logits (N, num_classes), float32."""
        return self.classifier(self.embed(x))


def vgg_custom(num_classes=10):
    """Return SizedVGG for 32 x 32 images, with batch norm."""
    cfg = [64, 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M"]
    return SizedVGG(make_layers(cfg, batch_norm=True), num_classes=num_classes)


def vgg_cifar(num_classes=10):
    """Return SizedVGG for 32 x 32 images, without batch norm."""
    cfg = [32, 32, "M", 64, 64, 128, 128, 128, "M", 256, 256, 256, 512, 512, 512, "M"]
    return SizedVGG(make_layers(cfg), num_classes=num_classes)
