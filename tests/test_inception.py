"""The solution of inception against torchvision's GoogLeNet, and its figures against the paper's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models.googlenet import Inception

from grader import assignment
from grader.checks.values import cost
from grader.judge.context import import_solution

ROOT = Path(__file__).resolve().parent.parent
solution = import_solution(assignment.load("inception", ROOT))
# GoogLeNet's nine modules (Szegedy et al., 2015, table 1): in, c1, (r3, c3), (r5, c5), cp; height and width.
MODULES = {
    "3a": ((192, 64, (96, 128), (16, 32), 32), 28),
    "3b": ((256, 128, (128, 192), (32, 96), 64), 28),
    "4a": ((480, 192, (96, 208), (16, 48), 64), 14),
    "4b": ((512, 160, (112, 224), (24, 64), 64), 14),
    "4c": ((512, 128, (128, 256), (24, 64), 64), 14),
    "4d": ((512, 112, (144, 288), (32, 64), 64), 14),
    "4e": ((528, 256, (160, 320), (32, 128), 128), 14),
    "5a": ((832, 256, (160, 320), (32, 128), 128), 7),
    "5b": ((832, 384, (192, 384), (48, 128), 128), 7),
}


class ConvReLU(nn.Module):
    """torchvision's BasicConv2d without its batch norm, which the paper does not have."""

    def __init__(self, inputs: int, outputs: int, **options: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, **options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x))


@pytest.mark.parametrize("sizes", [(3, 4, (2, 5), (1, 3), 2), (8, 1, (3, 3), (4, 2), 6)])
def test_the_same_as_torchvision(sizes: tuple) -> None:
    """torchvision has a 3x3 in the place of the 5x5 (its source says so): that is a 5x5 whose border is 0."""
    inputs, c1, (r3, c3), (r5, c5), cp = sizes
    theirs = Inception(inputs, c1, r3, c3, r5, c5, cp, conv_block=ConvReLU)
    mine = solution.Inception(*sizes)
    pairs = {
        "branch1.0": theirs.branch1.conv,
        "branch3.0": theirs.branch2[0].conv,
        "branch3.2": theirs.branch2[1].conv,
        "branch5.0": theirs.branch3[0].conv,
        "branch5.2": theirs.branch3[1].conv,
        "branch_pool.1": theirs.branch4[1].conv,
    }
    with torch.no_grad():
        for name, conv in pairs.items():
            weight = nn.functional.pad(conv.weight, (1, 1, 1, 1)) if name == "branch5.2" else conv.weight
            mine.get_submodule(name).weight.copy_(weight)
            mine.get_submodule(name).bias.copy_(conv.bias)
    x = torch.randn(2, inputs, 9, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    expected, actual = theirs(x), mine(x)
    assert torch.allclose(actual, expected, atol=1e-6)
    (wanted,) = torch.autograd.grad(expected.square().sum(), x)
    (found,) = torch.autograd.grad(actual.square().sum(), x)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_the_5x5_reads_its_border() -> None:
    model = solution.Inception(1, 1, (1, 1), (1, 1), 1)
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0 if parameter.dim() == 1 else 1)
    assert model(x)[0].sum((1, 2)).tolist() == [1, 9, 25, 9]


@pytest.mark.parametrize("name", MODULES)
def test_costs_are_what_torch_counts(name: str) -> None:
    sizes, side = MODULES[name]
    with torch.device("meta"):
        model, x = solution.Inception(*sizes), torch.empty(1, sizes[0], side, side)
    assert solution.inception_cost(*sizes, side, side) == cost(model, x)


def test_the_papers_first_module() -> None:
    """Table 1 of the paper: 128M operations, 159K parameters; the latter in units of 1,024 and without biases."""
    sizes, side = MODULES["3a"]
    multiply_adds, parameters = solution.inception_cost(*sizes, side, side)
    biases = 64 + 96 + 128 + 16 + 32 + 32
    assert (round(multiply_adds / 1e6), (parameters - biases) // 1024) == (128, 159)
