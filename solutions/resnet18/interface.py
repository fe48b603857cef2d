"""What resnet18 shows from outside: for `grader audit`, which asks whether an edited solution does something else.

Of create_train_test_dirs only what the handout promises: which images go into test/ is left to each student.
"""

import os
import tempfile
from pathlib import Path

import torch
from torch import nn

from grader.audit.observe import behaviour, fill, noise, outcome, shared, state
from grader.probes import expanding
from grader.worker.files import Interrupted, interrupted

ENGLISH = {
    "cane": "dog", "cavallo": "horse", "elefante": "elephant", "farfalla": "butterfly", "gallina": "chicken",
    "gatto": "cat", "mucca": "cow", "pecora": "sheep", "ragno": "spider", "scoiattolo": "squirrel",
}  # fmt: skip
NAMES = ["1.jpg", "2.PNG", "3", ".x.jpg", "a b.c.jpeg", "[4].jpg", "강아지.jpg"]


def observe(module):
    yield from files(module)
    yield "expansion", module.BasicBlock.expansion
    for inputs, outputs, stride in ((3, 5, 1), (4, 4, 2), (2, 3, 2)):
        block = module.BasicBlock(inputs, outputs, stride)
        yield f"state of BasicBlock({inputs}, {outputs}, {stride})", state(block)
    yield "state of BasicBlock(3, 3)", state(module.BasicBlock(3, 3))
    for inner in (None, nn.Conv2d(4, 4, 1), module.BasicBlock(4, 4)):
        block = module.BasicBlock(4, 4, down_sample=inner)
        yield "is an nn.Module", isinstance(block, nn.Module)
        yield from behaviour(block, noise(3, 4, 7, 6), noise(1, 4, 1, 3))
    strided = module.BasicBlock(3, 5, stride=2, down_sample=nn.Conv2d(3, 5, 1, 2))
    yield from behaviour(strided, noise(3, 3, 7, 6), noise(1, 3, 1, 4))
    with torch.device("meta"):  # without weights they are built in no time
        for layers, n_classes in (([1, 1, 1, 1], 4), ([3, 4, 6, 3], 7), ([2, 1, 3, 2], 1)):
            yield f"state with {layers}", state(module.ResNet18(module.BasicBlock, layers, n_classes))
        whole = module.ResNet18(module.BasicBlock, [1, 1, 1, 1], 4)
        for layer in ((512, 1, 2), (64, 2, 1), (64, 1, 1)):
            yield f"state of _make_layer(BasicBlock, {layer})", state(whole._make_layer(module.BasicBlock, *layer))
        yield "a block that expands", [state(whole._make_layer(expanding(module.BasicBlock), 64, 2)) for _ in range(2)]
        yield "state by default", state(module.ResNet18(module.BasicBlock, [1, 1, 1, 1]))
        yield "state of resnet18()", state(module.resnet18())
        yield "state of resnet18(1000)", state(module.resnet18(n_classes=1000))
    model = module.ResNet18(module.BasicBlock, [1, 2, 1, 1], 4)
    yield from behaviour(model, noise(2, 3, 40, 40), noise(1, 3, 50, 33))
    whole, other = module.resnet18(), module.resnet18(3)
    yield "two networks share weights", shared(whole, other)
    fill(whole).eval()
    with torch.no_grad():
        yield "output of resnet18()", whole(noise(1, 3, 64, 64))


def files(module):
    home = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="audited-") as folder:
        os.chdir(folder)  # an edit may take "." for the folder
        try:
            yield from counted(module)
            yield from split(module)
        finally:
            os.chdir(home)


def made(name, paths):
    """A folder with a file at each path; its content is that path."""
    root = Path(tempfile.mkdtemp(dir=".")) / name
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def counted(module):
    root = made(
        "counted", ["dog/1.jpg", "dog/2.JPG", "dog/3.jpeg", "dog/x.txt", "cat/1.png", "cat/jpg", "no/t", "4.jpg"]
    )
    yield "count_images", dict(module.count_images(str(root)))


