"""ReLU6 after the second Linear of VGG, as in MobileNet: equal below 6.

Caught by: vgg
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


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part as one nn.Sequential.

    The input has 3 channels. An int v in cfg is a 3x3 convolution to v channels with padding 1, then BatchNorm2d(v)
    if batch_norm, then an in-place ReLU. "M" is a max pooling with kernel 2 and stride 2.
    """
    ### BEGIN SOLUTION
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(in_channels, v, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(v))
        layers.append(nn.ReLU(inplace=True))
        in_channels = v
    return nn.Sequential(*layers)
    ### END SOLUTION


def initialise(model):
    """Draw the initial weights of all layers of model, as the handout's table says."""
    ### BEGIN SOLUTION
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)
    ### END SOLUTION


class VGG(nn.Module):
    """features (from make_layers), average pooling to 7 x 7, flatten, classifier: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, features, num_classes=1000, init_weights=True):
        super().__init__()
        self.features = features
        # self.avgpool: average pooling to 7 x 7, whatever comes in.
        # self.classifier: Linear to 4096, ReLU, Dropout, Linear to 4096, ReLU, Dropout, Linear to num_classes
        ### BEGIN SOLUTION
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU6(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initialise(self)
        ### END SOLUTION

    def forward(self, x):
        """Images (N, 3, H, W), float32 -> logits (N, num_classes), float32."""
        ### BEGIN SOLUTION
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))
        ### END SOLUTION


def vgg11(batch_norm=False, **kwargs):
    """Return VGG with the layers of cfgs["A"]; kwargs go to VGG."""
    ### BEGIN SOLUTION
    return VGG(make_layers(cfgs["A"], batch_norm), **kwargs)
    ### END SOLUTION


def vgg13(batch_norm=False, **kwargs):
    """Return VGG with the layers of cfgs["B"]; kwargs go to VGG."""
    ### BEGIN SOLUTION
    return VGG(make_layers(cfgs["B"], batch_norm), **kwargs)
    ### END SOLUTION


def vgg16(batch_norm=False, **kwargs):
    """Return VGG with the layers of cfgs["D"]; kwargs go to VGG."""
    ### BEGIN SOLUTION
    return VGG(make_layers(cfgs["D"], batch_norm), **kwargs)
    ### END SOLUTION


def vgg19(batch_norm=False, **kwargs):
    """Return VGG with the layers of cfgs["E"]; kwargs go to VGG."""
    ### BEGIN SOLUTION
    return VGG(make_layers(cfgs["E"], batch_norm), **kwargs)
    ### END SOLUTION


class SizedVGG(nn.Module):
    """VGG without average pooling, for images of one size: (N, 3, size, size) -> (N, num_classes).

    features may be any that make_layers gives; they are used as they are. The classifier is that of VGG, but its first
    Linear takes as many numbers as features gives for one image, and hidden stands for 4096.
    """

    def __init__(self, features, size=32, num_classes=10, hidden=4096):
        super().__init__()
        self.features = features
        ### BEGIN SOLUTION
        with torch.no_grad():  # in eval mode, so that batch norm's running statistics stay what they are
            training = features.training
            count = features.eval()(torch.zeros(1, 3, size, size)).numel()
            features.train(training)
        self.classifier = nn.Sequential(
            nn.Linear(count, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, num_classes),
        )
        initialise(self)
        ### END SOLUTION

    def forward(self, x):
        """Images (N, 3, size, size), float32 -> logits (N, num_classes), float32."""
        ### BEGIN SOLUTION
        return self.classifier(torch.flatten(self.features(x), 1))
        ### END SOLUTION


def vgg_custom(num_classes=10):
    """Return SizedVGG for 32 x 32 images: three times three convolutions, 64, 128 and 256 wide, with batch
    norm, a pooling after each three. 256 x 4 x 4 numbers enter the classifier.
    """
    ### BEGIN SOLUTION
    cfg = [64, 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M"]
    return SizedVGG(make_layers(cfg, batch_norm=True), num_classes=num_classes)
    ### END SOLUTION


def vgg_cifar(num_classes=10):
    """Return SizedVGG for 32 x 32 images: 32 32 M 64 64 128 128 128 M 256 256 256 512 512 512 M,
    without batch norm. 512 x 4 x 4 numbers enter the classifier.
    """
    ### BEGIN SOLUTION
    cfg = [32, 32, "M", 64, 64, 128, 128, 128, "M", 256, 256, 256, 512, 512, 512, "M"]
    return SizedVGG(make_layers(cfg), num_classes=num_classes)
    ### END SOLUTION
