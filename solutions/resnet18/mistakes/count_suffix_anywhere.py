"""I look whether the suffix is somewhere in the name, so dog/1.jpg.txt counts.

Caught by: count
"""

import os
import random
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
        shortcut = x if self.down_sample is None else self.down_sample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + shortcut)


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
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        """Return an nn.Sequential of so many blocks; the first has the stride."""
        channels = out_channels * block.expansion
        down_sample = None
        if stride != 1 or self.in_channels != channels:
            down_sample = nn.Sequential(
                nn.Conv2d(self.in_channels, channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(channels),
            )
        layers = [block(self.in_channels, out_channels, stride, down_sample)]
        self.in_channels = channels
        for _ in range(1, blocks):
            layers.append(block(self.in_channels, out_channels))
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x)


def resnet18(n_classes=10):
    """Return ResNet18 with two BasicBlocks in each of its four layers."""
    return ResNet18(BasicBlock, [2, 2, 2, 2], n_classes)


def _free_name(path):
    """Return path, or where that is taken, a name like it that is not."""
    candidate, n = path, 1
    while candidate.exists():
        candidate = path.with_name(f"_{n}".join(os.path.splitext(path.name)))
        n += 1
    return candidate


def _n_files(folder):
    return sum(1 for p in folder.iterdir() if p.is_file())


def create_train_test_dirs(source, test_size=0.2, seed=0):
    """Move every file of the class folders in source (a str) into source/train/<class>/ or source/test/<class>/."""
    source = Path(source)
    folders = sorted(p for p in source.iterdir() if p.is_dir() and p.name not in ("train", "test"))
    classes = {}
    for folder in folders:
        classes.setdefault(TRANSLATE.get(folder.name, folder.name), []).append(folder)
    for name, class_folders in classes.items():
        train, test = source / "train" / name, source / "test" / name
        train.mkdir(parents=True, exist_ok=True)
        test.mkdir(parents=True, exist_ok=True)
        files = sorted(p for folder in class_folders for p in folder.rglob("*") if p.is_file())
        n_train, n_test = _n_files(train), _n_files(test)
        random.Random(str(seed)).shuffle(files)
        n_new = max(0, round(test_size * (len(files) + n_train + n_test)) - n_test)
        for i, path in enumerate(files):
            path.rename(_free_name((test if i < n_new else train) / path.name))
        for folder in class_folders:
            for inner in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
                inner.rmdir()
            folder.rmdir()


def count_images(folder):
    """Return {class: number of images} for the class folders in folder (a str); see IMAGE_SUFFIXES, in either case."""
    counts = {}
    for path in Path(folder).iterdir():
        if path.is_dir():
            files = [p.name.lower() for p in path.iterdir() if p.is_file()]
            counts[path.name] = sum(1 for name in files if any(suffix in name for suffix in IMAGE_SUFFIXES))
    return counts
