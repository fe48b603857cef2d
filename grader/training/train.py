"""`grader train`: train an assignment's reference checkpoint and write what goes with it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from grader import datasets
from grader.assignment import Assignment, AssignmentError
from grader.checks.accuracy import predict, predictions_path, store_predictions
from grader.datasets import DataError, Dataset
from grader.judge.context import import_solution, load_weights
from grader.training.card import draw_history, write_card
from grader.training.loop import Trainer
from grader.training.recipe import read_recipe
from grader.training.widths import fold_batch_norm

REPORT_EVERY = 20.0  # seconds between two lines of progress


def train(
    assignment: Assignment, data: Path | None, threads: int | None, state: Path, say: Callable[[str], None]
) -> None:
    """Train ``assignment``'s checkpoint by solutions/<name>/recipe.toml, or continue where an earlier run stopped.

    Writes beside the assignment: the checkpoint (fp16), the reference's predictions, the plot and the model card.

    Args:
        data: CIFAR-10; see `datasets.find`. Digits alone are not enough to train on.
        state: folder for what a later run continues from.
        say: told progress, a line at a time.

    Raises:
        AssignmentError: no solution or no [checkpoint]; RecipeError: no usable recipe; DataError: no CIFAR-10.
        Interrupted: stopped by a signal; the state is saved.
    """
    checkpoint = assignment.settings.checkpoint
    path = assignment.checkpoint_path
    module = import_solution(assignment)
    if checkpoint is None or path is None or assignment.secret is None:
        raise AssignmentError(f"{assignment.name} has no [checkpoint] in its assignment.toml.")
    recipe = read_recipe(assignment.secret / "recipe.toml")
    cifar = datasets.find(data, "train")
    if cifar.name != "CIFAR-10":
        raise DataError("Training needs CIFAR-10: point --data / GRADER_DATA at it, or fetch it with --data download.")
    tests = [datasets.find(data, "test"), datasets.digits("test")]
    torch.set_num_threads(threads or os.cpu_count() or 1)
    trainer = Trainer(recipe, getattr(module, recipe.build), cifar, datasets.digits("train"), state)
    if trainer.step:
        say(f"Continuing at step {trainer.step:,} of {trainer.total_steps:,}.")
    model = trainer.run(_reporter(trainer.step, say))
    weights = final_weights(model, getattr(module, checkpoint.build), recipe.batch_norm_in_features)
    partial = path.with_suffix(".partial")
    save_file(weights, str(partial))
    partial.replace(path)
    say(f"Saved {path} ({path.stat().st_size / 1e6:.0f} MB).")
    found = evaluate(path, getattr(module, checkpoint.build), tests, say)
    draw_history(trainer.history, assignment.folder / "training.png", assignment.settings.title)
    write_card(assignment, recipe, trainer.seconds, found, hashlib.sha256(path.read_bytes()).hexdigest())


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
    path: Path, build: Callable[[], nn.Module], tests: list[Dataset], say: Callable[[str], None]
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
        predicted = predict(model, dataset, lambda done, total: None)
        correct = int((predicted == dataset.labels).sum())
        predictions[f"{key}-{dataset.sha256()[:16]}"] = predicted
        found[dataset.name] = correct, len(dataset)
        say(f"{dataset.name}: {correct:,} of {len(dataset):,} correct ({correct / len(dataset):.2%}).")
    store_predictions(predictions_path(path), predictions)
    return found


def _reporter(first_step: int, say: Callable[[str], None]) -> Callable[[Trainer, float, float], None]:
    started = last = time.monotonic()

    def report(trainer: Trainer, loss: float, accuracy: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < REPORT_EVERY and not trainer.finished:
            return
        last = now
        recent = trainer.history[-50:]
        mean = {key: sum(entry[key] for entry in recent) / len(recent) for key in ("loss", "accuracy")}
        # Stages differ in cost, so the time left is only as good as the assumption that the present one goes on.
        left = (now - started) / (trainer.step - first_step) * (trainer.total_steps - trainer.step)
        say(
            f"step {trainer.step:,}/{trainer.total_steps:,}  stage {trainer.stage_index + 1}  loss {mean['loss']:.3f}  "
            f"accuracy {mean['accuracy']:.1%}  about {left / 60:.0f} min left at this pace"
        )

    return report
