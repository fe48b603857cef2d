"""What `measure` concludes, of how many images, how often wrongly. ``pytest -s`` prints the table."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from live import student as working

from grader.checks import accuracy
from grader.checks.accuracy import Accuracy, Benchmark, measure
from grader.datasets import Dataset
from grader.sequential import Decision

# Every pixel of an image says its label.
SOURCE = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self, most):
        super().__init__()
        self.most = most

    def forward(self, x):
        shown = (x[:, 0, 0, 0] * 0.3081 + 0.1307) * 255 / 25
        logits = nn.functional.one_hot(shown.round().long(), 10).float()
        logits[self.most :] = 0
        return logits
"""


@pytest.mark.parametrize(("most", "decision"), [(10_000, "reached"), (64, "not_reached"), (32, "not_reached")])
def test_a_model_that_is_right_for_the_first_of_a_batch_only(most: int, decision: Decision) -> None:
    labels = torch.arange(450) % 10
    images = (labels * 25).to(torch.uint8).view(-1, 1, 1, 1).repeat(1, 1, 28, 28)
    data = Dataset("digits", images, labels, "made here")
    with working(SOURCE) as work:
        model = work.Model(most)
        for seed in range(10):
            benchmark = Benchmark(data, {}, 0.8, torch.arange(450) >= 20, order_seed=seed)
            found = measure(model, benchmark)
            assert found.decision == decision, (seed, found)


class Model:
    """Right about the images that it is told of; the first three pixels of an image are its number and its label."""

    def __init__(self, right: torch.Tensor) -> None:
        self.right, self.images = right, 0

    def eval(self) -> None:
        pass

    def threads(self, number: int) -> AbstractContextManager[None]:
        return nullcontext()

    def __call__(self, images: torch.Tensor, channels_last: bool) -> torch.Tensor:
        self.images += len(images)
        pixels = ((images[:, 0, 0, :3] * 0.3081 + 0.1307) * 255).round().long()
        numbers, labels = pixels[:, 0] * 100 + pixels[:, 1], pixels[:, 2]
        return torch.nn.functional.one_hot(torch.where(self.right[numbers], labels, (labels + 1) % 10), 10).float()


