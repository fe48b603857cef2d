"""What the checks of vgg_family take for torchvision's networks are torchvision's networks."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from torchvision.models import vgg

from grader import assignment
from grader.judge.context import import_solution

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def solution() -> ModuleType:
    return import_solution(assignment.load("vgg_family", ROOT))


def test_networks_have_torchvisions_layers(solution: ModuleType) -> None:
    """All their hyper-parameters are in what they print."""
    assert solution.cfgs == vgg.cfgs
    for name in ("vgg11", "vgg13", "vgg16", "vgg19"):
        for batch_norm in (False, True):
            with torch.device("meta"):
                mine = getattr(solution, name)(batch_norm=batch_norm, init_weights=False)
                theirs = getattr(vgg, name + "_bn" * batch_norm)(init_weights=False)
            assert str(mine) == str(theirs)
            assert {key: value.shape for key, value in mine.state_dict().items()} == {
                key: value.shape for key, value in theirs.state_dict().items()
            }


@torch.no_grad()
def test_forward_is_torchvisions(solution: ModuleType) -> None:
    features = solution.make_layers([8, "M", 512], batch_norm=True).eval()
    mine, theirs = (made(features, num_classes=3, init_weights=False).eval() for made in (solution.VGG, vgg.VGG))
    for each, other in zip(theirs.classifier, mine.classifier, strict=True):
        if isinstance(each, nn.Linear):
            each.weight, each.bias = other.weight, other.bias
    x = torch.randn(2, 3, 40, 24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mine(x), theirs(x))
