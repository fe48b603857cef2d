"""Images to grade on: CIFAR-10 or MNIST where it can be found, scikit-learn's digits (embedded) where it cannot.

The digits come in the form of the data set whose place they take (`FORMS`), with labels from 0 to 9 as well, so that
one checkpoint serves both.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import lzma
import os
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import platformdirs
import torch

from grader.assignment import Assignment
from grader.language import gettext

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = 32  # of CIFAR-10's images


class Form(NamedTuple):
    """What a data set's images are like: their channels, their side, and each channel's mean and standard deviation
    over the training images, scaled to [0, 1]."""

    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


FORMS = {
    "CIFAR-10": Form(3, SIZE, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "MNIST": Form(1, 28, (0.1307,), (0.3081,)),
}
DIGITS_HELD_OUT = 450  # of 1,797
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


class DataError(Exception):
    """The data asked for cannot be used; the message says what was looked for, where, and what to do."""


@dataclass(frozen=True)
class Dataset:
    """A labelled set of images.

    Attributes:
        name: ``"CIFAR-10"``, ``"MNIST"`` or ``"digits"``.
        images: uint8, (N, C, H, W): (N, 3, 32, 32) or (N, 1, 28, 28).
        labels: int64, (N,), 0 to 9.
        source: where the images came from, for the report.
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def sha256(self) -> str:
        """The hash of images and labels: what cached predictions are keyed by."""
        digest = hashlib.sha256(self.images.numpy().tobytes())
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()


def normalise(images: torch.Tensor) -> torch.Tensor:
    """uint8 images (N, C, H, W) to the float32 that the networks read: (x / 255 - mean) / std per channel.

    Mean and standard deviation are those of the data set with as many channels.

    >>> normalise(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 3, 32, 32])
    >>> round(normalise(torch.zeros(1, 1, 28, 28, dtype=torch.uint8))[0, 0, 0, 0].item(), 4)
    -0.4242
    """
    form = next(form for form in FORMS.values() if form.channels == images.shape[1])
    mean = torch.tensor(form.mean).view(1, -1, 1, 1)
    std = torch.tensor(form.std).view(1, -1, 1, 1)
    scaled = (images.float() / 255 - mean) / std
    return scaled.to(memory_format=torch.channels_last)


def digits(split: str, kind: str = "CIFAR-10") -> Dataset:
    """scikit-learn's 8x8 digits in the form of ``kind``; ``split`` is "train" (1,347 images) or "test" (450, held out).

    >>> digits("test").images.shape, digits("test", "MNIST").images.shape
    (torch.Size([450, 3, 32, 32]), torch.Size([450, 1, 28, 28]))
    """
    form = FORMS[kind]
    pixels, target = _digit_arrays()
    order = np.random.default_rng(0).permutation(len(target))
    chosen = order[:DIGITS_HELD_OUT] if split == "test" else order[DIGITS_HELD_OUT:]
    small = torch.tensor(pixels[chosen], dtype=torch.float32).unsqueeze(1) * (255 / 16)  # grey levels 0 to 16
    large = torch.nn.functional.interpolate(small, size=(form.size, form.size), mode="bilinear", align_corners=False)
    images = large.round().clamp(0, 255).to(torch.uint8).expand(-1, form.channels, -1, -1).contiguous()
    labels = torch.tensor(target[chosen], dtype=torch.int64)
    shape = f"{form.channels}x{form.size}x{form.size}"
    return Dataset(
        "digits", images, labels, gettext("embedded (scikit-learn's digits, upsampled to {shape})").format(shape=shape)
    )


def _digit_arrays() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Grey levels 0 to 16, (1797, 8, 8), and labels, (1797,): from scikit-learn's file, whose import takes seconds."""
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            table = np.loadtxt(path, delimiter=",")
            return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits  # the file has moved in another release

    bunch = load_digits()
    return bunch.images, bunch.target


