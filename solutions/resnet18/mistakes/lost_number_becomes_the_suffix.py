"""A second file without suffix gets one: README.1.

Caught by: lost
"""

import hashlib
import os
from pathlib import Path

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


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to a shortcut, then ReLU."""

    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.down_sample = down_sample

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        identity = x
        if self.down_sample is not None:
            identity = self.down_sample(x)
        return self.relu(out + identity)


class ResNet18(nn.Module):
    """(N, 3, H, W) -> logits (N, n_classes). layers says how many blocks layer1 to layer4 have, e.g. [2, 2, 2, 2]."""

    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        """Return an nn.Sequential of so many blocks."""
        down_sample = None
        if stride != 1 or self.in_channels != out_channels * block.expansion:
            down_sample = nn.Sequential(
                nn.Conv2d(self.in_channels, out_channels * block.expansion, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels * block.expansion),
            )
        modules = [block(self.in_channels, out_channels, stride, down_sample)]
        self.in_channels = out_channels * block.expansion
        for _ in range(1, blocks):
            modules.append(block(self.in_channels, out_channels))
        return nn.Sequential(*modules)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x)


def resnet18(n_classes=10):
    """Return ResNet18 with two BasicBlocks in each of its four layers."""
    return ResNet18(BasicBlock, [2, 2, 2, 2], n_classes)


def _rank(file, seed):
    """Where a file stands in the random order: depends on the seed and the names only."""
    return hashlib.sha256(os.fsencode(f"{seed}/{file.parent.name}/{file.name}")).hexdigest()


def _move(file, folder):
    """Move file into folder, under another name where its own is taken."""
    target = folder / file.name
    number = 1
    while os.path.lexists(target):
        target = folder / f"{file.stem}.{number}{file.suffix}"
        number += 1
    os.rename(file, target)


def create_train_test_dirs(source, test_size=0.2, seed=0):
    """Move every file of the class folders in source (a str) into source/train/<class>/ or source/test/<class>/."""
    root = Path(source)
    classes = {}
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and folder.name not in ("train", "test"):
            classes.setdefault(TRANSLATE.get(folder.name, folder.name), []).append(folder)

    for name, folders in classes.items():
        train, test = root / "train" / name, root / "test" / name
        train.mkdir(parents=True, exist_ok=True)
        test.mkdir(parents=True, exist_ok=True)
        waiting = [file for folder in folders for file in sorted(folder.iterdir())]
        waiting.sort(key=lambda file: _rank(file, seed))
        n_train, n_test = len(os.listdir(train)), len(os.listdir(test))
        wanted = max(0, round((len(waiting) + n_train + n_test) * test_size) - n_test)
        for file in waiting[:wanted]:
            _move(file, test)
        for file in waiting[wanted:]:
            _move(file, train)
        for folder in folders:
            folder.rmdir()


def count_images(folder):
    """Return {class: number of images} for the class folders in folder (a str); see IMAGE_SUFFIXES, in either case."""
    counts = {}
    for path in sorted(Path(folder).iterdir()):
        if path.is_dir():
            counts[path.name] = sum(f.is_file() and f.suffix.lower() in IMAGE_SUFFIXES for f in path.iterdir())
    return counts
