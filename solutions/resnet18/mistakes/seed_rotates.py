"""Nothing is random: the files are sorted and rotated by the seed.

Caught by: seed
"""

import random
from itertools import chain, count
from os.path import lexists, splitext
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
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.down_sample = down_sample

    def forward(self, x):
        shortcut = self.down_sample(x) if self.down_sample is not None else x
        return (self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + shortcut).relu()


class ResNet18(nn.Module):
    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1, self.maxpool = nn.BatchNorm2d(64), nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            self._make_layer(block, 64 << i, n, 1 + (i > 0)) for i, n in enumerate(layers)
        )
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        old, self.in_channels = self.in_channels, out_channels * block.expansion
        short = None
        if stride != 1 or old != self.in_channels:
            short = nn.Sequential(nn.Conv2d(old, self.in_channels, 1, stride, bias=False), nn.BatchNorm2d(self.in_channels))
        return nn.Sequential(
            block(old, out_channels, stride, short), *(block(self.in_channels, out_channels) for _ in range(1, blocks))
        )

    def forward(self, x):
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        return self.fc(self.avgpool(self.layer4(self.layer3(self.layer2(self.layer1(x))))).flatten(1))


def resnet18(n_classes=10):
    return ResNet18(BasicBlock, [2] * 4, n_classes)


def create_train_test_dirs(source, test_size=0.2, seed=0):
    root, classes = Path(source), {}
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and p.name not in {"train", "test"}):
        classes.setdefault(TRANSLATE.get(folder.name, folder.name), []).append(folder)
    for name, folders in classes.items():
        train, test = root / "train" / name, root / "test" / name
        for target in train, test:
            target.mkdir(parents=True, exist_ok=True)
        files = [file for folder in folders for file in sorted(folder.iterdir())]
        start = seed % max(len(files), 1)
        files = files[start:] + files[:start]
        have = len(list(test.iterdir()))
        more = max(0, round(test_size * (len(files) + have + len(list(train.iterdir())))) - have)
        for i, file in enumerate(files):
            target, (stem, suffix) = test if i < more else train, splitext(file.name)
            names = chain([file.name], (f"{stem[:50]}-{n}{suffix}" for n in count(1)))
            file.rename(next(target / n for n in names if not lexists(target / n)))
        for folder in folders:
            folder.rmdir()


def count_images(folder):
    return {
        c.name: sum(f.suffix.lower() in IMAGE_SUFFIXES for f in c.iterdir() if f.is_file())
        for c in Path(folder).iterdir()
        if c.is_dir()
    }
