"""ResNet-18, and the folders of images it is trained on."""

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
        # YOUR CODE HERE
        raise NotImplementedError()
        self.down_sample = down_sample

    def forward(self, x):
        # YOUR CODE HERE
        raise NotImplementedError()


class ResNet18(nn.Module):
    """(N, 3, H, W) -> logits (N, n_classes). layers says how many blocks layer1 to layer4 have, e.g. [2, 2, 2, 2]."""

    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        # self.conv1: 7x7, 3 -> 64, stride 2, padding 3, no bias; self.bn1; ReLU; self.maxpool: 3x3, stride 2, padding 1
        # YOUR CODE HERE
        raise NotImplementedError()
        # self.layer1 to self.layer4, by _make_layer: 64, 128, 256, 512 channels; all but the first halve the size
        # YOUR CODE HERE
        raise NotImplementedError()
        # self.avgpool: the mean of each channel, whatever the size; self.fc: Linear to n_classes
        # YOUR CODE HERE
        raise NotImplementedError()

    def _make_layer(self, block, out_channels, blocks, stride=1):
        """Return an nn.Sequential of so many blocks; the first has the stride, and brings the channels to
        out_channels * block.expansion.

        Where the first block changes size or channels, its shortcut is an nn.Sequential of a 1x1 convolution with the
        stride, without bias, and a batch norm; all other shortcuts are None. self.in_channels is what comes in, and
        afterwards what goes out.
        """
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x):
        # YOUR CODE HERE
        raise NotImplementedError()


def resnet18(n_classes=10):
    """Return ResNet18 with two BasicBlocks in each of its four layers."""
    # YOUR CODE HERE
    raise NotImplementedError()


def create_train_test_dirs(source, test_size=0.2, seed=0):
    """Move every file of the class folders in source (a str) into source/train/<class>/ or source/test/<class>/.

    A class folder is any folder in source but train and test. Folders named in TRANSLATE get the English name, others
    keep theirs; what lies beside the folders stays. Of each class the share test_size goes into test/ (rounded either
    way), drawn at random, so that the same seed gives the same split. The class folders are gone afterwards.

    Nothing is ever lost or overwritten: where a name is taken, choose another. It can be called again, also after it
    was interrupted half-way: what is in train/ and test/ already stays there, and the shares are those of all files.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def count_images(folder):
    """Return {class: number of images} for the class folders in folder (a str); see IMAGE_SUFFIXES, in either case."""
    # YOUR CODE HERE
    raise NotImplementedError()
