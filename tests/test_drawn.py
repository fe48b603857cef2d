"""Networks made with few numbers: `grader.worker.shapes.drawn`."""

import torch

from grader.worker.shapes import FILLED, LARGE, drawn

PRIME = 1_009


def test_small_tensors_are_drawn_as_ever() -> None:
    with drawn(PRIME):
        weight = torch.zeros(LARGE // 512, 511).normal_()
    assert weight.unique().numel() > PRIME


def test_only_the_end_of_a_huge_tensor_is_drawn() -> None:
    before = 2 * PRIME
    with drawn(PRIME):
        weight = torch.zeros(FILLED + before).normal_()
        made = torch.randn(FILLED + before)
    for end in (weight[before:], made[before:]):
        assert torch.equal(end[:PRIME], end[PRIME : 2 * PRIME])
        assert end[-PRIME:].std() > 0.5
    assert not weight[:before].any()  # as it was in memory


def test_afterwards_torch_draws_as_before() -> None:
    with drawn(PRIME):
        pass
    assert torch.randn(2 * LARGE).unique().numel() > LARGE
    assert torch.zeros(2 * LARGE).uniform_().unique().numel() > LARGE