def cifar10(path: Path, split: str) -> Dataset:
    """CIFAR-10's ``split`` ("train" or "test") from ``path``.

    ``path`` holds torchvision's ``cifar-10-batches-py``, or image folders ``<split>/<class>/*.jpg``, or the latter in
    ``<split>.tar.xz``; or it is one of these itself. Decoded images are kept in the user's cache (see `cache_dir`).

    Raises:
        DataError: nothing of the kind is at ``path``, or it is damaged or incomplete.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(
            gettext("No CIFAR-10 at {path}: there is no such file or folder. Check --data / GRADER_DATA.").format(
                path=path
            )
        )
    batches = path if path.name == "cifar-10-batches-py" else path / "cifar-10-batches-py"
    if batches.is_dir():
        return _from_batches(batches, split)
    for root in (path, path / "cifar10", path / "CIFAR-10-images"):
        if (root / split).is_dir():
            folder = root / split
            files = [file for file in sorted(folder.glob("*/*")) if file.suffix.lower() in _IMAGE_SUFFIXES]
            entries = ((file.parent.name, file.name, file.read_bytes()) for file in files)
            return _from_images(entries, folder, split)
        archive = root / f"{split}.tar.xz" if root.is_dir() else root
        if archive.is_file() and archive.name.endswith((".tar.xz", ".tar.gz", ".tar")):
            return _from_archive(archive, split)
    raise DataError(
        gettext(
            "No CIFAR-10 {split} images at {path}: looked for cifar-10-batches-py/, "
            "{split}/<class>/*.jpg and {split}.tar.xz. Point --data / GRADER_DATA at the folder "
            "that holds one of them."
        ).format(split=split, path=path)
    )


def mnist(path: Path, split: str) -> Dataset:
    """MNIST's ``split`` ("train" or "test") from ``path``: the folder that holds torchvision's ``MNIST/raw``, or one of
    these.

    Raises:
        DataError: nothing of the kind is at ``path``, or it is damaged.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(
            gettext("No MNIST at {path}: there is no such file or folder. Check --data / GRADER_DATA.").format(
                path=path
            )
        )
    inside = {"raw": 2, "MNIST": 1}.get(path.resolve().name, 0)
    root = [path.resolve(), *path.resolve().parents][inside]
    raw = root / "MNIST" / "raw"
    if not raw.is_dir():
        raise DataError(
            gettext(
                "No MNIST at {path}: looked for MNIST/raw/, as torchvision has it. Point --data / "
                "GRADER_DATA at the folder that holds it, or use --data digits."
            ).format(path=path)
        )
    from torchvision.datasets import MNIST

    try:
        loaded = MNIST(str(root), train=split == "train", download=False)
        images, labels = loaded.data.unsqueeze(1).contiguous(), loaded.targets.to(torch.int64)
    except Exception as error:
        raise DataError(
            gettext(
                "{raw} is not a complete MNIST ({error}). Delete it and fetch it again with --data download."
            ).format(raw=raw, error=error)
        ) from error
    form = FORMS["MNIST"]
    fits = images.shape == (len(labels), form.channels, form.size, form.size) and len(labels) > 0
    if not fits or not 0 <= int(labels.min()) <= int(labels.max()) <= 9:
        raise DataError(
            gettext(
                "{raw} does not hold {split} images of 28x28 with a label from 0 to 9 each. Fetch it again."
            ).format(raw=raw, split=split)
        )
    return Dataset("MNIST", images, labels, str(raw))


_READ = {"CIFAR-10": cifar10, "MNIST": mnist}


def find(data: Path | None = None, split: str = "test", kind: str = "CIFAR-10") -> Dataset:
    """The data set to grade on: ``data``, else GRADER_DATA, else ./data, else the embedded digits.

    ``Path("download")`` lets torchvision download ``kind`` ("CIFAR-10", 170 MB, or "MNIST", 12 MB) into ./data first.

    Raises:
        DataError: ``data`` or GRADER_DATA was given and holds no usable ``kind``, or the download failed.
    """
    if data is None and os.environ.get("GRADER_DATA"):
        data = Path(os.environ["GRADER_DATA"])
    if data is not None and str(data) == "digits":
        return digits(split, kind)
    if data is not None and str(data) == "download":
        _download(Path("data"), kind)
        data = Path("data")
    if data is not None:
        return _READ[kind](data, split)
    local = Path("data")
    if local.is_dir():
        try:
            return _READ[kind](local, split)
        except DataError:
            pass  # a folder named data/ that holds something else was not put there for us
    return digits(split, kind)


def for_assignment(assignment: Assignment, data: Path | None = None) -> Dataset:
    """The test images that ``assignment`` is graded on: what `find` finds of the kind its checkpoint is for.

    A checkpoint that was trained on the digits alone (its file says so) is measured on nothing else.

    Raises:
        DataError: the data asked for cannot be used.
    """
    checkpoint, path = assignment.settings.checkpoint, assignment.checkpoint_path
    if checkpoint is None or path is None:
        return find(data)
    trained_on = _trained_on(path)
    if checkpoint.images in trained_on or not trained_on:
        return find(data, kind=checkpoint.images)
    if data is not None and str(data) != "digits":
        raise DataError(
            gettext(
                "The reference weights of {name} were trained on {trained_on} alone, so nothing can "
                "be measured with them on {data}. Use --data digits, or train them anew: grader "
                "train {name} --data {data}"
            ).format(name=assignment.name, trained_on=", ".join(trained_on), data=data)
        )
    return digits("test", checkpoint.images)


def _trained_on(checkpoint: Path) -> list[str]:
    """The data sets that a checkpoint's own metadata names; none where it says nothing, or cannot be read."""
    try:
        with checkpoint.open("rb") as file:  # the format: eight bytes of length, then so much JSON
            (size,) = struct.unpack("<Q", file.read(8))
            said = json.loads(file.read(min(size, 1 << 24)))["__metadata__"]["data"]
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return []
    return [name for name in str(said).split(", ") if name]


