"""The stem's batch norm has momentum 0.01.

Caught by: network
"""

# ResNet-18 on animals-10
import os
import random
import shutil

import torch
from torch import nn

TRANSLATE = {
    "cane": "dog", "cavallo": "horse", "elefante": "elephant", "farfalla": "butterfly", "gallina": "chicken",
    "gatto": "cat", "mucca": "cow", "pecora": "sheep", "ragno": "spider", "scoiattolo": "squirrel",
}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


class BasicBlock(nn.Module):
    """conv - bn - relu - conv - bn, + shortcut, relu"""

    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super(BasicBlock, self).__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.down_sample = down_sample

    def forward(self, x):
        shortcut = x if self.down_sample is None else self.down_sample(x)
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out = out + shortcut
        out = self.relu(out)
        return out


class ResNet18(nn.Module):
    def __init__(self, block, layers, n_classes=10):
        super(ResNet18, self).__init__()
        self.in_channels = 64
        # stem
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64, momentum=0.01)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        # four stages
        for index, (channels, blocks) in enumerate(zip((64, 128, 256, 512), layers)):
            stage = self._make_layer(block, channels, blocks, stride=1 if index == 0 else 2)
            setattr(self, f"layer{index + 1}", stage)
        # head
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        width = out_channels * block.expansion
        stage = nn.Sequential()
        for index in range(blocks):
            down_sample = None
            if index == 0 and (stride != 1 or self.in_channels != width):
                down_sample = nn.Sequential(
                    nn.Conv2d(self.in_channels, width, kernel_size=1, stride=stride, bias=False),
                    nn.BatchNorm2d(width),
                )
            stage.append(block(self.in_channels, out_channels, stride if index == 0 else 1, down_sample))
            self.in_channels = width
        return stage

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.maxpool(out)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            out = stage(out)
        out = self.avgpool(out).flatten(1)
        return self.fc(out)


def resnet18(n_classes=10):
    return ResNet18(block=BasicBlock, layers=[2, 2, 2, 2], n_classes=n_classes)


def free_name(folder, name):
    """A name that nothing in folder has yet."""
    base, extension = os.path.splitext(name)
    candidate, k = name, 0
    while os.path.lexists(os.path.join(folder, candidate)):
        k += 1
        candidate = f"{base}-{k}{extension}"
    return candidate


def create_train_test_dirs(source, test_size=0.2, seed=0):
    rng = random.Random(seed)
    for entry in sorted(os.listdir(source)):
        old = os.path.join(source, entry)
        if entry in ("train", "test") or not os.path.isdir(old):
            continue
        new = TRANSLATE[entry] if entry in TRANSLATE else entry
        folders = {part: os.path.join(source, part, new) for part in ("train", "test")}
        for path in folders.values():
            os.makedirs(path, exist_ok=True)
        names = sorted(os.listdir(old))
        rng.shuffle(names)
        already = {part: len(os.listdir(path)) for part, path in folders.items()}
        total = len(names) + already["train"] + already["test"]
        missing = max(0, round(test_size * total) - already["test"])
        for part, chosen in (("test", names[:missing]), ("train", names[missing:])):
            for name in chosen:
                shutil.move(os.path.join(old, name), os.path.join(folders[part], free_name(folders[part], name)))
        os.rmdir(old)


def count_images(folder):
    result = dict()
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            continue
        result[name] = 0
        for file in os.listdir(path):
            if os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES:
                result[name] += 1
    return result
