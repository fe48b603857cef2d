"""What the checks of resnet18 take for torchvision's network computes the same as torchvision's network."""

from __future__ import annotations

from pathlib import Path

import torch
from torchvision.models import resnet18

from grader import assignment
from grader.judge.context import import_solution

ROOT = Path(__file__).resolve().parent.parent


def test_forward_is_torchvisions() -> None:
    mine = import_solution(assignment.load("resnet18", ROOT)).resnet18(n_classes=10)
    theirs = resnet18(num_classes=10)
    theirs.load_state_dict({key.replace("down_sample", "downsample"): it for key, it in mine.state_dict().items()})
    x = torch.randn(2, 3, 70, 97, generator=torch.Generator().manual_seed(0))
    for training in (True, False):
        with torch.no_grad():
            assert torch.equal(mine.train(training)(x), theirs.train(training)(x))
    for key, value in theirs.state_dict().items():
        assert torch.equal(value, mine.state_dict()[key.replace("downsample", "down_sample")]), key