def laws(root, paths, test_size):
    """Where every file is, as far as that is promised; and each class's share."""
    now = {path.read_text(): path.relative_to(root).parts for path in root.rglob("*") if path.is_file()}
    number = sum(path.is_file() for path in root.rglob("*"))
    inside = [path for path in paths if "/" in path]
    shares = {}
    found = {"files": (number, sorted(now) == sorted(paths))}
    for path in inside:
        first, *middle, name = path.split("/")
        wanted = ENGLISH.get(middle[0] if middle else first, middle[0] if middle else first)
        place = now.get(path, ("", "", ""))
        found[path] = len(place) == 3 and place[0] in ("train", "test") and place[1] == wanted
        found[f"{path}, suffix"] = name.split(".")[-1] == place[-1].split(".")[-1] or "." not in name
        shares.setdefault(wanted, []).append(place[0] == "test")
    found["loose"] = [now.get(path) for path in paths if "/" not in path]
    found["shares"] = {key: abs(sum(test) - test_size * len(test)) < 1 for key, test in shares.items()}
    found["folders"] = sorted(path.name for path in root.iterdir() if path.is_dir())
    return found


def split(module):
    folders = ("cane", "dog", "due parole", *sorted(ENGLISH)[3:])
    awkward = [f"{folder}/{name}" for folder in folders for name in NAMES]
    awkward += ["readme.txt"]
    plenty = [f"{folder}/{number}.jpg" for folder in ("cane", "gatto", "zebra") for number in range(20)]
    there = [f"train/dog/{number}.jpg" for number in range(10)] + ["test/cat/1.jpg"]
    there += [f"{folder}/{number}.jpg" for folder in ("cane", "dog") for number in range(8)]
    for paths, options in (
        (awkward, {}),
        (plenty, {"test_size": 0.3}),
        (plenty, {"test_size": 0.0}),
        (plenty, {"test_size": 0.5, "seed": 3}),
        (there, {}),
        (["cane/a.jpg", "gatto/b.jpg", "gatto/c.jpg"], {}),
    ):
        root = made("animals", paths)
        module.create_train_test_dirs(str(root), **options)
        first = tree(root)
        yield f"split of {len(paths)} files, {options}", laws(root, paths, options.get("test_size", 0.2))
        kept = [path for path in paths if path.startswith(("train/", "test/"))]
        yield "what was in its place", [(root / path).is_file() and (root / path).read_text() == path for path in kept]
        module.create_train_test_dirs(str(root), **options)
        yield "called again", tree(root) == first

    found = {}
    for name, paths, seeds in (
        ("a", plenty, [5]),
        ("b", plenty[::-1], [5]),
        ("c", plenty, [6]),
        ("d", plenty, []),
        ("e", plenty, []),
    ):
        root = made("seeded", paths)
        module.create_train_test_dirs(str(root), 0.3, *seeds)
        found[name] = {path.read_text(): path.relative_to(root).parts[0] for path in root.rglob("*") if path.is_file()}
    yield "splits", (found["a"] == found["b"], found["a"] == found["c"], found["d"] == found["e"])

    paths = [f"{folder}/{number}.jpg" for folder in ("cane", "dog") for number in range(5)]
    paths += [f"gatto/{number}.jpg" for number in range(9)]
    for changes in range(0, 40, 2):
        root = made("stopped", paths)
        try:
            with interrupted(changes):
                module.create_train_test_dirs(str(root), 0.4)
        except Interrupted:
            pass
        half = tree(root)
        yield f"after {changes} changes", set(half.values()) == set(paths)
        yield f"going on after {changes}", outcome(lambda root=root: module.create_train_test_dirs(str(root), 0.4))
        yield f"in the end, after {changes}", laws(root, paths, 0.4)
        after = tree(root)
        placed = {path: content for path, content in half.items() if path.parts[0] in ("train", "test")}
        yield f"placed after {changes}", all(after.get(path) == content for path, content in placed.items())


def tree(root):
    return {path.relative_to(root): path.read_text() for path in root.rglob("*") if path.is_file()}
