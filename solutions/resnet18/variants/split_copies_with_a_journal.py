"""Files are copied and then deleted, with a journal by which a later call undoes half a copy."""

import json
import random
import shutil
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

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
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding="same" if stride == 1 else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding="same", bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.down_sample = down_sample

    def forward(self, x):
        out = self.conv1(x)
        out = self.bn1(out)
        out = F.relu_(out)
        out = self.conv2(out)
        out = self.bn2(out)
        if self.down_sample is None:
            out = out + x
        else:
            out = out + self.down_sample(x)
        return F.relu_(out)


class ResNet18(nn.Module):
    def __init__(self, block, layers, n_classes=10):
        super().__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0], stride=1)
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, n_classes)

    def _shortcut(self, out_channels, stride):
        if stride == 1 and self.in_channels == out_channels:
            return None
        return nn.Sequential(
            nn.Conv2d(self.in_channels, out_channels, kernel_size=1, stride=stride, padding=0, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def _make_layer(self, block, out_channels, blocks, stride=1):
        blocks_list = nn.ModuleList()
        strides = [stride, *[1] * (blocks - 1)]
        for s in strides:
            shortcut = self._shortcut(out_channels * block.expansion, s)
            blocks_list.append(block(self.in_channels, out_channels, s, shortcut))
            self.in_channels = out_channels * block.expansion
        return nn.Sequential(*blocks_list)

    def forward(self, x):
        x = F.relu_(self.bn1(self.conv1(x)))
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x)
        return self.fc(x.flatten(start_dim=1))


def resnet18(n_classes=10):
    return ResNet18(BasicBlock, [2, 2, 2, 2], n_classes)


def _journal(root):
    return root / ".copying.json"


def _undo_interrupted_copy(root):
    """If a call ended in the middle of a copy, the original is complete: take the copy away. If it ended after the
    original was deleted, the copy is complete."""
    journal = _journal(root)
    if not journal.exists():
        return
    entry = json.loads(journal.read_text())
    original = root / entry["original"]
    if original.exists():
        info = original.stat()
        if [info.st_ino, info.st_mtime_ns] == entry["id"]:  # else another file which has come since
            (root / entry["copy"]).unlink(missing_ok=True)
    journal.unlink()


def _move(root, file, folder):
    copy = folder / file.name
    i = 1
    while copy.exists():
        copy = folder / f"{file.stem}_{i}{file.suffix}"
        i += 1
    info = file.stat()
    entry = {
        "original": str(file.relative_to(root)),
        "copy": str(copy.relative_to(root)),
        "id": [info.st_ino, info.st_mtime_ns],
    }
    draft = root / ".copying.json.new"
    draft.write_text(json.dumps(entry))
    draft.replace(_journal(root))
    shutil.copy2(file, copy)
    file.unlink()
    _journal(root).unlink()


def create_train_test_dirs(source, test_size=0.2, seed=0):
    root = Path(source)
    _undo_interrupted_copy(root)

    groups = {}
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and folder.name not in ("train", "test"):
            groups.setdefault(TRANSLATE.get(folder.name, folder.name), []).append(folder)
    for name in sorted(groups):
        test, train = root / "test" / name, root / "train" / name
        test.mkdir(parents=True, exist_ok=True)
        train.mkdir(parents=True, exist_ok=True)
        files = [f for folder in groups[name] for f in sorted(folder.iterdir())]
        n_test = len(list(test.iterdir()))
        n_train = len(list(train.iterdir()))
        k = round(test_size * (n_test + n_train + len(files))) - n_test
        k = max(0, min(len(files), k))
        chosen = set(random.Random(seed).sample(range(len(files)), k))
        for i, file in enumerate(files):
            _move(root, file, test if i in chosen else train)
        for folder in groups[name]:
            folder.rmdir()


def count_images(folder):
    counts = {}
    for class_folder in Path(folder).iterdir():
        if not class_folder.is_dir():
            continue
        n = 0
        for file in class_folder.iterdir():
            if file.is_file() and file.suffix.casefold() in IMAGE_SUFFIXES:
                n += 1
        counts[class_folder.name] = n
    return counts
