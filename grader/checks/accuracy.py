"""Accuracy: the reference checkpoint, loaded into the student's model, reaches the threshold.

The student's model is compared image by image with the reference's known predictions, in a secret random order, and the
test stops as soon as the threshold is decided (`grader.sequential`). Labels stay here: the worker sees images only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import nn

from grader.checks.architecture import expect_shape
from grader.datasets import CLASSES, Dataset, cache_dir, normalise
from grader.language import gettext
from grader.sequential import Decision, SequentialTest
from grader.student import CheckFailed, Remote

BATCH = 50
# Of the student's model. The first batch is small, since it decides a model that has learnt nothing; an image costs
# least in large ones; after the one that decides a model which agrees with the reference they are small again.
FIRST, LARGE, LATER = 32, 256, 64


@dataclass(frozen=True)
class Accuracy:
    """What was measured. ``interval`` holds the accuracy on the whole set up to an error of 1e-6."""

    decision: Decision | None
    correct: int
    seen: int
    total: int
    interval: tuple[float, float]

    def sentence(self, name: str) -> str:
        """What was measured, on the data set called ``name``.

        >>> Accuracy("reached", 50, 50, 450, (0.9, 1.0)).sentence("digits")
        '50 of 50 images of digits are right, which decides it: of all 450 between 90.0% and 100.0% would be'
        """
        if self.seen == self.total:
            return gettext("{correct:,} of all {total:,} images of {name} are right ({share:.2%})").format(
                correct=self.correct, total=self.total, name=name, share=self.correct / self.seen
            )
        low, high = self.interval
        return gettext(
            "{correct:,} of {seen:,} images of {name} are right, which decides it: of all "
            "{total:,} between {low:.1%} and {high:.1%} would be"
        ).format(correct=self.correct, seen=self.seen, name=name, total=self.total, low=low, high=high)


@dataclass
class Benchmark:
    """What accuracy is measured with: the data, the reference's weights, and what it gets right with them.

    Attributes:
        weights: the checkpoint's state_dict, float32.
        threshold: accuracy to reach, 0 to 1.
        reference_correct: bool (N,), or None where no reference predictions are known.
        exact: use every image.
        threads: for the student's model, here where there is much to compute (everywhere else it is one).
        order_seed: seeds the order of the images.
        progress: told (images seen, images in all).
        facts: what the last measurement gave, for the report.
    """

    dataset: Dataset
    weights: dict[str, torch.Tensor]
    threshold: float
    reference_correct: torch.Tensor | None
    exact: bool = False
    threads: int = 1
    order_seed: int = 0
    progress: Callable[[int, int], None] = lambda seen, total: None
    facts: dict[str, Any] = field(default_factory=dict)


def measure(model: Remote, benchmark: Benchmark) -> Accuracy:
    """Run ``model`` (its weights loaded) on the benchmark's images until the threshold is decided.

    Raises:
        CheckFailed: it does not return logits (N, 10).
    """
    dataset = benchmark.dataset
    known = benchmark.reference_correct
    count = None if known is None else int(known.sum())
    test = SequentialTest(len(dataset), benchmark.threshold, count)
    shuffling = torch.Generator().manual_seed(benchmark.order_seed)
    order = torch.randperm(len(dataset), generator=shuffling)
    sizes = _batch_sizes(SequentialTest(len(dataset), benchmark.threshold, count), known, order, benchmark.exact)
    model.eval()
    with model.threads(benchmark.threads):
        for chosen in order.split(sizes):
            # Given in another order than they are counted in: else a model that is right for the first images of a
            # batch only would begin each batch with a run of right ones, and the test could stop at the end of one.
            given = torch.randperm(len(chosen), generator=shuffling)
            images = normalise(dataset.images[chosen[given]])
            logits = expect_shape(
                model(images),
                (len(chosen), len(CLASSES)),
                gettext("{model} on {count} images").format(model=model, count=len(chosen)),
            )
            logits = logits[given.argsort()]
            right = torch.isfinite(logits).all(1) & (logits.double().argmax(1) == dataset.labels[chosen])
            test.update(right.numpy(), None if known is None else known[chosen].numpy())
            benchmark.progress(test.seen, len(dataset))
            if test.decision and not benchmark.exact:
                break
    return Accuracy(test.decision, test.correct, test.seen, len(dataset), test.interval)


def _batch_sizes(test: SequentialTest, known: torch.Tensor | None, order: torch.Tensor, exact: bool) -> list[int]:
    """How many images to ask about at a time; as soon as one is decided no more are asked about.

    >>> known = torch.arange(450) != 7
    >>> _batch_sizes(SequentialTest(450, 0.9, 449), known, torch.arange(450), exact=False)
    [32, 91, 64, 64, 64, 64, 64, 7]
    """
    total, soon = len(order), 0
    if known is not None and not exact:  # a model that agrees with the reference: decided by these
        test.update(known[order].numpy(), known[order].numpy())
        soon = max(0, min(test.decided_at or 0, total) - FIRST)
        if soon:  # twice as many at a time, so that a model that only computes so many shows
            soon = min(max(soon, 2 * FIRST), total - FIRST)
    sizes = [min(FIRST, total)]
    parts = -(-soon // LARGE)
    sizes += [soon * (part + 1) // parts - soon * part // parts for part in range(parts)]
    left, step = total - sum(sizes), LARGE if exact else LATER
    return [*sizes, *[step] * (left // step), *[left % step] * (left % step > 0)]


def expect_accuracy(model: Remote, benchmark: Benchmark) -> str:
    """Load the checkpoint into ``model`` and require the threshold; returns the sentence for the report.

    Raises:
        CheckFailed: below the threshold, with the figures.
    """
    model.load_state_dict(benchmark.weights)
    found = measure(model, benchmark)
    benchmark.facts.update(
        accuracy=round(found.correct / found.seen, 6),
        images=found.seen,
        dataset=benchmark.dataset.name,
        exact=benchmark.exact,
    )
    sentence = gettext("With the reference weights {sentence}.").format(sentence=found.sentence(benchmark.dataset.name))
    if found.decision != "reached":
        raise CheckFailed(
            gettext("{sentence} At least {threshold:.0%} are needed.").format(
                sentence=sentence, threshold=benchmark.threshold
            ),
            expected=gettext("at least {threshold:.0%}").format(threshold=benchmark.threshold),
            actual=f"{found.correct / found.seen:.1%}",
        )
    return sentence


def batches(dataset: Dataset) -> Iterator[torch.Tensor]:
    """The images as the networks read them, in order: float32 (`BATCH`, C, H, W)."""
    for images in dataset.images.split(BATCH):
        yield normalise(images)


def predict(model: nn.Module, dataset: Dataset, progress: Callable[[int, int], None]) -> torch.Tensor:
    """The classes that the trusted ``model`` predicts: uint8 (N,)."""
    model.eval().to(memory_format=torch.channels_last)
    predicted: list[torch.Tensor] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    with torch.no_grad():
        for images in batches(dataset):
            predicted.append(model(images).argmax(1).to(torch.uint8))
            progress(len(predicted) * BATCH, len(dataset))
    torch.set_num_threads(threads)
    return torch.cat(predicted)


def reference_correct(
    checkpoint: Path, dataset: Dataset, build: Callable[[], nn.Module] | None, progress: Callable[[int, int], None]
) -> torch.Tensor | None:
    """Which images the reference gets right: bool (N,).

    From the file of predictions beside the checkpoint, else from the user's cache, else computed with ``build`` (its
    weights loaded) and cached; None if there is no ``build`` either.
    """
    key = f"{hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:16]}-{dataset.sha256()[:16]}"
    for path in (predictions_path(checkpoint), cache_dir() / f"predictions-{key}.npz"):
        predicted = _stored(path, key)
        if predicted is not None and len(predicted) == len(dataset):
            return predicted == dataset.labels
    if build is None:
        return None
    predicted = predict(build(), dataset, progress)
    store_predictions(cache_dir() / f"predictions-{key}.npz", {key: predicted})
    return predicted == dataset.labels


def predictions_path(checkpoint: Path) -> Path:
    """Where the reference's predictions lie beside its checkpoint: <name>.predictions.npz."""
    return checkpoint.with_suffix(".predictions.npz")


def store_predictions(path: Path, predictions: dict[str, torch.Tensor]) -> None:
    """Write predictions (uint8 (N,)) by key, in one piece."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{key: value.numpy() for key, value in predictions.items()})
    partial.replace(path)


def _stored(path: Path, key: str) -> torch.Tensor | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return torch.from_numpy(arrays[key]) if key in arrays else None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
