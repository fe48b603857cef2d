"""Networks made with few numbers: `grader.worker.shapes.drawn`."""

import torch

from grader.worker.shapes import FILLED, LARGE, LEFT, drawn

PRIME = 1_009


def test_small_tensors_are_drawn_as_ever() -> None:
    with drawn(PRIME):
        weight = torch.zeros(LARGE // 512, 511).normal_()
    assert weight.unique().numel() > PRIME


def test_with_none_to_draw_only_the_smallest_are_drawn() -> None:
    with drawn(0):
        small, left = torch.zeros(LEFT - 1).uniform_(), torch.zeros(LEFT).uniform_()
        made = torch.randn(LEFT)
    assert small.std() > 0.2
    assert not left.any()
    assert made.std() > 0.5


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
