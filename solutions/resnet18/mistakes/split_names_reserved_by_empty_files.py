"""I reserve each name with an empty file; after an interruption it stays.

Caught by: interrupted
"""

import glob
import os
import random
import shutil
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

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
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.down_sample = down_sample

    def forward(self, x):
        shortcut = x if self.down_sample is None else self.down_sample(x)
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + shortcut)


class ResNet18(nn.Module):
    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        wide = out_channels * block.expansion
        down_sample = None
        if stride != 1 or self.in_channels != wide:
            down_sample = nn.Sequential(
                nn.Conv2d(self.in_channels, wide, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(wide),
            )
        made = [block(self.in_channels, out_channels, stride, down_sample)]
        self.in_channels = wide
        for _ in range(blocks - 1):
            made.append(block(self.in_channels, out_channels))
        return nn.Sequential(*made)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet18(n_classes=10):
    return ResNet18(BasicBlock, [2, 2, 2, 2], n_classes)


def create_train_test_dirs(source, test_size=0.2, seed=0):
    rng = random.Random(seed)
    folders = sorted(f for f in os.listdir(source) if os.path.isdir(os.path.join(source, f)) and f not in ("train", "test"))
    for english in sorted({TRANSLATE.get(f, f) for f in folders}):
        train = os.path.join(source, "train", english)
        test = os.path.join(source, "test", english)
        os.makedirs(train, exist_ok=True)
        os.makedirs(test, exist_ok=True)
        mine = [os.path.join(source, f) for f in folders if TRANSLATE.get(f, f) == english]
        files = [os.path.join(folder, file) for folder in mine for file in sorted(os.listdir(folder))]
        already = len(os.listdir(test))
        total = already + len(os.listdir(train)) + len(files)
        k = max(0, min(round(test_size * total) - already, len(files)))
        chosen = set(rng.sample(files, k))
        for file in files:
            folder = test if file in chosen else train
            stem, suffix = os.path.splitext(os.path.basename(file))
            new, number = os.path.join(folder, stem + suffix), 0
            while True:
                try:
                    # reserve the name, so that nobody else can take it
                    os.close(os.open(new, os.O_CREAT | os.O_EXCL))
                    break
                except FileExistsError:
                    number += 1
                    new = os.path.join(folder, f"{stem}_{number}{suffix}")
            os.replace(file, new)
        for folder in mine:
            os.rmdir(folder)


def count_images(folder):
    counts = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            counts[name] = 0
            for file in os.listdir(path):
                if os.path.isfile(os.path.join(path, file)):
                    if os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES:
                        counts[name] += 1
    return counts
