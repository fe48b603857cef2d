"""Only the stride decides whether there is a shortcut: fine in this network, not where only the channels change.

Caught by: layers
"""

import os
import random
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

TRANSLATE = {
    "cane": "dog", "cavallo": "horse", "elefante": "elephant", "farfalla": "butterfly", "gallina": "chicken",
    "gatto": "cat", "mucca": "cow", "pecora": "sheep", "ragno": "spider", "scoiattolo": "squirrel",
}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.down_sample = down_sample

    def forward(self, x):
        identity = x
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.down_sample is not None:
            identity = self.down_sample(x)
        out += identity
        return F.relu(out)


class ResNet18(nn.Module):
    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2)
        self.layer3 = self._make_layer(block, 256, layers[2], 2)
        self.layer4 = self._make_layer(block, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        down_sample = None
        if stride != 1:
            down_sample = nn.Sequential(
                nn.Conv2d(self.in_channels, out_channels * block.expansion, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels * block.expansion),
            )
        layers = [block(self.in_channels, out_channels, stride, down_sample)]
        self.in_channels = out_channels * block.expansion
        for _ in range(1, blocks):
            layers.append(block(self.in_channels, out_channels))
        return nn.Sequential(*layers)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.fc(x)


def resnet18(n_classes=10):
    return ResNet18(BasicBlock, [2, 2, 2, 2], n_classes)


def create_train_test_dirs(source, test_size=0.2, seed=0):
    source = Path(source)
    classes = sorted(p for p in source.iterdir() if p.is_dir() and p.name not in ("train", "test"))
    for folder in classes:
        label = TRANSLATE.get(folder.name, folder.name)
        train_dir = source / "train" / label
        test_dir = source / "test" / label
        train_dir.mkdir(parents=True, exist_ok=True)
        test_dir.mkdir(parents=True, exist_ok=True)
        files = sorted(folder.iterdir())
        random.Random(seed).shuffle(files)
        n_train = len(list(train_dir.iterdir()))
        n_test = len(list(test_dir.iterdir()))
        total = len(files) + n_train + n_test
        need = int(total * test_size) - n_test
        for i, file in enumerate(files):
            target_dir = test_dir if i < need else train_dir
            target = target_dir / file.name
            number = 1
            while target.exists():
                target = target_dir / f"{file.stem}_{number}{file.suffix}"
                number += 1
            os.rename(file, target)
        folder.rmdir()


def count_images(folder):
    counts = {}
    for path in sorted(Path(folder).iterdir()):
        if path.is_dir():
            counts[path.name] = len([f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES])
    return counts
