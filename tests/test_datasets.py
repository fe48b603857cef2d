"""grader.datasets: CIFAR-10 in every layout, what is said where it is not there, the order of looking, the cache."""

from __future__ import annotations

import io
import os
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from grader import assignment, datasets
from grader.datasets import CLASSES, DataError

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10"
PER_CLASS = 2


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder and a cache of the test's own, and nothing set."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("GRADER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GRADER_DATA", raising=False)


def pixels(label: int, number: int) -> np.ndarray:
    """A picture that no other label and number has."""
    return np.random.default_rng(100 * label + number).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def pictures(folder: Path, split: str = "test", classes: tuple[str, ...] = CLASSES) -> Path:
    """<folder>/<split>/<class>/<n>.png; returns ``folder``."""
    for label, name in enumerate(classes):
        place = folder / split / name
        place.mkdir(parents=True, exist_ok=True)
        for number in range(PER_CLASS):
            Image.fromarray(pixels(label, number)).save(place / f"{number}.png")
    return folder


def packed(folder: Path, split: str = "test") -> Path:
    """The pictures as <folder>/<split>.tar.xz only."""
    folder.mkdir(parents=True, exist_ok=True)
    loose = pictures(folder.parent / f"loose-{folder.name}", split)
    with tarfile.open(folder / f"{split}.tar.xz", "w:xz") as tar:
        tar.add(loose / split, arcname=f"cifar10/{split}")
    return folder


def expect_all(found: datasets.Dataset) -> None:
    assert found.name == "CIFAR-10"
    assert found.images.dtype == torch.uint8
    assert found.images.shape == (10 * PER_CLASS, 3, 32, 32)
    assert found.images.is_contiguous()
    assert found.labels.tolist() == [label for label in range(10) for _ in range(PER_CLASS)]
    for index in range(len(found)):
        expected = torch.from_numpy(pixels(*divmod(index, PER_CLASS))).permute(2, 0, 1)
        assert torch.equal(found.images[index], expected)


@pytest.mark.parametrize("inside", ["", "cifar10", "CIFAR-10-images"])
@pytest.mark.parametrize("layout", [pictures, packed])
def test_image_folders_and_archives(tmp_path: Path, layout, inside: str) -> None:
    layout(tmp_path / "data" / inside)
    expect_all(datasets.cifar10(tmp_path / "data", "test"))
    with pytest.raises(DataError, match="No CIFAR-10 train images"):
        datasets.cifar10(tmp_path / "data", "train")


def test_the_archive_itself_may_be_given(tmp_path: Path) -> None:
    expect_all(datasets.cifar10(packed(tmp_path / "data") / "test.tar.xz", "test"))


def test_splits_are_kept_apart(tmp_path: Path) -> None:
    pictures(tmp_path, "train")
    packed(tmp_path)
    assert datasets.cifar10(tmp_path, "train").source == str(tmp_path / "train")
    assert datasets.cifar10(tmp_path, "test").source == str(tmp_path / "test.tar.xz")
    with pytest.raises(DataError, match="found none"):
        datasets.cifar10(tmp_path / "test.tar.xz", "train")


def test_jpeg_counts_and_other_files_do_not(tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "test" / "truck" / "notes.txt").write_text("not an image")
    Image.new("L", (32, 32), 7).save(tmp_path / "test" / "truck" / "grey.JPEG")
    found = datasets.cifar10(tmp_path, "test")
    assert len(found) == 10 * PER_CLASS + 1
    assert (found.images[-1].float() - 7).abs().max() <= 1
    assert found.images[-1].shape == (3, 32, 32)


def test_hashes_tell_data_apart(tmp_path: Path) -> None:
    first = datasets.cifar10(pictures(tmp_path / "a"), "test")
    again = datasets.cifar10(packed(tmp_path / "b"), "test")
    assert first.sha256() == again.sha256()
    again.images[3, 0, 0, 0] ^= 1
    assert first.sha256() != again.sha256()


@pytest.mark.parametrize("classes", [CLASSES[:9], (*CLASSES, "zebra"), (*CLASSES[:9], "lorry"), ()])
def test_wrong_class_folders(tmp_path: Path, classes: tuple[str, ...]) -> None:
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match=r"expected the ten class folders airplane, .* found"):
        datasets.cifar10(pictures(tmp_path, classes=classes), "test")


def test_wrong_image_size(tmp_path: Path) -> None:
    Image.new("RGB", (28, 30)).save(pictures(tmp_path) / "test" / "cat" / "0.png")
    with pytest.raises(DataError, match=r"cat/0\.png is 28x30; expected 32x32"):
        datasets.cifar10(tmp_path, "test")


def test_an_image_that_is_none(tmp_path: Path) -> None:
    (pictures(tmp_path) / "test" / "dog" / "1.png").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"dog/1\.png is not a readable image"):
        datasets.cifar10(tmp_path, "test")


