"""Accuracy: the reference checkpoint, loaded into the student's model, reaches the threshold.

The student's model is compared image by image with the reference's known predictions, in a secret random order, and the
test stops as soon as the threshold is decided (`grader.sequential`). Labels stay here: the worker sees images only.
"""

from __future__ import annotations

import contextlib
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
from grader.student import CheckFailed, Remote, StudentError

BATCH = 50
# Of the student's model. The first batch is small, since it decides a model that has learnt nothing; an image costs
# least in large ones; after those that decide a model which agrees with the reference they are smaller again, but so
# much larger than 64 that a model which only computes so many of a batch shows.
FIRST, LARGE, LATER = 32, 256, 96
ALPHA = 1e-6  # how often a decision may be wrong
# In the first round only images come that the reference has right. It has most of alpha, and bets on models that agree.
ROUND_ALPHA, ROUND_ALL_IN = 0.8 * ALPHA, 0.8
# So many wrong ones of the student's end the first round: it does not agree then, and the second decides sooner.
ROUND_WRONG = 4


@dataclass(frozen=True)
class Accuracy:
    """What was measured.

    Attributes:
        correct, seen: of so many images in random order, so many are right.
        total: how many images there are.
        among: how many those ``seen`` were drawn from: all, or only those that the reference has right.
        interval: holds the accuracy on the whole set, either end up to an error of 1e-6.
        images: how many the model was asked about in all.
    """

    decision: Decision | None
    correct: int
    seen: int
    total: int
    among: int
    interval: tuple[float, float]
    images: int

    @property
    def estimate(self) -> float:
        """The accuracy on the whole set; images that were left out, as the reference has them wrong, count as wrong."""
        return self.correct / self.seen * self.among / self.total

    def sentence(self, name: str) -> str:
        """What was measured, on the data set called ``name``.

        >>> Accuracy("reached", 50, 50, 450, 450, (0.9, 1.0), 50).sentence("digits")
        '50 of 50 images of digits are right, which decides it: of all 450 between 90.0% and 100.0% would be'
        """
        low, high = self.interval
        values = {"correct": self.correct, "seen": self.seen, "total": self.total, "name": name}
        if self.seen == self.total:
            said = gettext("{correct:,} of all {total:,} images of {name} are right ({share:.2%})")
        elif self.among == self.total:
            said = gettext(
                "{correct:,} of {seen:,} images of {name} are right, which decides it: of all "
                "{total:,} between {low:.1%} and {high:.1%} would be"
            )
        elif self.decision == "reached":
            said = gettext(
                "{correct:,} of {seen:,} images of {name} that the reference has right are right, which decides it: "
                "of all {total:,} at least {low:.1%} would be"
            )
        else:
            said = gettext(
                "{correct:,} of {seen:,} images of {name} that the reference has right are right, which decides it: "
                "of all {total:,} at most {high:.1%} would be"
            )
        return said.format(**values, low=low, high=high, share=self.correct / self.seen)


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


class _Answers:
    """What the model is right about, of the images that it was asked about, in one memory format."""

    def __init__(self, model: Remote, benchmark: Benchmark, shuffling: torch.Generator, channels_last: bool) -> None:
        self._model, self._benchmark, self._shuffling = model, benchmark, shuffling
        self._channels_last = channels_last
        self.right = torch.zeros(len(benchmark.dataset), dtype=torch.bool)
        self.asked = torch.zeros(len(benchmark.dataset), dtype=torch.bool)

    def ask(self, chosen: torch.Tensor) -> None:
        """Ask about the images numbered ``chosen`` (B,), in one batch.

        Raises:
            CheckFailed: it does not return logits (N, 10).
        """
        dataset = self._benchmark.dataset
        # Given in another order than they are counted in: else a model that is right for the first images of a
        # batch only would begin each batch with a run of right ones, and the test could stop at the end of one.
        given = chosen[torch.randperm(len(chosen), generator=self._shuffling)]
        logits = expect_shape(
            self._model(normalise(dataset.images[given]), channels_last=self._channels_last),
            (len(given), len(CLASSES)),
            gettext("{model} on {count} images").format(model=self._model, count=len(given)),
        )
        self.right[given] = torch.isfinite(logits).all(1) & (logits.double().argmax(1) == dataset.labels[given])
        self.asked[given] = True
        self._benchmark.progress(int(self.asked.sum()), len(dataset))

    def found(self, test: SequentialTest, among: int) -> Accuracy:
        """What ``test`` says, whose images are drawn from ``among`` so many."""
        images = int(self.asked.sum())
        return Accuracy(test.decision, test.correct, test.seen, test.total, among, test.interval, images)


