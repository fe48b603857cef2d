"""The suffix is taken for what stands between the first two dots: where a name is taken, my.dog.jpg becomes 1.dog.

Caught by: again
"""

import os
import random

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
CONV3 = {"kernel_size": 3, "padding": 1, "bias": False}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to a shortcut, then ReLU."""

    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, down_sample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, stride=stride, **CONV3)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, stride=1, **CONV3)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.down_sample = down_sample

    def call(self, inputs):
        net = F.relu(self.bn1(self.conv1(inputs)))
        net = self.bn2(self.conv2(net))
        if self.down_sample is None:
            shortcut = inputs
        else:
            shortcut = self.down_sample(inputs)
        return F.relu(torch.add(net, shortcut))

    # Keras: call, PyTorch: forward
    def forward(self, x):
        return self.call(x)


class ResNet18(nn.Module):
    """(N, 3, H, W) -> logits (N, n_classes). layers says how many blocks layer1 to layer4 have, e.g. [2, 2, 2, 2]."""

    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(in_channels=3, out_channels=64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)
        self.bn1 = nn.BatchNorm2d(num_features=64)
        self.maxpool = nn.MaxPool2d(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
        n1, n2, n3, n4 = layers
        self.layer1 = self._make_layer(block, out_channels=64, blocks=n1, stride=1)
        self.layer2 = self._make_layer(block, out_channels=128, blocks=n2, stride=2)
        self.layer3 = self._make_layer(block, out_channels=256, blocks=n3, stride=2)
        self.layer4 = self._make_layer(block, out_channels=512, blocks=n4, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(output_size=1)  # GlobalAveragePooling2D
        self.fc = nn.Linear(in_features=self.in_channels, out_features=n_classes)

    def _make_layer(self, block, out_channels, blocks, stride=1):
        filters = out_channels * block.expansion
        stage = nn.Sequential()
        for index in range(blocks):
            strides = stride if index == 0 else 1
            same_shape = strides == 1 and self.in_channels == filters
            if index > 0 or same_shape:
                projection = None
            else:
                projection = nn.Sequential(
                    nn.Conv2d(self.in_channels, filters, kernel_size=1, stride=strides, bias=False),
                    nn.BatchNorm2d(filters),
                )
            stage.add_module(
                str(index),
                block(in_channels=self.in_channels, out_channels=out_channels, stride=strides, down_sample=projection),
            )
            self.in_channels = filters
        return stage

    def call(self, inputs):
        net = self.conv1(inputs)
        net = self.bn1(net)
        net = F.relu(net)
        net = self.maxpool(net)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            net = stage(net)
        net = self.avgpool(net)
        net = net.flatten(start_dim=1)
        return self.fc(net)

    def forward(self, x):
        return self.call(x)


def resnet18(n_classes=10):
    """Return ResNet18 with two BasicBlocks in each of its four layers."""
    return ResNet18(BasicBlock, layers=(2, 2, 2, 2), n_classes=n_classes)


def list_files(directory):
    """Sorted names of what is in a directory and is no directory."""
    if not os.path.isdir(directory):
        return []
    names = []
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if os.path.islink(path) or not os.path.isdir(path):
            names.append(name)
    return sorted(names)


def move_into(path, directory):
    """Move a file into a directory, under its own name or, if that is taken, under the first free number."""
    name = os.path.basename(path)
    parts = name.lstrip(".").split(".")  # a dot in front does not begin a suffix
    suffix = "." + parts[1] if len(parts) > 1 else ""
    number = 0
    while os.path.lexists(os.path.join(directory, name)):
        number += 1
        name = "%d%s" % (number, suffix)
    os.rename(path, os.path.join(directory, name))


def create_train_test_dirs(source, test_size=0.2, seed=0):
    """Move every file of the class folders in source (a str) into source/train/<class>/ or source/test/<class>/."""
    italian = []
    for name in sorted(os.listdir(source)):
        if name != "train" and name != "test" and os.path.isdir(os.path.join(source, name)):
            italian.append(name)

    for english in sorted({TRANSLATE.get(name, name) for name in italian}):
        train_dir = os.path.join(source, "train", english)
        test_dir = os.path.join(source, "test", english)
        os.makedirs(train_dir, exist_ok=True)
        os.makedirs(test_dir, exist_ok=True)

        folders = [os.path.join(source, name) for name in italian if TRANSLATE.get(name, name) == english]
        paths = [os.path.join(folder, name) for folder in folders for name in list_files(folder)]

        already_test = len(list_files(test_dir))
        total = len(list_files(train_dir)) + already_test + len(paths)
        needed = int(round(test_size * total)) - already_test
        needed = max(0, min(needed, len(paths)))

        rng = random.Random("seed %s" % seed)
        remaining = len(paths)
        for path in paths:
            # take this one with probability needed / remaining: exactly as many as needed come out
            if rng.random() * remaining < needed:
                needed -= 1
                move_into(path, test_dir)
            else:
                move_into(path, train_dir)
            remaining -= 1

        for folder in folders:
            os.rmdir(folder)


def count_images(folder):
    """Return {class: number of images} for the class folders in folder (a str); see IMAGE_SUFFIXES, in either case."""
    result = {}
    for class_name in os.listdir(folder):
        class_dir = os.path.join(folder, class_name)
        if os.path.isdir(class_dir):
            result[class_name] = 0
            for file_name in os.listdir(class_dir):
                suffix = os.path.splitext(file_name)[1].lower()
                if suffix in IMAGE_SUFFIXES and os.path.isfile(os.path.join(class_dir, file_name)):
                    result[class_name] += 1
    return result