def test_a_giant_in_the_archive_is_not_unpacked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "test.tar.xz", "w:xz") as tar:
        member = tarfile.TarInfo("test/cat/0.png")
        member.size = 2 << 20
        tar.addfile(member, io.BytesIO(bytes(2 << 20)))
    with pytest.raises(DataError, match="2,097,152 bytes"):
        datasets.cifar10(tmp_path, "test")


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_damaged_archives(tmp_path: Path, damage: str) -> None:
    archive = packed(tmp_path / "data") / "test.tar.xz"
    whole = archive.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 50]) + whole[middle + 50 :]
    archive.write_bytes({"empty": b"", "cut": whole[:middle], "flipped": flipped, "text": b"no archive"}[damage])
    with pytest.raises(DataError, match=r"test\.tar\.xz"):
        datasets.cifar10(tmp_path / "data", "test")


def test_missing_paths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file or folder"):
        datasets.cifar10(tmp_path / "nowhere", "test")
    (tmp_path / "notes.txt").write_text("x")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(DataError, match=r"looked for cifar-10-batches-py/, test/<class>/\*.jpg and test.tar.xz"):
            datasets.cifar10(path, "test")


def test_torchvisions_layout_must_match_its_checksums(tmp_path: Path) -> None:
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for name in ("test_batch", "batches.meta", *(f"data_batch_{number}" for number in range(1, 6))):
        (batches / name).write_bytes(b"cos\nsystem\n(S'touch unpickled'\ntR.")
    for path in (tmp_path, batches):
        with pytest.raises(DataError, match="do not match their checksums"):
            datasets.cifar10(path, "test")
    assert not Path("unpickled").exists()


def test_given_before_environment_before_data_before_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert datasets.find().name == "digits"
    pictures(Path("data"))
    assert datasets.find().source == str(Path("data/test"))
    monkeypatch.setenv("GRADER_DATA", str(pictures(tmp_path / "environment")))
    assert datasets.find().source == str(tmp_path / "environment" / "test")
    assert datasets.find(pictures(tmp_path / "given")).source == str(tmp_path / "given" / "test")
    assert datasets.find(Path("digits")).name == "digits"
    monkeypatch.setenv("GRADER_DATA", "digits")
    assert datasets.find(split="train").name == "digits"


