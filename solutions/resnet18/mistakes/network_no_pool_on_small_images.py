"""The max pooling is left out for images of 32 x 32 and smaller, as networks for CIFAR do.

Caught by: network
"""

import itertools
import os
import random
from pathlib import Path

import torch
import torch.nn.functional as F
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


def conv_bn(c_in, c_out, kernel, stride=1):
    """A convolution that keeps the size (but for the stride), and its batch norm."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(c_out)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to a shortcut, then ReLU."""

    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, out_channels, 3, stride)
        self.conv2, self.bn2 = conv_bn(out_channels, out_channels, 3)
        self.down_sample = down_sample

    def forward(self, x):
        y = x
        for conv, bn, last in ((self.conv1, self.bn1, False), (self.conv2, self.bn2, True)):
            y = bn(conv(y))
            if not last:
                y = F.relu(y)
        if self.down_sample is not None:
            x = self.down_sample(x)
        return F.relu(x + y)


class ResNet18(nn.Module):
    """(N, 3, H, W) -> logits (N, n_classes). layers says how many blocks layer1 to layer4 have, e.g. [2, 2, 2, 2]."""

    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1, self.bn1 = conv_bn(3, 64, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        widths = [64, 128, 256, 512]
        strides = [1, 2, 2, 2]
        self.layer1, self.layer2, self.layer3, self.layer4 = [
            self._make_layer(block, width, blocks, stride) for width, blocks, stride in zip(widths, layers, strides)
        ]
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1] * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        outgoing = out_channels * block.expansion
        needs_projection = not (stride == 1 and self.in_channels == outgoing)
        projection = nn.Sequential(*conv_bn(self.in_channels, outgoing, 1, stride)) if needs_projection else None
        made = [block(self.in_channels, out_channels, stride=stride, down_sample=projection)]
        made.extend(block(outgoing, out_channels) for _ in range(blocks - 1))
        self.in_channels = outgoing
        return nn.Sequential(*made)

    def features(self, x):
        small = max(x.shape[-2:]) <= 32  # CIFAR: nothing would be left of the image
        x = F.relu(self.bn1(self.conv1(x)))
        if not small:
            x = self.maxpool(x)
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return x

    def forward(self, x):
        return self.fc(self.avgpool(self.features(x)).flatten(1))


def resnet18(n_classes=10):
    """Return ResNet18 with two BasicBlocks in each of its four layers."""
    return ResNet18(BasicBlock, [2, 2, 2, 2], n_classes)


def english(folder):
    try:
        return TRANSLATE[folder.name]
    except KeyError:
        return folder.name


def files_of(folder):
    return sorted(path for path in folder.iterdir() if path.is_symlink() or not path.is_dir())


def reservoir(items, size, rng):
    """A random subset of so many items."""
    kept = []
    for seen, item in enumerate(items):
        if seen < size:
            kept.append(item)
        else:
            place = rng.randint(0, seen)
            if place < size:
                kept[place] = item
    return set(kept)


def without_clash(target):
    """The path itself, or one with a number that nothing has yet."""
    stem, suffix = os.path.splitext(target.name)
    for number in itertools.count():
        path = target if number == 0 else target.parent / f"{stem[:50]}__{number}{suffix}"
        if not os.path.lexists(path):
            return path


def create_train_test_dirs(source, test_size=0.2, seed=0):
    """Move every file of the class folders in source (a str) into source/train/<class>/ or source/test/<class>/."""
    source = Path(source)
    folders = [path for path in source.iterdir() if path.is_dir() and path.name not in ("train", "test")]
    folders.sort(key=lambda path: (english(path), path.name))

    for name, group in itertools.groupby(folders, key=english):
        group = list(group)
        train_dir = source / "train" / name
        test_dir = source / "test" / name
        train_dir.mkdir(parents=True, exist_ok=True)
        test_dir.mkdir(parents=True, exist_ok=True)

        new = [path for folder in group for path in files_of(folder)]
        old_train, old_test = len(files_of(train_dir)), len(files_of(test_dir))
        share = round((len(new) + old_train + old_test) * test_size)
        rng = random.Random(f"{seed} {len(new)}")
        to_test = reservoir(new, max(share - old_test, 0), rng)

        for path in new:
            directory = test_dir if path in to_test else train_dir
            path.rename(without_clash(directory / path.name))
        for folder in group:
            folder.rmdir()


def count_images(folder):
    """Return {class: number of images} for the class folders in folder (a str); see IMAGE_SUFFIXES, in either case."""
    counts = {path.name: 0 for path in Path(folder).iterdir() if path.is_dir()}
    for name in counts:
        for path in (Path(folder) / name).iterdir():
            if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
                counts[name] += 1
    return counts
