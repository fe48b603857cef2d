"""Folders whose name begins with . or _ are not taken for classes.

Caught by: split
"""

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
    """Two 3x3 convolutions with batch norm, added to a shortcut, then ReLU.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), rounded up. The shortcut is the input itself,
    or down_sample(input) where that module is given.
    """

    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super().__init__()
        # self.conv1 (with the stride), self.bn1, self.conv2, self.bn2: no bias in the convolutions
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
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
        # self.conv1: 7x7, 3 -> 64, stride 2, padding 3, no bias; self.bn1; ReLU; self.maxpool: 3x3, stride 2, padding 1
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        # self.layer1 to self.layer4, by _make_layer: 64, 128, 256, 512 channels; all but the first halve the size
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        # self.avgpool: the mean of each channel, whatever the size; self.fc: Linear to n_classes
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        """Return an nn.Sequential of so many blocks; the first has the stride, and brings the channels to
        out_channels * block.expansion.

        Where the first block changes size or channels, its shortcut is an nn.Sequential of a 1x1 convolution with the
        stride, without bias, and a batch norm; all other shortcuts are None. self.in_channels is what comes in, and
        afterwards what goes out.
        """
        down_sample = None
        if stride != 1 or self.in_channels != out_channels * block.expansion:
            down_sample = nn.Sequential(
                nn.Conv2d(self.in_channels, out_channels * block.expansion, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels * block.expansion),
            )
        made = [block(self.in_channels, out_channels, stride, down_sample)]
        self.in_channels = out_channels * block.expansion
        for _ in range(1, blocks):
            made.append(block(self.in_channels, out_channels))
        return nn.Sequential(*made)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x)


def resnet18(n_classes=10):
    """Return ResNet18 with two BasicBlocks in each of its four layers."""
    return ResNet18(BasicBlock, [2, 2, 2, 2], n_classes)


def create_train_test_dirs(source, test_size=0.2, seed=0):
    """Move every file of the class folders in source (a str) into source/train/<class>/ or source/test/<class>/.

    A class folder is any folder in source but train and test. Folders named in TRANSLATE get the English name, others
    keep theirs; what lies beside the folders stays. Of each class the share test_size goes into test/ (rounded either
    way), drawn at random, so that the same seed gives the same split. The class folders are gone afterwards.

    Nothing is ever lost or overwritten: where a name is taken, choose another. It can be called again, also after it
    was interrupted half-way: what is in train/ and test/ already stays there, and the shares are those of all files.
    """
    source = Path(source)
    folders = [path for path in source.iterdir() if path.is_dir() and path.name not in ("train", "test") and not path.name.startswith((".", "_"))]
    for folder in sorted(folders):
        name = TRANSLATE.get(folder.name, folder.name)
        train, test = source / "train" / name, source / "test" / name
        train.mkdir(parents=True, exist_ok=True)
        test.mkdir(parents=True, exist_ok=True)
        files = sorted(folder.iterdir())
        there = len(list(test.iterdir()))
        wanted = round(test_size * (len(files) + len(list(train.iterdir())) + there)) - there
        random.Random(f"{seed} {folder.name}").shuffle(files)
        for number, file in enumerate(files):
            target = (test if number < wanted else train) / file.name
            copies = 1
            while target.exists():
                target = target.with_name(f"{file.stem} ({copies}){file.suffix}")
                copies += 1
            file.rename(target)
        folder.rmdir()


def count_images(folder):
    """Return {class: number of images} for the class folders in folder (a str); see IMAGE_SUFFIXES, in either case."""
    counts = {}
    for path in Path(folder).iterdir():
        if path.is_dir():
            counts[path.name] = sum(file.suffix.lower() in IMAGE_SUFFIXES for file in path.iterdir())
    return counts
