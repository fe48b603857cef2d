"""`grader visualize`: pictures of a network, and sentences where there is none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageChops, ImageStat

from grader.datasets import digits
from grader.tracing import Step, layers, trace
from grader.visualize import draw, look

ROOT = Path(__file__).resolve().parent.parent
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
FROM_CIFAR10 = ("vgg16", "resnet50")  # their feature maps in the handouts are of an image that is not in this copy
PICTURES = ["architecture.svg", "confusion.png", "feature_maps.png", "filters.png", "misclassified.png"]


def visualize(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", "visualize", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_right_network_with_its_weights(tmp_path: Path) -> None:
    done = visualize("resnet50", "-s", "solutions/resnet50", "--data", "digits", "--out", tmp_path / "deep" / "er")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "deep" / "er").iterdir()) == PICTURES
    assert "with the reference weights" in done.stdout
    for name in PICTURES[1:]:
        with Image.open(tmp_path / "deep" / "er" / name) as image:
            image.verify()
            assert min(image.size) > 50
    drawn = (tmp_path / "deep" / "er" / "architecture.svg").read_text()
    for text in ("ResidualBlock 64 -&gt; 256", "5 x  ResidualBlock", "1024 x 2 x 2", "Linear 1024 -&gt; 10"):
        assert text in drawn


@pytest.mark.parametrize("name", [path.name for path in sorted((ROOT / "assignments").iterdir())])
def test_the_handouts_show_what_the_solution_draws(name: str, tmp_path: Path) -> None:
    folder = ROOT / "assignments" / name
    text = (folder / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert shown, "every handout shows what it is about"
    done = visualize(name, "-s", f"solutions/{name}", "--data", "digits", "--out", tmp_path, "--images", 10)
    assert done.returncode == 0, done.stderr
    assert "not drawn" not in done.stdout
    for picture in shown:
        if picture.endswith(".svg"):
            drawn, kept = ((each / picture).read_text(encoding="utf-8") for each in (tmp_path, folder))
            assert NUMBER.sub("", drawn) == NUMBER.sub("", kept)
            # What is learned differs in the last digits from one processor to another: half a pixel is not seen.
            assert list(map(float, NUMBER.findall(drawn))) == pytest.approx(
                list(map(float, NUMBER.findall(kept))), abs=0.5
            )
        else:
            with Image.open(tmp_path / picture) as one, Image.open(folder / picture) as other:
                assert one.size == other.size
                if name not in FROM_CIFAR10:
                    apart = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
                    assert max(apart) < 2


def test_what_is_not_written_yet_is_left_out(tmp_path: Path) -> None:
    """The other pictures are drawn."""
    text = (ROOT / "solutions" / "inception" / "inception.py").read_text(encoding="utf-8")
    start = text.index("class Inception")
    (tmp_path / "inception.py").write_text(text[:start].replace("return (direct - 1) // each", "return None"))
    done = visualize("inception", "-s", tmp_path)
    assert done.returncode == 2
    assert "defines no Inception" in done.stderr
    (tmp_path / "inception.py").write_text(text[:start])
    done = visualize("inception", "-s", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["costs.svg"]
    assert "Inception is not drawn: " in done.stdout


def test_functional_networks_are_what_they_compute(tmp_path: Path) -> None:
    """Other calls for the same layers are the same picture; no network and no maps are a sentence."""
    text = (ROOT / "solutions" / "vgg_functional" / "vgg_functional.py").read_text(encoding="utf-8")
    other = (
        text.replace("x = F.relu(x)", "x = x.clamp_min(0)")
        .replace("F.relu(torch.matmul(x, weight.t()) + bias)", "torch.relu_(F.linear(x, weight, bias))")
        .replace("x = x.flatten(1)", "x = x.view(len(x), -1)")
    )
    for number, source in enumerate((other, text.replace("return [*maps, x]", "return x"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "vgg_functional.py").write_text(source)
        done = visualize("vgg_functional", "-s", folder, "--data", "digits")
        if number == 0:
            assert done.returncode == 0, done.stderr
            kept = ROOT / "assignments" / "vgg_functional" / "architecture.svg"
            assert (folder / "pictures" / "architecture.svg").read_text() == kept.read_text()
        else:
            assert "VGGSmall" in done.stdout + done.stderr
            assert "Traceback" not in done.stderr


def test_other_weights_than_the_reference_has(tmp_path: Path) -> None:
    text = (ROOT / "solutions" / "resnet50" / "resnet50.py").read_text().replace("self.fc", "self.head")
    (tmp_path / "resnet50.py").write_text(text)
    done = visualize("resnet50", "-s", tmp_path, "--data", "digits")
    assert done.returncode == 0, done.stderr
    assert "with its initial weights: the reference weights do not fit" in done.stdout
    found = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert found == ["architecture.svg", "feature_maps.png", "filters.png"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "not written yet"),
        ("def ResNet50_layer4():\n    return 3\n", "ResNet50_layer4() gives a int; an nn.Module is expected."),
        ("def ResNet50_layer4():\n    return 1 / 0\n", "ZeroDivisionError"),
        ("import os\nos._exit(0)\n", "ended"),
        ("x = (\n", "SyntaxError"),
        ("", "defines no ResNet50_layer4"),
    ],
)
def test_no_network(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "resnet50.py").write_text(text + "# the file holds something\n")
    source = tmp_path if text is not None else "assignments/resnet50"
    done = visualize("resnet50", "-s", source, "--out", tmp_path / "pictures")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_boxes_say_what_comes_before_and_after() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4 * 3 * 3, 5)),
    ).eval()
    steps, _ = trace(model, torch.zeros(1, 3, 8, 8))
    found = look.boxes(steps, layers(model))
    assert [(box.text, box.shape) for box in found] == [
        ("Conv2d 3 -> 4, 3x3, stride 2, BatchNorm, ReLU", "4 x 3 x 3"),
        ("Flatten 4 -> 36", "36"),
        ("Linear 36 -> 5", "5"),
    ]


def test_a_deep_network_is_drawn_by_its_blocks() -> None:
    block = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = torch.nn.Sequential(*[torch.nn.Sequential(block, torch.nn.Linear(8, 8)) for _ in range(30)]).eval()
    steps, _ = trace(model, torch.zeros(1, 3, 8))
    assert len(look.boxes(steps, layers(model))) <= look.MOST_BOXES


def test_what_a_student_names_is_only_text(tmp_path: Path) -> None:
    """Mathematics for matplotlib, control characters, markup and endless names."""
    name = r"$\frac{$" + "\x1b[31m" + "<script>" + "x" * 10_000
    box = look.Box(name, name, name)
    draw.architecture({name: [box]}, tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert "<script>" not in drawn
    assert "\x1b" not in drawn
    maps = look.feature_maps([Step(name, name, None, (1, 3, 4, 4), torch.rand(1, 3, 4, 4))])
    draw.feature_maps(digits("test").images[0], maps, tmp_path / "b.png")
    draw.filters(name, torch.rand(70, 3, 3, 3), tmp_path / "c.png")


def test_maps_that_cannot_be_drawn_are_left_out() -> None:
    outputs = [torch.full((1, 2, 4, 4), float("nan")), torch.zeros(1, 2, 1, 1), torch.ones(1, 2, 4, 4).long()]
    assert look.feature_maps([Step("x", "y", None, tuple(each.shape), each) for each in outputs]) == []


def test_predictions(tmp_path: Path) -> None:
    dataset = digits("test")
    chosen = torch.arange(20)
    right = look.Predictions(dataset, chosen, dataset.labels[chosen])
    assert right.confusion().diagonal().sum() == 20
    assert not draw.misclassified(right, tmp_path / "wrong.png")
    assert not (tmp_path / "wrong.png").exists()
    wrong = look.Predictions(dataset, chosen, (dataset.labels[chosen] + 1) % 10)
    assert wrong.confusion().diagonal().sum() == 0
    assert wrong.confusion()[3, 4] == (dataset.labels[chosen] == 3).sum()
    assert draw.misclassified(wrong, tmp_path / "wrong.png")
    draw.confusion(wrong, tmp_path / "confusion.png")