def test_only_what_was_asked_for_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("data").mkdir()
    Path("data/notes.txt").write_text("a folder of the student's own")
    assert datasets.find().name == "digits"
    monkeypatch.setenv("GRADER_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="GRADER_DATA"):
        datasets.find()
    monkeypatch.setenv("GRADER_DATA", "")
    assert datasets.find().name == "digits"


def spoil(path: Path) -> None:
    """Replace the content, but neither size nor time."""
    stat = path.stat()
    path.write_bytes(bytes(stat.st_size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_an_archive_is_decoded_once(tmp_path: Path) -> None:
    archive = packed(tmp_path / "data") / "test.tar.xz"
    datasets.cifar10(archive, "test")
    spoil(archive)
    expect_all(datasets.cifar10(archive, "test"))  # so this came from the cache
    os.utime(archive)
    with pytest.raises(DataError):  # and a newer archive does not
        datasets.cifar10(archive, "test")


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99], ids=str)
def test_a_cut_cache_file_is_decoded_anew(tmp_path: Path, left: float) -> None:
    archive = packed(tmp_path / "data") / "test.tar.xz"
    datasets.cifar10(archive, "test")
    (cached,) = datasets.cache_dir().iterdir()
    whole = cached.read_bytes()
    cached.write_bytes(whole[: int(left * len(whole))])
    expect_all(datasets.cifar10(archive, "test"))
    spoil(archive)
    expect_all(datasets.cifar10(archive, "test"))
    assert [file.name for file in datasets.cache_dir().iterdir()] == [cached.name]


def test_digits_held_out_are_not_trained_on() -> None:
    train, test = datasets.digits("train"), datasets.digits("test")
    assert (len(train), len(test)) == (1347, 450)
    assert train.images.shape == (1347, 3, 32, 32)
    assert train.images.dtype == test.images.dtype == torch.uint8
    assert not {image.numpy().tobytes() for image in train.images} & {image.numpy().tobytes() for image in test.images}
    assert set(test.labels.tolist()) == set(range(10))
    assert torch.equal(datasets.digits("test").images, test.images)


def idx(array: np.ndarray) -> bytes:
    """As MNIST's files have it: two zeros, 8 for bytes, the number of dimensions, their extents, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist(folder: Path) -> Path:
    """<folder>/MNIST/raw/ as torchvision has it, with 12 images to test and 30 to train; returns ``folder``."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, count in (("t10k", 12), ("train", 30)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8) % 10))
    return folder


@pytest.mark.parametrize("inside", ["", "MNIST", "MNIST/raw"])
def test_mnist_as_torchvision_has_it(tmp_path: Path, inside: str) -> None:
    found = datasets.mnist(mnist(tmp_path / "data") / inside, "test")
    assert (found.name, found.source) == ("MNIST", str(tmp_path / "data" / "MNIST" / "raw"))
    assert found.images.shape == (12, 1, 28, 28)
    assert found.images.dtype == torch.uint8
    assert found.labels.tolist() == [number % 10 for number in range(12)]
    expected = np.random.default_rng(12).integers(0, 256, (12, 28, 28), dtype=np.uint8)
    assert torch.equal(found.images[:, 0], torch.from_numpy(expected))
    assert len(datasets.mnist(tmp_path / "data", "train")) == 30


def test_mnist_that_is_not_there_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file or folder"):
        datasets.mnist(tmp_path / "nowhere", "test")
    with pytest.raises(DataError, match=r"looked for MNIST/raw/, .* --data digits"):
        datasets.mnist(tmp_path, "test")
    raw = mnist(tmp_path) / "MNIST" / "raw"
    (raw / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="not a complete MNIST"):
        datasets.mnist(tmp_path, "train")
    labels, images = raw / "t10k-labels-idx1-ubyte", raw / "t10k-images-idx3-ubyte"
    for path, content in (
        (labels, idx(np.arange(11, dtype=np.uint8) % 10)),
        (labels, idx(np.arange(12, dtype=np.uint8))),
        (labels, b""),
        (images, images.read_bytes()[:-1]),
        (images, idx(np.zeros((12, 27, 28), dtype=np.uint8))),
        (images, b"no images"),
    ):
        mnist(tmp_path)
        path.write_bytes(content)
        with pytest.raises(DataError, match="MNIST"):
            datasets.mnist(tmp_path, "test")


def test_mnist_is_looked_for_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert datasets.find(kind="MNIST").source == "embedded (scikit-learn's digits, upsampled to 1x28x28)"
    assert datasets.find(mnist(tmp_path / "given"), kind="MNIST").name == "MNIST"
    with pytest.raises(DataError, match="No CIFAR-10"):
        datasets.find(tmp_path / "given")
    mnist(Path("data"))
    assert datasets.find(kind="MNIST").name == "MNIST"
    assert datasets.find().name == "digits"
    monkeypatch.setenv("GRADER_DATA", str(tmp_path))
    with pytest.raises(DataError, match="No MNIST"):
        datasets.find(kind="MNIST")


def tiny(folder: Path, trained_on: str | None) -> assignment.Assignment:
    """An assignment for MNIST with a checkpoint that says what it was trained on."""
    made = folder / "assignments" / "tiny"
    made.mkdir(parents=True)
    text = 'title = "T"\nfiles = ["tiny.py"]\npoints = 1\n[checkpoint]\nfile = "tiny.safetensors"\nbuild = "net"\n'
    (made / "assignment.toml").write_text(text + 'threshold = 0.9\ndigits_threshold = 0.5\nimages = "MNIST"\n')
    metadata = None if trained_on is None else {"data": trained_on}
    save_file({"weight": torch.zeros(1)}, str(made / "tiny.safetensors"), metadata)
    return assignment.load("tiny", folder)


def test_a_checkpoint_is_measured_on_what_it_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = mnist(tmp_path / "data")
    alone, both, silent = (
        tiny(tmp_path / str(number), said) for number, said in enumerate(("digits", "MNIST, digits", None))
    )
    for chosen in (both, silent):
        assert datasets.for_assignment(chosen, data).name == "MNIST"
    with pytest.raises(DataError, match=r"trained on digits alone.*grader train tiny"):
        datasets.for_assignment(alone, data)
    for chosen in (alone, both, silent):
        found = datasets.for_assignment(chosen, Path("digits"))
        assert (found.name, tuple(found.images.shape)) == ("digits", (450, 1, 28, 28))
    monkeypatch.setenv("GRADER_DATA", str(data))
    assert datasets.for_assignment(alone).name == "digits"
    assert datasets.for_assignment(both).name == "MNIST"
    checkpoint = alone.settings.checkpoint
    assert checkpoint is not None
    assert [checkpoint.threshold_on(name) for name in ("MNIST", "digits")] == [0.9, 0.5]


def test_normalise_is_what_the_networks_read() -> None:
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    found = datasets.normalise(images)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    form = datasets.FORMS["CIFAR-10"]
    for channel in range(3):
        expected = (images[:, channel] / 255 - form.mean[channel]) / form.std[channel]
        assert torch.allclose(found[:, channel], expected, atol=1e-5)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real CIFAR-10 is not beside this copy")
def test_the_real_test_set() -> None:
    found = datasets.find(REAL)
    assert len(found) == 10_000
    assert found.labels.bincount().tolist() == [1000] * 10
    form = datasets.FORMS["CIFAR-10"]  # of the training images
    assert found.images.float().mean((0, 2, 3)).div(255).tolist() == pytest.approx(form.mean, abs=0.01)
    assert found.images.float().std((0, 2, 3)).div(255).tolist() == pytest.approx(form.std, abs=0.01)


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    labels = torch.cat([datasets.digits(split).labels for split in ("test", "train")])
    assert torch.equal(labels.bincount(), torch.tensor(load_digits().target).bincount())
    pixels, target = datasets._digit_arrays()
    assert np.array_equal(pixels, load_digits().images)
    assert np.array_equal(target, load_digits().target)
