"""grader.training: an interrupted run ends in the same weights, widening and folding keep the function."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from grader.assignment import AssignmentError
from grader.datasets import Dataset
from grader.training.loop import MEASURED, Interrupted, Trainer, cut_out
from grader.training.parallel import Team, gathered
from grader.training.recipe import Recipe, RecipeError, Stage, read_recipe
from grader.training.train import final_weights
from grader.training.widths import fold_batch_norm, narrow, widen, with_batch_norm

ROOT = Path(__file__).resolve().parent.parent


class Tiny(nn.Module):
    """(N, 3, 32, 32) -> (N, 10): features, then a classifier with everything that has to be widened."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(36, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).flatten(1))


RECIPE = Recipe(
    build="Tiny",
    seed=3,
    batch_size=8,
    digits_per_batch=2,
    weight_decay=1e-3,
    label_smoothing=0.1,
    dropout=0.2,
    cutout=5,
    batch_norm_in_features=True,
    # 18 images, 6 in a batch: 2, 3 and 3 steps; another image size, then twice the width.
    stage=[
        Stage(epochs=0.7, lr=(0.01, 0.1), width=0.5),
        Stage(epochs=1, lr=(0.1, 0.1), width=0.5),
        Stage(epochs=1, lr=(0.1, 0.01)),
    ],
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def fake(name: str, count: int) -> Dataset:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return Dataset(name, images, torch.randint(10, (count,), generator=generator), "made up")


def trainer(folder: Path, recipe: Recipe = RECIPE) -> Trainer:
    return Trainer(recipe, Tiny, fake("CIFAR-10", 18), fake("digits", 5), folder)


def nothing(trainer: Trainer, loss: float, accuracy: float) -> None:
    pass


def at(step: int, number: int = signal.SIGTERM) -> Callable[[Trainer, float, float], None]:
    """A report that signals this process once ``step`` steps are done."""

    def report(trainer: Trainer, loss: float, accuracy: float) -> None:
        if trainer.step == step:
            os.kill(os.getpid(), number)

    return report


def expect_equal(one: nn.Module, other: nn.Module) -> None:
    assert list(one.state_dict()) == list(other.state_dict())
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


def test_interrupted_after_every_step_it_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole")
    assert whole.stage_steps == [2, 3, 3]
    expected = whole.run(nothing)
    for step in range(1, 8):
        part = trainer(tmp_path / "parts")
        assert part.step == step - 1
        with pytest.raises(Interrupted, match=f"step {step} of 8"):
            part.run(at(step, signal.SIGINT if step % 2 else signal.SIGTERM))
    last = trainer(tmp_path / "parts")
    found = last.run(nothing)
    expect_equal(found, expected)
    assert last.finished
    assert not found.training
    assert last.history == whole.history
    assert [entry["step"] for entry in last.history] == list(range(8))


def test_a_finished_run_is_not_trained_further(tmp_path: Path) -> None:
    expected = trainer(tmp_path).run(nothing)
    again = trainer(tmp_path)
    assert (again.finished, again.step, again.total_steps) == (True, 8, 8)
    expect_equal(again.run(at(1)), expected)


def test_after_a_crash_it_goes_on_from_the_last_save(tmp_path: Path) -> None:
    def crash(trainer: Trainer, loss: float, accuracy: float) -> None:
        if trainer.step == 6:
            raise MemoryError

    with pytest.raises(Interrupted):
        trainer(tmp_path / "parts").run(at(4))
    with pytest.raises(MemoryError):
        trainer(tmp_path / "parts").run(crash)
    resumed = trainer(tmp_path / "parts")
    assert resumed.step == 4
    expect_equal(resumed.run(nothing), trainer(tmp_path / "whole").run(nothing))


def test_signals_are_the_callers_again_afterwards(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        trainer(tmp_path).run(at(1))
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_the_seed_decides(tmp_path: Path) -> None:
    recipe = Recipe(**{key: getattr(RECIPE, key) for key in RECIPE.__struct_fields__} | {"seed": 4})
    one, other = trainer(tmp_path / "3").run(nothing), trainer(tmp_path / "4", recipe).run(nothing)
    assert not torch.equal(one.state_dict()["classifier.1.weight"], other.state_dict()["classifier.1.weight"])


def test_cutout_greys_one_square_of_each_image() -> None:
    images = torch.ones(50, 3, 32, 32)
    cut_out(images, 5, torch.Generator().manual_seed(0))
    assert (images == images[:, :1]).all()
    holes = images[:, 0] == 0
    assert set(holes.sum((1, 2)).tolist()) <= {high * wide for high in (3, 4, 5) for wide in (3, 4, 5)}
    assert len({tuple(hole.nonzero()[0].tolist()) for hole in holes}) > 30  # at many places
    assert torch.equal(holes, holes.any(2, keepdim=True) & holes.any(1, keepdim=True))  # rectangles


def test_a_stage_may_have_a_cutout_of_its_own(tmp_path: Path) -> None:
    first, second, third = RECIPE.stage
    stages = [first, msgspec.structs.replace(second, cutout=0), third]
    alike = trainer(tmp_path / "alike")
    other = trainer(tmp_path / "other", msgspec.structs.replace(RECIPE, stage=stages))
    alike.run(nothing)
    other.run(nothing)
    losses = [[entry["loss"] for entry in each.history] for each in (alike, other)]
    assert losses[0][:2] == losses[1][:2]
    assert losses[0][2] != losses[1][2]


def test_the_mean_of_two_stages_weights(tmp_path: Path) -> None:
    """Also after an interruption, and with batch norm's statistics of its own."""
    stages = [RECIPE.stage[0], *(Stage(epochs=1, lr=(0.1, 0.01), averaged=True) for _ in range(2))]
    recipe = msgspec.structs.replace(RECIPE, stage=stages)
    ends: list[dict[str, torch.Tensor]] = []

    def note(trainer: Trainer, loss: float, accuracy: float) -> None:
        if trainer.step in (5, 8):
            ends.append({key: value.clone() for key, value in trainer.model.state_dict().items()})

    whole = trainer(tmp_path / "whole", recipe)
    whole.run(note)
    done: list[int] = []
    found = whole.averaged(done.append)
    assert done == list(range(1, MEASURED + 1))
    first, second = ends
    for key, value in found.named_parameters():
        assert torch.allclose(value, (first[key] + second[key]) / 2, atol=1e-6)
    means = {key: value for key, value in found.named_buffers() if key.endswith("running_mean")}
    assert len(means) == 3
    for key, value in means.items():
        assert not torch.allclose(value, second[key], atol=1e-4)
    with pytest.raises(Interrupted):
        trainer(tmp_path / "parts", recipe).run(at(6))
    parts = trainer(tmp_path / "parts", recipe)
    parts.run(nothing)
    expect_equal(parts.averaged(done.append), found)


def test_in_bf16_weights_stay_fp32(tmp_path: Path) -> None:
    small = Recipe(**{key: getattr(RECIPE, key) for key in RECIPE.__struct_fields__} | {"precision": "bf16"})
    rough, exact = trainer(tmp_path / "bf16", small), trainer(tmp_path / "fp32")
    assert {value.dtype for value in rough.run(nothing).parameters()} == {torch.float32}
    exact.run(nothing)
    assert rough.history[0]["loss"] == pytest.approx(exact.history[0]["loss"], rel=0.02)
    assert rough.history[0]["loss"] != exact.history[0]["loss"]


def test_small_images_leave_the_last_pooling_out(tmp_path: Path) -> None:
    class Pooled(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(8), nn.MaxPool2d(2))
            self.classifier = nn.Sequential(nn.Linear(16, 10))

    recipe = Recipe("Pooled", 1, 8, 2, 0.0, 0.0, [Stage(0.34, (0.1, 0.1), size=16), Stage(0.34, (0.1, 0.1))])
    found = Trainer(recipe, Pooled, fake("CIFAR-10", 18), fake("digits", 5), tmp_path).run(nothing)
    assert isinstance(found.features[-1], nn.MaxPool2d)
    assert found(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def shaken(model: nn.Module) -> nn.Module:
    """All weights and running statistics away from what they begin with."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(0.5 + torch.rand(value.shape, generator=generator) * (0.5 if value.dim() < 2 else -1))
    return model


@pytest.mark.parametrize("training", [False, True])
def test_widening_keeps_the_function(training: bool) -> None:
    def build() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 9, 12),
            nn.BatchNorm1d(12),
            nn.Linear(12, 10),
        )

    small = shaken(narrow(build(), 0.5))
    large = widen(small, build(), torch.Generator().manual_seed(1))
    x = torch.randn(5, 3, 8, 8)
    assert torch.allclose(large.train(training)(x), small.train(training)(x), rtol=1e-3, atol=1e-4)
    # The copies of a channel are fed differently from here on, or they would stay copies for ever.
    weight = large[3].weight.detach()
    assert not torch.equal(weight[:, :4], weight[:, 4:])
    assert large.state_dict().keys() == small.state_dict().keys()


def test_narrowing_keeps_image_channels_and_classes() -> None:
    model = narrow(Tiny(), 0.5)
    shapes = [tuple(value.shape) for value in model.parameters() if value.dim() > 1]
    assert shapes == [(2, 3, 3, 3), (2, 2, 3, 3), (4, 18), (10, 4)]
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_folding_batch_norm_keeps_the_function() -> None:
    plain = Tiny().features
    features = shaken(with_batch_norm(plain)).eval()
    x = torch.randn(2, 3, 32, 32)
    folded = fold_batch_norm(features)
    assert torch.allclose(folded(x), features(x), rtol=1e-4, atol=1e-4)
    assert [type(layer) for layer in folded] == [type(layer) for layer in plain]
    assert folded.state_dict().keys() == plain.state_dict().keys()


def test_final_weights_are_those_of_the_published_network(tmp_path: Path) -> None:
    trained = trainer(tmp_path).run(nothing)
    x = torch.randn(2, 3, 32, 32)
    expected = trained(x)
    weights = final_weights(trained, Tiny, folded=True)
    assert {value.dtype for key, value in weights.items() if "num_batches" not in key} == {torch.float16}
    published = Tiny().eval()
    published.load_state_dict({key: value.float() for key, value in weights.items()})
    assert torch.allclose(published(x), expected, rtol=0.02, atol=0.02)  # fp16 keeps 11 bits


def test_final_weights_must_fit_the_solution() -> None:
    with pytest.raises(AssignmentError, match="not that of the solution's model"):
        final_weights(narrow(Tiny(), 0.5), Tiny, folded=False)
    model = Tiny()
    model.features = with_batch_norm(model.features)
    with pytest.raises(AssignmentError, match="not that of the solution's model"):
        final_weights(model, Tiny, folded=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_final_weights_must_fit_into_fp16(value: float) -> None:
    model = Tiny()
    with torch.no_grad():
        model.classifier[1].bias[2] = value
    with pytest.raises(AssignmentError, match=r"classifier\.1\.bias has values that fp16 cannot hold"):
        final_weights(model, Tiny, folded=False)


TOML = """\
build = "net"
seed = 1
batch_size = 128
digits_per_batch = 8
weight_decay = 5e-4
label_smoothing = 0.1
[[stage]]
epochs = 2
lr = [0.01, 0.1]
"""


@pytest.mark.parametrize(
    ("line", "instead", "key"),
    [
        ('build = "net"', "", "build"),
        ("seed = 1", "sede = 1", "sede"),
        ("seed = 1", "seed = 1.5", "seed"),
        ("batch_size = 128", "batch_size = 0", "batch_size"),
        ("batch_size = 128", "batch_size = 8", "digits_per_batch"),
        ("digits_per_batch = 8", "digits_per_batch = -1", "digits_per_batch"),
        ("label_smoothing = 0.1", "label_smoothing = 2", "label_smoothing"),
        ("label_smoothing = 0.1", "label_smoothing = 0.1\ndropout = 1.5", "dropout"),
        ("[[stage]]\nepochs = 2\nlr = [0.01, 0.1]", "stage = []", "stage"),
        ("[[stage]]\nepochs = 2\nlr = [0.01, 0.1]", "", "stage"),
        ("epochs = 2", "epochs = 0", "epochs"),
        ("epochs = 2", "", "epochs"),
        ("lr = [0.01, 0.1]", "lr = 0.1", "lr"),
        ("lr = [0.01, 0.1]", "lr = [0.1]", "lr"),
        ("lr = [0.01, 0.1]", "lr = [0.01, 0.1]\nwidth = 2.0", "width"),
        ("lr = [0.01, 0.1]", "lr = [0.01, 0.1]\nsize = 64", "size"),
        ('build = "net"', "build = ", "line 1"),
    ],
)
def test_wrong_recipes_name_file_and_key(tmp_path: Path, line: str, instead: str, key: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(TOML)
    assert read_recipe(path).stage[0].lr == (0.01, 0.1)
    assert line in TOML
    path.write_text(TOML.replace(line, instead))
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)
    assert key in str(caught.value).removeprefix(str(path))


def test_recipes_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No recipe at"):
        read_recipe(tmp_path / "recipe.toml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path)
    (tmp_path / "recipe.toml").write_bytes(b"\xff")
    with pytest.raises(RecipeError, match="recipe"):
        read_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("path", sorted(ROOT.glob("solutions/*/recipe.toml")), ids=lambda path: path.parent.name)
def test_the_shipped_recipes(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.stage[-1].width == 1
    assert recipe.stage[-1].size == 32


def test_a_run_can_begin_with_given_weights(tmp_path: Path) -> None:
    given = trainer(tmp_path / "first")
    given.run(nothing)
    weights = {
        key: torch.full_like(value, 0.5) for key, value in trainer(tmp_path / "other").model.state_dict().items()
    }
    begun = Trainer(RECIPE, Tiny, fake("CIFAR-10", 18), fake("digits", 5), tmp_path / "second", start=weights)
    assert all(torch.equal(value, weights[key]) for key, value in begun.model.state_dict().items())
    assert not torch.equal(begun.run(nothing).classifier[1].weight, given.model.classifier[1].weight)


def test_weights_to_begin_with_need_the_stages_they_came_from() -> None:
    with pytest.raises(ValueError, match="start and earlier go together"):
        Recipe("Tiny", 1, 8, 2, 0.0, 0.0, [Stage(1, (0.1, 0.1))], start="start.safetensors")


@pytest.mark.parametrize(
    "stages",
    [
        [Stage(1, (0.1, 0.1), averaged=True)],
        [Stage(1, (0.1, 0.1), averaged=True), Stage(1, (0.1, 0.1), averaged=True), Stage(1, (0.1, 0.1))],
        [Stage(1, (0.1, 0.1), width=0.5, averaged=True), Stage(1, (0.1, 0.1), averaged=True)],
    ],
)
def test_what_cannot_be_averaged(stages: list[Stage]) -> None:
    with pytest.raises(ValueError, match="two stages at least"):
        msgspec.convert(msgspec.to_builtins(msgspec.structs.replace(RECIPE, stage=stages)), Recipe)


def follow(team: Team, folder: Path) -> None:
    Trainer(RECIPE, Tiny, fake("CIFAR-10", 18), fake("digits", 5), folder, team).run(nothing)


def test_two_processes_make_the_same_steps(tmp_path: Path) -> None:
    with gathered(2, follow, tmp_path) as team:
        together = Trainer(RECIPE, Tiny, fake("CIFAR-10", 18), fake("digits", 5), tmp_path, team)
        together.run(nothing)
    assert together.finished
    assert len(together.history) == 8
    again = trainer(tmp_path)  # the state that the first of them saved
    assert again.finished
    expect_equal(again.model, together.model)
