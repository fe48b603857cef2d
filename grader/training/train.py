"""`grader train`: train an assignment's reference checkpoint and write what goes with it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import torch
from safetensors.torch import save_file
from torch import nn

from grader import datasets
from grader.assignment import Assignment, AssignmentError
from grader.checks.accuracy import predict, predictions_path, store_predictions
from grader.datasets import DataError, Dataset
from grader.judge.context import import_solution, load_weights
from grader.training.card import draw_history, write_card
from grader.training.loop import MEASURED, Interrupted, Trainer
from grader.training.pace import Pace
from grader.training.parallel import Team, gathered
from grader.training.recipe import Recipe, TrainingError, read_recipe
from grader.training.widths import fold_batch_norm

RECENT = 50  # steps whose mean loss and accuracy are shown: those of one batch jump about


class Progress(Protocol):
    """Told how far it is: ``done`` of ``total`` ``what`` ("step", "image"), and what else there is to say."""

    def __call__(
        self, what: str, done: int, total: int, text: str = "", seconds_left: float | None = None, /
    ) -> object: ...


def train(
    assignment: Assignment,
    data: Path | None,
    say: Callable[[str], None],
    progress: Progress,
    *,
    epochs: float | None = None,
    processes: int | None = None,
    out: Path | None = None,
    state: Path | None = None,
    resume: bool = False,
) -> None:
    """Train ``assignment``'s checkpoint by solutions/<name>/recipe.toml, or continue where an earlier run stopped.

    Writes into ``out`` the checkpoint (fp16), the reference's predictions, the plot and the model card.

    Args:
        data: CIFAR-10, or whatever the checkpoint is for; see `datasets.find`. The digits alone are enough to train on
            only where the recipe says so.
        say: told what was done, a line at a time.
        progress: told after every step how far it is; it decides what of that is shown.
        epochs: as many in all instead of the recipe's, every stage in proportion.
        processes: how many train together; by default one for each core.
        out: where the results go; by default the assignment's folder.
        state: where it is kept what a later run continues from; by default in the user's cache.
        resume: continue an unfinished run; without it, there must be none.

    Raises:
        AssignmentError: no solution or no [checkpoint]; RecipeError: no usable recipe; DataError: no usable data.
        TrainingError: an unfinished run is there and ``resume`` was not asked for, or the other way round.
        Interrupted: stopped by a signal; the state is saved.
    """
    checkpoint = assignment.settings.checkpoint
    if checkpoint is None or assignment.secret is None:
        raise AssignmentError(f"{assignment.name} has no solution here, or no [checkpoint] in its assignment.toml.")
    out = out or assignment.folder
    state = state or datasets.cache_dir() / "training" / assignment.name
    unfinished = (state / "state.pt").is_file()
    if unfinished and not resume:
        raise TrainingError(f"An earlier run is kept in {state}. Continue it with --resume, or delete that folder.")
    if resume and not unfinished:
        raise TrainingError(f"There is nothing to resume in {state}. Start anew without --resume.")
    module = import_solution(assignment)
    recipe = _recipe(assignment, epochs)
    tests = _images(assignment, recipe, data, "test")
    out.mkdir(parents=True, exist_ok=True)
    size = processes or os.cpu_count() or 1
    with gathered(size, _follow, assignment, data, epochs, state) as team:
        trainer = _trainer(team, assignment, data, epochs, state)
        if trainer.step:
            say(f"Continuing at step {trainer.step:,} of {trainer.total_steps:,}.")
        trainer.run(_reporter(trainer, progress))
    model = trainer.averaged(lambda done: progress("batch", done, MEASURED, "Averaging weights"))
    say(f"Trained {trainer.total_steps:,} steps: {_recent(trainer)}.")
    build = getattr(module, checkpoint.build)
    path = out / checkpoint.file
    partial = path.with_suffix(".partial")
    metadata = {"data": ", ".join(test.name for test in tests)}  # what `datasets.for_assignment` goes by
    save_file(final_weights(model, build, recipe.batch_norm_in_features), str(partial), metadata)
    partial.replace(path)
    path.chmod(0o644)
    say(f"Saved {path} ({path.stat().st_size / 1e6:.0f} MB).")
    found = evaluate(path, build, tests, say, progress)
    draw_history(trainer.history, out / "training.png", assignment.settings.title)
    write_card(assignment, recipe, trainer.seconds, tests, found, hashlib.sha256(path.read_bytes()).hexdigest(), out)
    shutil.rmtree(state)


def _recipe(assignment: Assignment, epochs: float | None) -> Recipe:
    assert assignment.secret is not None
    recipe = read_recipe(assignment.secret / "recipe.toml")
    if epochs is not None:
        factor = epochs / sum(stage.epochs for stage in recipe.stage)
        recipe.stage = [msgspec.structs.replace(stage, epochs=stage.epochs * factor) for stage in recipe.stage]
    return recipe


def _images(assignment: Assignment, recipe: Recipe, data: Path | None, split: str) -> list[Dataset]:
    """What the checkpoint is trained (or tested) on: what it is for, and the digits; or these alone."""
    assert assignment.settings.checkpoint is not None
    kind = assignment.settings.checkpoint.images
    if data is None and recipe.digits_suffice:
        try:
            found = datasets.find(None, split, kind)
        except DataError:  # GRADER_DATA holds something else
            found = datasets.digits(split, kind)
    else:
        found = datasets.find(data, split, kind)
    if found.name != "digits":
        return [found, datasets.digits(split, kind)]
    if not recipe.digits_suffice:
        raise DataError(f"Training needs {kind}: point --data / GRADER_DATA at it, or fetch it with --data download.")
    return [found]


def _trainer(team: Team, assignment: Assignment, data: Path | None, epochs: float | None, state: Path) -> Trainer:
    recipe = _recipe(assignment, epochs)
    build = getattr(import_solution(assignment), recipe.build)
    assert assignment.secret is not None
    start = load_weights(assignment.secret / recipe.start) if recipe.start else None
    main, digits = (*_images(assignment, recipe, data, "train"), None)[:2]
    assert main is not None
    return Trainer(recipe, build, main, digits, state, team, start)


def _follow(team: Team, assignment: Assignment, data: Path | None, epochs: float | None, state: Path) -> None:
    """What the other processes of a team do: the same steps, and nothing else."""
    with contextlib.suppress(Interrupted):
        _trainer(team, assignment, data, epochs, state).run(lambda trainer, loss, accuracy: None)


def final_weights(model: Any, build: Callable[[], nn.Module], folded: bool) -> dict[str, torch.Tensor]:
    """The trained ``model``'s state_dict as fp16, batch norm folded into the features where it was put in for training.

    Raises:
        AssignmentError: the weights do not fit what ``build`` makes, or fp16 cannot hold them.
    """
    if folded:
        model.features = fold_batch_norm(model.features)
    weights = {}
    for key, value in model.state_dict().items():
        small = value.half() if value.is_floating_point() else value
        if small.is_floating_point() and not torch.isfinite(small).all():
            raise AssignmentError(f"{key} has values that fp16 cannot hold; the training has diverged.")
        weights[key] = small.contiguous()
    if {key: value.shape for key, value in build().state_dict().items()} != {
        key: value.shape for key, value in weights.items()
    }:
        raise AssignmentError("The trained model's state_dict is not that of the solution's model.")
    return weights


def evaluate(
    path: Path, build: Callable[[], nn.Module], tests: list[Dataset], say: Callable[[str], None], progress: Progress
) -> dict[str, tuple[int, int]]:
    """Load the checkpoint at ``path`` and count what it gets right; its predictions are stored beside it.

    Returns:
        By data set: (correct, of).
    """
    model = build()
    model.load_state_dict(load_weights(path))
    key = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    predictions, found = {}, {}
    for dataset in tests:
        predicted = predict(model, dataset, _counter(dataset.name, progress))
        correct = int((predicted == dataset.labels).sum())
        predictions[f"{key}-{dataset.sha256()[:16]}"] = predicted
        found[dataset.name] = correct, len(dataset)
        say(f"{dataset.name}: {correct:,} of {len(dataset):,} correct ({correct / len(dataset):.2%}).")
    store_predictions(predictions_path(path), predictions)
    return found


def _counter(name: str, progress: Progress) -> Callable[[int, int], None]:
    def count(done: int, total: int) -> None:
        progress("image", min(done, total), total, f"Counting what is right of {name}")

    return count


def _reporter(trainer: Trainer, progress: Progress) -> Callable[[Trainer, float, float], None]:
    pace = Pace(trainer.stage_steps, [stage.cost for stage in trainer.recipe.stage], trainer.step)

    def report(trainer: Trainer, loss: float, accuracy: float) -> None:
        pace.step()
        stages = len(trainer.recipe.stage)
        text = f"stage {min(trainer.stage_index + 1, stages)} of {stages}, {_recent(trainer)}"
        progress("step", trainer.step, trainer.total_steps, text, pace.seconds_left())

    return report


def _recent(trainer: Trainer) -> str:
    """Loss and accuracy on the last training batches."""
    recent = trainer.history[-RECENT:]
    loss, accuracy = (sum(entry[key] for entry in recent) / len(recent) for key in ("loss", "accuracy"))
    return f"loss {loss:.3f}, accuracy {accuracy:.1%}"
