"""What vgg_functional's checks compare with is what torch and torchvision have."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = ROOT / "solutions" / "vgg_functional" / "checks" / "test_numerics.py"
PUBLIC = ROOT / "assignments" / "vgg_functional" / "checks" / "test_network.py"


def checks(path: Path) -> ModuleType:
    """A file of checks, as a module."""
    if not path.is_file():
        pytest.skip("this copy has no solutions")
    spec = importlib.util.spec_from_file_location(f"vgg_functional_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["VGG11", "VGG13", "VGG16", "VGG19"])
@pytest.mark.parametrize("use_bn", [False, True])
def test_shapes_and_counts_are_those_of_torchvision(name: str, use_bn: bool) -> None:
    from torchvision.models import vgg

    public = checks(PUBLIC)
    with torch.device("meta"):
        model = getattr(vgg, name.lower() + "_bn" * use_bn)()
    shapes = [tuple(each.shape) for each in model.parameters()]
    assert public.shapes_of(name, public.LARGE, 1000, use_bn=use_bn) == shapes
    assert public.COUNTS[name][use_bn] == sum(each.numel() for each in model.parameters())


@pytest.mark.parametrize("use_bn", [False, True])
def test_the_features_compared_with_are_those_of_torchvision(use_bn: bool) -> None:
    from torchvision.models.vgg import cfgs, make_layers

    hidden = checks(HIDDEN)
    for name, letter in zip(("VGG11", "VGG13", "VGG16", "VGG19"), "ABDE", strict=True):
        with torch.device("meta"):
            ours, theirs = hidden.features(name, use_bn=use_bn), make_layers(cfgs[letter], batch_norm=use_bn)
        assert [type(layer) for layer in ours] == [type(layer) for layer in theirs]
    ours, theirs = hidden.features("VGG11", use_bn=use_bn), make_layers(cfgs["A"], batch_norm=use_bn)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours(x), theirs(x))


def test_the_steps_compared_with_are_those_of_torch_optim() -> None:
    hidden = checks(HIDDEN)
    ours = [torch.randn(3, 4), torch.randn(2)]
    theirs = [each.clone().requires_grad_() for each in ours]
    optimiser = torch.optim.SGD(theirs, lr=0.1, momentum=0.5, weight_decay=0.2)
    mine = hidden.Optimiser(ours, momentum=0.5, weight_decay=0.2)
    for step, lr in enumerate((0.1, 0.3, 0.1)):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = None if step == 1 and one is ours[1] else torch.randn(one.shape)
            other.grad = one.grad
        optimiser.param_groups[0]["lr"] = lr
        optimiser.step()
        mine.step(lr)
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