def cache_dir() -> Path:
    """Where decoded images and reference predictions are kept: GRADER_CACHE, or the user's cache folder."""
    configured = os.environ.get("GRADER_CACHE")
    folder = Path(configured) if configured else Path(platformdirs.user_cache_dir("torch-grader"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _download(root: Path, kind: str) -> None:
    from torchvision.datasets import CIFAR10, MNIST

    try:
        {"CIFAR-10": CIFAR10, "MNIST": MNIST}[kind](str(root), train=False, download=True)
    except Exception as error:
        raise DataError(
            gettext(
                "{kind} could not be downloaded into {root}/: {error}. Without --data the embedded digits are used."
            ).format(kind=kind, root=root, error=error)
        ) from error


def _from_batches(batches: Path, split: str) -> Dataset:
    from torchvision.datasets import CIFAR10  # compares MD5 sums before it unpickles anything

    try:
        loaded = CIFAR10(str(batches.parent), train=split == "train", download=False)
    except Exception as error:
        raise DataError(
            gettext(
                "{batches} is not a complete torchvision CIFAR-10 (its files do not match their "
                "checksums). Delete it and fetch it again with --data download."
            ).format(batches=batches)
        ) from error
    images = torch.from_numpy(loaded.data).permute(0, 3, 1, 2).contiguous()
    return Dataset("CIFAR-10", images, torch.tensor(loaded.targets, dtype=torch.int64), str(batches))


def _from_archive(archive: Path, split: str) -> Dataset:
    stat = archive.stat()
    key = hashlib.sha256(f"{archive.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{split}".encode()).hexdigest()[:16]
    cached = cache_dir() / f"cifar10-{split}-{key}.npz"
    if cached.is_file():
        try:
            with cached.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                images, labels = torch.from_numpy(arrays["images"]), torch.from_numpy(arrays["labels"])
            return Dataset("CIFAR-10", images, labels, str(archive))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            cached.unlink(missing_ok=True)  # cut short by a crash: decode again
    dataset = _from_images(_tar_entries(archive, split), archive, split)
    partial = cached.with_name(f"{cached.name}.{os.getpid()}.tmp")
    with partial.open("wb") as written:
        np.savez(written, images=dataset.images.numpy(), labels=dataset.labels.numpy())
    partial.replace(cached)
    return dataset


def _tar_entries(archive: Path, split: str) -> Iterator[tuple[str, str, bytes]]:
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                parts = Path(member.name).parts
                if member.isfile() and len(parts) >= 3 and parts[-3] == split:
                    if member.size > 1 << 20:
                        raise DataError(
                            gettext("{archive}: {name} has {size:,} bytes; a 32x32 image has 1,000.").format(
                                archive=archive, name=member.name, size=member.size
                            )
                        )
                    file = tar.extractfile(member)
                    assert file is not None
                    yield parts[-2], parts[-1], file.read()
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise DataError(
            gettext("{archive} cannot be read as an archive ({error}). Fetch it again.").format(
                archive=archive, error=error
            )
        ) from error


def _from_images(entries: Iterable[tuple[str, str, bytes]], where: Path, split: str) -> Dataset:
    """Decode images grouped by class folder; the class folders in alphabetical order are labels 0 to 9."""
    from PIL import Image

    decoded: list[tuple[str, str, np.ndarray]] = []
    for class_name, file_name, content in entries:
        if Path(file_name).suffix.lower() not in _IMAGE_SUFFIXES:
            continue
        try:
            pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        except Exception as error:
            raise DataError(
                gettext("{where}: {class_name}/{file_name} is not a readable image ({error}).").format(
                    where=where, class_name=class_name, file_name=file_name, error=error
                )
            ) from error
        if pixels.shape != (SIZE, SIZE, 3):
            raise DataError(
                gettext("{where}: {class_name}/{file_name} is {width}x{height}; expected 32x32.").format(
                    where=where,
                    class_name=class_name,
                    file_name=file_name,
                    width=pixels.shape[1],
                    height=pixels.shape[0],
                )
            )
        decoded.append((class_name, file_name, pixels))
    found = sorted({class_name for class_name, _, _ in decoded})
    if found != list(CLASSES):
        raise DataError(
            gettext("{where}: expected the ten class folders {classes}; found {found}.").format(
                where=where, classes=", ".join(CLASSES), found=", ".join(found) or gettext("none")
            )
        )
    decoded.sort(key=lambda entry: entry[:2])
    images = torch.from_numpy(np.stack([pixels for _, _, pixels in decoded])).permute(0, 3, 1, 2).contiguous()
    labels = torch.tensor([CLASSES.index(class_name) for class_name, _, _ in decoded], dtype=torch.int64)
    return Dataset("CIFAR-10", images, labels, str(where))
