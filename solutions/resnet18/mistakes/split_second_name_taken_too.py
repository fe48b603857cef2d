"""Where a name is taken I add the name of the folder, and do not ask whether that one is free.

Caught by: again
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
        super(BasicBlock, self).__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.down_sample = down_sample
        self.stride = stride

    def forward(self, x):
        identity = x

        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)

        if self.down_sample:
            identity = self.down_sample(x)

        out += identity
        out = self.relu(out)
        return out


class ResNet18(nn.Module):
    def __init__(self, block, layers, n_classes=10):
        super(ResNet18, self).__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, self.in_channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(self.in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, 64, layers[0], 1)
        self.layer2 = self._make_layer(block, 128, layers[1], 2)
        self.layer3 = self._make_layer(block, 256, layers[2], 2)
        self.layer4 = self._make_layer(block, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.in_channels, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        down_sample = None
        if not (stride == 1 and self.in_channels == out_channels * block.expansion):
            down_sample = nn.Sequential(
                nn.Conv2d(self.in_channels, out_channels * block.expansion, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels * block.expansion),
            )

        layers = []
        for i in range(blocks):
            if i == 0:
                layers.append(block(self.in_channels, out_channels, stride, down_sample))
                self.in_channels = out_channels * block.expansion
            else:
                layers.append(block(self.in_channels, out_channels, 1, None))
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)


def resnet18(n_classes=10):
    return ResNet18(block=BasicBlock, layers=[2, 2, 2, 2], n_classes=n_classes)


def create_train_test_dirs(source, test_size=0.2, seed=0):
    root = Path(source)
    groups = {}
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and folder.name not in ("train", "test"):
            groups.setdefault(TRANSLATE.get(folder.name, folder.name), []).append(folder)
    for name, folders in groups.items():
        train, test = root / "train" / name, root / "test" / name
        train.mkdir(parents=True, exist_ok=True)
        test.mkdir(parents=True, exist_ok=True)
        files = [file for folder in folders for file in sorted(folder.iterdir())]
        before = len(os.listdir(test))
        goal = round(test_size * (before + len(os.listdir(train)) + len(files)))
        k = max(0, min(goal - before, len(files)))
        random.Random(seed).shuffle(files)
        for i, file in enumerate(files):
            target = (test if i < k else train) / file.name
            if target.exists():
                target = target.with_name(f"{file.stem}_{file.parent.name}{file.suffix}")
            file.rename(target)
        for folder in folders:
            folder.rmdir()


def count_images(folder):
    return {
        sub.name: sum(file.is_file() and file.suffix.lower() in IMAGE_SUFFIXES for file in sub.iterdir())
        for sub in Path(folder).iterdir()
        if sub.is_dir()
    }