def numbered(total: int) -> Dataset:
    """Images of which `Model` can read the number and the label."""
    images = torch.zeros(total, 1, 28, 28, dtype=torch.uint8)
    number = torch.arange(total)
    labels = number % 10
    images[:, 0, 0, :3] = torch.stack([number // 100, number % 100, labels], 1).to(torch.uint8)
    return Dataset("digits", images, labels, "made here")


def measured(data: Dataset, student: torch.Tensor, reference: torch.Tensor, **options: Any) -> Accuracy:
    """What `measure` finds of a `Model`, which is asked about no image twice, but for some if it fails."""
    model: Any = Model(student)
    found = measure(model, Benchmark(data, {}, 0.8, reference, **options))
    assert model.images == found.images + (0 if found.decision == "reached" else min(32, found.images))
    assert found.images <= len(data)
    assert found.interval[0] <= student.float().mean() <= found.interval[1]
    return found


def changed(reference: torch.Tensor, correct: int, swapped: int, generator: torch.Generator) -> torch.Tensor:
    """A student with ``correct`` images right: the reference's but for ``swapped``, and as many others."""
    order = torch.randperm(len(reference), generator=generator)
    right, wrong = order[reference[order]], order[~reference[order]]
    gained = swapped + max(0, correct - len(right))
    student = reference.clone()
    student[wrong[:gained]] = True
    student[right[: len(right) + gained - correct]] = False
    assert student.sum() == correct
    return student


def test_few_images_of_a_model_that_agrees_and_no_wrong_decision() -> None:
    data, generator = numbered(10_000), torch.Generator().manual_seed(3)
    reference = torch.randperm(10_000, generator=generator) < 8_237
    print("\nimages used of 10,000: median (max) over 3 orders; threshold 80 %, reference 82.37 %")
    print(f"{'accuracy':>9}{'nested':>17}{'100 swapped':>17}{'1,000 swapped':>17}")
    for correct in (1000, 5000, 7500, 7900, 7999, 8000, 8050, 8150, 8237, 8400, 8900):
        row = f"{correct / 100:>7.2f} %"
        for swapped in (0, 100, 1000):
            if correct - 8237 + swapped > 10_000 - 8237:
                continue
            student = changed(reference, correct, swapped, generator)
            found = [measured(data, student, reference, order_seed=seed) for seed in range(3)]
            assert {each.decision for each in found} == {"reached" if correct >= 8000 else "not_reached"}
            images = sorted(each.images for each in found)
            row += f"{images[1]:>9,} ({images[-1]:,})".rjust(17)
            if correct == 8237 and not swapped:
                assert images[-1] <= 500
                assert {each.estimate for each in found} == {0.8237}
                assert "that the reference has right" in found[0].sentence("digits")
            if correct == 1000:
                assert images[-1] <= 64
        print(row)


def test_errors_of_both_rounds_together_are_as_rare_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    total, needed, alpha, repetitions = 400, 320, 0.1, 150
    monkeypatch.setattr(accuracy, "ALPHA", alpha)
    monkeypatch.setattr(accuracy, "ROUND_ALPHA", 0.8 * alpha)
    data, generator = numbered(total), torch.Generator().manual_seed(4)
    reference = torch.randperm(total, generator=generator) < 350
    rates = []
    for correct, swapped in ((needed - 1, 0), (needed - 1, 10), (needed, 0), (needed, 10), (needed, 45)):
        wrong = 0
        for seed in range(repetitions):
            model: Any = Model(changed(reference, correct, swapped, generator))
            found = measure(model, Benchmark(data, {}, 0.8, reference, order_seed=seed))
            wrong += found.decision != ("reached" if correct >= needed else "not_reached")
        rates.append(wrong / repetitions)
        assert rates[-1] <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / repetitions), (correct, swapped)
    assert any(rates)  # alpha is large enough for the bound to be tried


def test_exact_sees_all_images() -> None:
    data, generator = numbered(450), torch.Generator().manual_seed(5)
    reference = torch.randperm(450, generator=generator) < 446
    found = measured(data, reference, reference, exact=True)
    assert (found.images, found.seen, found.correct, found.interval) == (450, 450, 446, (446 / 450, 446 / 450))


def test_a_reference_that_is_not_enough_itself() -> None:
    data, generator = numbered(450), torch.Generator().manual_seed(6)
    reference = torch.randperm(450, generator=generator) < 300
    assert measured(data, reference, reference).decision == "not_reached"
    assert measured(data, torch.ones(450, dtype=torch.bool), reference).decision == "reached"


@pytest.mark.parametrize(
    "flat", ["images.view(len(images), -1)", "images.as_strided((len(images), 3 * 28 * 28), (3 * 28 * 28, 1))"]
)
@pytest.mark.parametrize(("right", "decision"), [("0", "reached"), ("1", "not_reached")])
def test_a_model_for_the_usual_memory_format_alone(flat: str, right: str, decision: Decision) -> None:
    """Which the images are not in at first. Every pixel of an image's first channel says its label, no other does."""
    source = f"""
import torch
from torch import nn

class Model(nn.Module):
    def forward(self, images):
        shown = ({flat}[:, 28 * 28 - 2] * 0.2470 + 0.4914) * 255 / 25
        return nn.functional.one_hot((shown.round().long() + {right}) % 10, 10).float()
"""
    labels = torch.arange(450) % 10
    images = torch.full((450, 3, 28, 28), 200, dtype=torch.uint8)
    images[:, 0] = (labels * 25).to(torch.uint8).view(-1, 1, 1)
    with working(source) as work:
        found = measure(work.Model(), Benchmark(Dataset("digits", images, labels, "made here"), {}, 0.8, labels >= 0))
    assert found.decision == decision
