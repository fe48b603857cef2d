"""The solution of training against the formulas of SGD, written out, and against a run that was never interrupted."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from grader import assignment, probes
from grader.judge.context import import_solution

ROOT = Path(__file__).resolve().parent.parent
solution = import_solution(assignment.load("training", ROOT))
RATE, MOMENTUM, DECAY = 0.05, 0.9, 0.01


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()


def data(count: int = 11) -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return TensorDataset(x, torch.randint(3, (count,), generator=generator))


def test_sgd_by_its_formula() -> None:
    """v <- momentum v + g + decay w, w <- w - rate v, as the documentation of torch.optim.SGD has it."""
    model, other = network().eval(), network().train()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)  # left over from something else
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=DECAY)
    found = [solution.train_one_epoch(model, DataLoader(data(), 4), nn.CrossEntropyLoss(), optimizer) for _ in range(2)]
    velocities = [torch.zeros_like(parameter) for parameter in other.parameters()]
    inputs, labels = data().tensors
    expected = []
    for _ in range(2):
        total = 0.0
        for chosen in (slice(0, 4), slice(4, 8), slice(8, 11)):
            losses = -other(inputs[chosen]).log_softmax(1)[range(len(labels[chosen])), labels[chosen]]
            total += losses.sum().item()
            gradients = torch.autograd.grad(losses.mean(), list(other.parameters()))
            with torch.no_grad():
                for weight, velocity, gradient in zip(other.parameters(), velocities, gradients, strict=True):
                    velocity.mul_(MOMENTUM).add_(gradient + DECAY * weight)
                    weight.sub_(RATE * velocity)
        expected.append(total / 11)
    assert found == pytest.approx(expected)
    for mine, theirs in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-10, atol=1e-12)
    assert model.training


@pytest.mark.parametrize("training", [True, False])
def test_evaluate_by_sorting(training: bool) -> None:
    model = network().train(training)
    before = copy.deepcopy(model.state_dict())
    inputs, labels = data().tensors
    found = solution.evaluate(model, DataLoader(data(), 4), nn.CrossEntropyLoss(), 2)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == [training] * 5
    logits = copy.deepcopy(model).eval()(inputs).tolist()
    ranks = [sorted(row, reverse=True).index(row[label]) for row, label in zip(logits, labels.tolist(), strict=True)]
    loss = nn.functional.cross_entropy(torch.tensor(logits, dtype=torch.float64), labels).item()
    assert found == pytest.approx((loss, ranks.count(0) / 11, (ranks.count(0) + ranks.count(1)) / 11))
    assert torch.is_grad_enabled()


def test_decay() -> None:
    rates = [solution.learning_rate(0.9, epoch) for epoch in range(61)]
    assert rates == pytest.approx([0.9] * 20 + [0.3] * 20 + [0.1] * 20 + [0.1 / 3])
    optimizer = probes.optimizer(network(), "SGD", [0.1, 0.02])
    scheduler = solution.make_scheduler(optimizer)
    for step in range(16):
        assert probes.rates(optimizer) == pytest.approx([rate * 0.6 ** (step // 5) for rate in (0.1, 0.02)])
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("batches", [0, 1, 3, 5, 9, 11])
def test_an_interrupted_run_ends_in_the_same_weights(tmp_path: Path, batches: int) -> None:
    def parts(seed: int) -> tuple:
        model = network(seed)
        optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=DECAY)
        return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1)

    def fit(parts: tuple, loader: object, path: str) -> list[float]:
        model, optimizer, scheduler = parts
        return solution.fit(model, loader, nn.CrossEntropyLoss(), optimizer, scheduler, 4, str(tmp_path / path))

    whole, first = parts(0), parts(0)
    losses = fit(whole, DataLoader(data(), 4), "whole")
    with pytest.raises(probes.Interrupted):
        fit(first, probes.interrupted_loader(*data().tensors, 4, batches), "path")
    done = batches // 3  # epochs that were finished
    again = parts(5 if done else 0)
    assert fit(again, DataLoader(data(), 4), "path") == losses[done:]
    assert len(losses) == 4
    for mine, theirs in zip(again[0].state_dict().values(), whole[0].state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
