"""What `measure` concludes of a model that is right about some images of a batch only, in a real worker."""

from __future__ import annotations

import pytest
import torch
from live import student as working

from grader.checks.accuracy import Benchmark, measure
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


@pytest.mark.parametrize(("most", "decision"), [(10_000, "reached"), (32, "not_reached")])
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