def measure(model: Remote, benchmark: Benchmark) -> Accuracy:
    """Run ``model`` (its weights loaded) on the benchmark's images until the threshold is decided.

    In the memory format channels_last, in which convolutions take a fifth less time here. In another than the usual one
    `view` may raise and `as_strided` give something else: a model that does not reach the threshold so is given some
    images in the usual one, too, and if its answers differ, all of it is done again. A wrong decision is then twice as
    likely at most; whose answers do not depend on the format has one measurement only.

    Raises:
        CheckFailed: it does not return logits (N, 10).
        StudentError: it raises.
    """
    shuffling = torch.Generator().manual_seed(benchmark.order_seed)
    order = torch.randperm(len(benchmark.dataset), generator=shuffling)
    answers, usual = (_Answers(model, benchmark, shuffling, channels_last) for channels_last in (True, False))
    model.eval()
    with model.threads(benchmark.threads), contextlib.suppress(StudentError):
        found = _measured(answers, benchmark, order)
        if found.decision == "reached":
            return found
        some = order[answers.asked[order]][:FIRST]
        usual.ask(some)
        if torch.equal(answers.right[some], usual.right[some]):
            return found
    with model.threads(benchmark.threads):
        return _measured(usual, benchmark, order)


def _measured(answers: _Answers, benchmark: Benchmark, order: torch.Tensor) -> Accuracy:
    if benchmark.reference_correct is None or benchmark.exact:
        return _on_all(answers, benchmark, order, ALPHA)
    # In the order of the second round, so that what is asked in the first need not be asked again.
    found = _on_what_the_reference_has_right(answers, benchmark, order[benchmark.reference_correct[order]])
    return found or _on_all(answers, benchmark, order, ALPHA - ROUND_ALPHA)


def _on_what_the_reference_has_right(answers: _Answers, benchmark: Benchmark, order: torch.Tensor) -> Accuracy | None:
    """The first round, until it is plain that the model does not agree with the reference."""
    total, elsewhere = len(benchmark.dataset), len(benchmark.dataset) - len(order)
    test, agreeing = (
        SequentialTest(total, benchmark.threshold, alpha=ROUND_ALPHA, elsewhere=elsewhere, all_in=ROUND_ALL_IN)
        for _ in range(2)
    )
    agreeing.update(np.ones(len(order), dtype=bool))
    if agreeing.decision != "reached" or agreeing.decided_at is None:  # not even the reference's accuracy is enough
        return None
    order = order[: 2 * agreeing.decided_at]
    for chosen in order.split(_batch_sizes(len(order), agreeing.decided_at)):
        answers.ask(chosen)
        test.update(answers.right[chosen].numpy())
        if test.decision:
            return answers.found(test, total - elsewhere)
        if test.seen - test.correct >= ROUND_WRONG:
            break
    return None


def _on_all(answers: _Answers, benchmark: Benchmark, order: torch.Tensor, alpha: float) -> Accuracy:
    """All images in ``order``; those that the model was asked about before it is not asked about again."""
    known = benchmark.reference_correct
    total = len(order)
    test = SequentialTest(total, benchmark.threshold, None if known is None else int(known.sum()), alpha)
    left = order[~answers.asked[order]]
    for chosen in ([], *left.split(LARGE if benchmark.exact else _batch_sizes(len(left), 0))):
        if len(chosen):
            answers.ask(chosen)
        # As far as all are answered: some that come later may be, too.
        new = order[test.seen : int(answers.asked[order].long().cumprod(0).sum())]
        test.update(answers.right[new].numpy(), None if known is None else known[new].numpy())
        if test.decision and not benchmark.exact:
            break
    return answers.found(test, total)


def _batch_sizes(total: int, soon: int) -> list[int]:
    """How many of ``total`` images to ask about at a time, where ``soon`` decide a model that has all of them right.

    >>> _batch_sizes(122, 61), _batch_sizes(944, 472)
    ([32, 90], [32, 96, 172, 172, 96, 96, 96, 96, 88])
    """
    more = min(max(soon - FIRST, LATER), total - FIRST) if soon > FIRST else 0
    early = LATER if more >= 2 * LATER else more
    parts = -(-(more - early) // LARGE)
    sizes = [min(FIRST, total), *[early] * (early > 0)]
    sizes += [(more - early) * (part + 1) // parts - (more - early) * part // parts for part in range(parts)]
    left = total - sum(sizes)
    return [*sizes, *[LATER] * (left // LATER), *[left % LATER] * (left % LATER > 0)]


def expect_accuracy(model: Remote, benchmark: Benchmark) -> str:
    """Load the checkpoint into ``model`` and require the threshold; returns the sentence for the report.

    Raises:
        CheckFailed: below the threshold, with the figures.
    """
    model.load_state_dict(benchmark.weights)
    found = measure(model, benchmark)
    benchmark.facts.update(
        accuracy=round(found.estimate, 6),
        images=found.images,
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
            actual=f"{found.estimate:.1%}",
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
