"""Folders are translated by str.replace: mucca_frisona becomes cow_frisona.

Caught by: again
"""

import os
import random
from os.path import isdir, isfile, islink, join, lexists, splitext

import torch
from torch import nn

# The class folders of the data set animals-10 have Italian names.
TRANSLATE = {
    "cane": "dog",
    "cavallo": "horse",
    "elefante": "elephant",
    "farfalla": "butterfly",
    "gallina": "chicken",
    "gatto": "cat",
    "mucca": "cow",
    "pecora": "sheep",
    "ragno": "spider",
    "scoiattolo": "squirrel",
}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


def relu(a):
    return torch.where(a > 0, a, torch.zeros_like(a))


class ChannelMean(nn.Module):
    """(N, C, H, W) -> (N, C, 1, 1)"""

    def forward(self, a):
        n, c, h, w = a.shape
        return a.reshape(n, c, h * w).mean(axis=-1).reshape(n, c, 1, 1)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to a shortcut, then ReLU."""

    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super().__init__()
        cin, cout = in_channels, out_channels
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.down_sample = down_sample

    def forward(self, x):
        s = x if self.down_sample is None else self.down_sample(x)
        y = relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return relu(y + s)


class ResNet18(nn.Module):
    """(N, 3, H, W) -> logits (N, n_classes). layers says how many blocks layer1 to layer4 have, e.g. [2, 2, 2, 2]."""

    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, 64, layers[0], 1)
        self.layer2 = self._make_layer(block, 128, layers[1], 2)
        self.layer3 = self._make_layer(block, 256, layers[2], 2)
        self.layer4 = self._make_layer(block, 512, layers[3], 2)
        self.avgpool = ChannelMean()
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        c0, c1 = self.in_channels, out_channels * block.expansion
        self.in_channels = c1
        if (c0, stride) == (c1, 1):
            ds = None
        else:
            ds = nn.Sequential(nn.Conv2d(c0, c1, 1, stride, bias=False), nn.BatchNorm2d(c1))
        first = block(c0, out_channels, stride, ds)
        rest = [block(c1, out_channels) for _ in range(blocks - 1)]
        return nn.Sequential(first, *rest)

    def forward(self, x):
        n = x.shape[0]
        y = self.maxpool(relu(self.bn1(self.conv1(x))))
        y = self.layer4(self.layer3(self.layer2(self.layer1(y))))
        y = self.avgpool(y)
        return self.fc(y.reshape(n, y.shape[1]))


def resnet18(n_classes=10):
    """Return ResNet18 with two BasicBlocks in each of its four layers."""
    return ResNet18(BasicBlock, 4 * [2], n_classes)


def ls(d):
    """Sorted names of the files in d, of whatever kind."""
    return sorted(f for f in os.listdir(d) if islink(join(d, f)) or not isdir(join(d, f)))


def translate(d):
    for italian, english in TRANSLATE.items():
        d = d.replace(italian, english)
    return d


def permutation(n, rng):
    p = list(range(n))
    for i in range(n - 1, 0, -1):
        j = rng.randint(0, i)
        p[i], p[j] = p[j], p[i]
    return p


def create_train_test_dirs(source, test_size=0.2, seed=0):
    """Move every file of the class folders in source (a str) into source/train/<class>/ or source/test/<class>/."""
    dirs = sorted(d for d in os.listdir(source) if isdir(join(source, d)) and d not in ("train", "test"))
    names = [translate(d) for d in dirs]
    rng = random.Random(repr(seed))

    for c in sorted(set(names)):
        train, test = join(source, "train", c), join(source, "test", c)
        for d in (train, test):
            os.makedirs(d, exist_ok=True)

        own = [join(source, d) for d, name in zip(dirs, names) if name == c]
        src = [(d, f) for d in own for f in ls(d)]
        n, n_train, n_test = len(src), len(ls(train)), len(ls(test))
        k = int(test_size * (n + n_train + n_test) + 0.5) - n_test  # how many more belong into test
        k = sorted((0, k, n))[1]

        for place, i in enumerate(permutation(n, rng)):
            d, f = src[i]
            dst = test if place < k else train
            g, number = f, 0
            while lexists(join(dst, g)):
                number += 1
                stem, suffix = splitext(f)
                g = f"{stem[:48]}({number}){suffix}"
            os.rename(join(d, f), join(dst, g))

        for d in own:
            os.rmdir(d)


def count_images(folder):
    """Return {class: number of images} for the class folders in folder (a str); see IMAGE_SUFFIXES, in either case."""
    def is_image(d, f):
        return splitext(f)[1].lower() in IMAGE_SUFFIXES and isfile(join(d, f))

    dirs = [(c, join(folder, c)) for c in os.listdir(folder)]
    return {c: sum(is_image(d, f) for f in os.listdir(d)) for c, d in dirs if isdir(d)}
