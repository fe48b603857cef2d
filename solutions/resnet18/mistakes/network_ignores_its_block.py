"""ResNet18 is made of BasicBlock, whatever block it is given.

Caught by: layers
"""

import hashlib
import os
import random
import shutil
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


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.down_sample = down_sample

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        shortcut = x if self.down_sample is None else self.down_sample(x)
        return F.relu(out + shortcut)


class ResNet18(nn.Module):
    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        width = out_channels * block.expansion
        down_sample = None
        if stride != 1 or self.in_channels != width:
            down_sample = nn.Sequential(
                nn.Conv2d(self.in_channels, width, 1, stride=stride, bias=False),
                nn.BatchNorm2d(width),
            )
        layer = [BasicBlock(self.in_channels, out_channels, stride, down_sample)]
        self.in_channels = width
        for _ in range(1, blocks):
            layer.append(BasicBlock(self.in_channels, out_channels))
        return nn.Sequential(*layer)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet18(n_classes=10):
    return ResNet18(BasicBlock, [2, 2, 2, 2], n_classes)


def _files(folder):
    """All files in the folder, however deep."""
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            found.extend(_files(entry))
        else:
            found.append(entry)
    return found


def _free(folder, name):
    """A path in folder that nothing has yet, with the same suffix."""
    stem, suffix = os.path.splitext(name)
    target, n = folder / name, 0
    while os.path.lexists(target):
        n += 1
        target = folder / f"{stem}_{n}{suffix}"
    return target


def _remove(folder):
    for entry in folder.iterdir():
        _remove(entry)
    folder.rmdir()


def _rank(seed, root, file):
    """A number as good as random, but always the same for the same seed and file."""
    return hashlib.sha256(f"{seed} ".encode() + os.fsencode(file.relative_to(root))).digest()


def create_train_test_dirs(source, test_size=0.2, seed=0):
    root = Path(source)
    classes = {}
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and folder.name not in ("train", "test"):
            classes.setdefault(TRANSLATE.get(folder.name, folder.name), []).append(folder)
    for name, folders in classes.items():
        train, test = root / "train" / name, root / "test" / name
        train.mkdir(parents=True, exist_ok=True)
        test.mkdir(parents=True, exist_ok=True)
        waiting = [file for folder in folders for file in _files(folder)]
        in_train, in_test = len(_files(train)), len(_files(test))
        wanted = round(test_size * (in_train + in_test + len(waiting))) - in_test
        ranked = sorted(waiting, key=lambda file: _rank(seed, root, file))
        chosen = set(ranked[:max(0, wanted)])
        for file in waiting:
            file.rename(_free(test if file in chosen else train, file.name))
        for folder in folders:
            _remove(folder)


def count_images(folder):
    counts = {}
    for entry in sorted(Path(folder).iterdir()):
        if entry.is_dir():
            counts[entry.name] = sum(
                file.is_file() and file.suffix.lower() in IMAGE_SUFFIXES for file in entry.iterdir()
            )
    return counts




