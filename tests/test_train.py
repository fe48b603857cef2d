"""``grader train``, run for real on a tiny assignment: what it prints and writes, stopped and resumed."""

from __future__ import annotations

import os
import pty
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from grader.datasets import CLASSES

TOML = """
title = "A tiny network"
files = ["tiny.py"]
points = 1
[checkpoint]
file = "tiny.safetensors"
build = "net"
threshold = 0.1
"""
# 20 images, 6 of them in a batch: 2, 2 and 1 steps.
RECIPE = """
build = "net"
seed = 1
batch_size = 8
digits_per_batch = 2
weight_decay = 0
label_smoothing = 0.1
[[stage]]
epochs = 0.6
lr = [0.01, 0.01]
width = 0.5
[[stage]]
epochs = 0.6
lr = [0.01, 0.001]
averaged = true
[[stage]]
epochs = 0.3
lr = [0.01, 0.001]
averaged = true
"""
# In its second step it waits in the pipes, where they are, until the test has sent its signal.
SOLUTION = """
import os
from torch import nn

class Net(nn.Sequential):
    steps = 0

    def forward(self, x):
        Net.steps += 1
        if Net.steps == 2 and os.path.exists("ready"):
            open("ready", "w").close()
            open("go").close()
        return super().forward(x)

def net():
    return Net(nn.Conv2d(3, 4, 3, stride=8), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10))
"""
pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes, signals and terminals")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A course with one assignment, and a CIFAR-10 of two pictures for each class."""
    assignment, solution = tmp_path / "assignments" / "tiny", tmp_path / "solutions" / "tiny"
    (assignment / "checks").mkdir(parents=True)
    solution.mkdir(parents=True)
    (assignment / "assignment.toml").write_text(TOML)
    (solution / "recipe.toml").write_text(RECIPE)
    (solution / "tiny.py").write_text(SOLUTION)
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in CLASSES:
            (tmp_path / "cifar10" / split / name).mkdir(parents=True)
            for number in range(2):
                picture = Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8))
                picture.save(tmp_path / "cifar10" / split / name / f"{number}.png")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def start(root: Path, *more: str, errors: int = subprocess.PIPE) -> subprocess.Popen[str]:
    temporary = str(root / "tmp")
    command = [sys.executable, "-m", "grader", "train", "tiny", "--data", "cifar10", "--processes", "1", *more]
    return subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "TMPDIR": temporary, "GRADER_CACHE": temporary, "TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job may have it ignored
    )


def seen_on_a_terminal(root: Path, *more: str) -> tuple[int, str, str]:
    """Exit code, standard output, and what a terminal at standard error got."""
    here, there = pty.openpty()
    got: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(here, 4096):
                got.append(part)
        except OSError:
            pass  # how Linux says that the other side is closed

    reader = threading.Thread(target=read)
    with start(root, *more, errors=there) as process:
        os.close(there)
        reader.start()
        output, _ = process.communicate(timeout=300)
    reader.join(timeout=60)
    os.close(here)
    return process.returncode, output, b"".join(got).decode()


def test_stopped_resumed_and_finished(root: Path) -> None:
    for name in ("ready", "go"):
        os.mkfifo(root / name)
    with start(root) as process:
        (root / "ready").read_text()  # it is in its second step
        process.send_signal(signal.SIGINT)
        (root / "go").write_text("")
        output, errors = process.communicate(timeout=300)
    assert (output, errors) == ("", "Stopped at step 2 of 5. Use --resume.\n")
    assert process.returncode == 130
    (root / "ready").unlink()

    status, output, terminal = seen_on_a_terminal(root, "--resume")
    assert status == 0, terminal
    assert output.startswith("Continuing at step 2 of 5.\nTrained 5 steps: loss ")
    assert "tiny.safetensors (0 MB).\n" in output
    assert "CIFAR-10: " in output
    assert "\x1b" not in output
    assert "Loading torch and the images" in terminal
    assert "Averaging weights" in terminal
    assert "left" not in terminal.rpartition("\x1b[2K")[2]  # the bar is gone

    folder = root / "assignments" / "tiny"
    assert load_file(folder / "tiny.safetensors")["4.weight"].shape == (10, 64)
    assert (folder / "tiny.predictions.npz").is_file()
    assert (folder / "training.png").is_file()
    card = (folder / "MODEL_CARD.md").read_text()
    assert "A tiny network" in card
    assert "the mean of those in which stages 2, 3 ended" in card
    assert not (root / "tmp" / "training" / "tiny").exists()


def test_on_the_digits_alone_and_on_mnist(tmp_path: Path) -> None:
    """An assignment for 28x28 images: without data on the digits, with MNIST on both; the checkpoint says which."""
    made, solution = tmp_path / "assignments" / "tiny", tmp_path / "solutions" / "tiny"
    (made / "checks").mkdir(parents=True)
    solution.mkdir(parents=True)
    (made / "assignment.toml").write_text(TOML + 'images = "MNIST"\n')
    (solution / "recipe.toml").write_text(RECIPE.replace("weight_decay", "digits_suffice = true\nweight_decay"))
    (solution / "tiny.py").write_text(SOLUTION.replace("Conv2d(3", "Conv2d(1"))
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 20), ("t10k", 10)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        header = bytes([0, 0, 8, 3]) + struct.pack(">3I", count, 28, 28)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = bytes(number % 10 for number in range(count))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", count) + labels)

    def trained(*more: str) -> tuple[str, str, str]:
        command = [sys.executable, "-m", "grader", "train", "tiny", "--processes", "1", *more]
        environment = {key: value for key, value in os.environ.items() if key != "GRADER_DATA"}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment | {"GRADER_CACHE": str(tmp_path)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        with safe_open(str(made / "tiny.safetensors"), "pt") as file:
            return done.stdout, (made / "MODEL_CARD.md").read_text(), file.metadata()["data"]

    said, card, data = trained("--epochs", "0.03")
    assert data == "digits"
    assert "digits: " in said
    assert "MNIST" not in said + card
    assert "as 1 x 28 x 28 images" in card
    assert "mirrored" not in card
    said, card, data = trained("--data", "mnist")
    assert data == "MNIST, digits"
    assert "MNIST: " in said
    assert "60,000 training images" in card
    assert "| 28 x 28 |" in card
