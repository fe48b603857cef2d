"""The checkpoint always gets the suffix .pt, whatever its path says.

Caught by: fit
"""

import os
from pathlib import Path

import torch


def _generators(loader):
    """The random generators that the loader has of its own, each once."""
    found = []
    for owner in (loader, getattr(loader, "sampler", None)):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator) and all(generator is not g for g in found):
            found.append(generator)
    return found


def train_one_epoch(model, loader, criterion, optimizer):
    model.train()
    total, count = 0.0, 0
    for inputs, labels in loader:

        def closure():
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        total += loss.item() * len(labels)
        count += len(labels)
    return total / count


def evaluate(model, loader, criterion, k=5):
    was_training = model.training
    model.eval()
    loss, top1, topk, count = 0.0, 0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            outputs = model(inputs)
            loss += criterion(outputs, labels).item() * len(labels)
            best = outputs.topk(min(k, outputs.size(1)), dim=1).indices
            hits = best == labels.view(-1, 1)
            top1 += hits[:, 0].sum().item()
            topk += hits.any(dim=1).sum().item()
            count += len(labels)
    model.train(was_training)
    return loss / count, top1 / count, topk / count


def learning_rate(initial, epoch, every=20, divisor=3):
    return initial / divisor ** (epoch // every)


def make_scheduler(optimizer, every=5, factor=0.6):
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)


def save_checkpoint(path, model, optimizer, scheduler, epoch, loader=None):
    path = Path(path).with_suffix(".pt")
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "epoch": epoch,
            "random": torch.get_rng_state(),
            "generators": [g.get_state() for g in _generators(loader)],
        },
        path,
    )


def load_checkpoint(path, model, optimizer, scheduler, loader=None):
    state = torch.load(Path(path).with_suffix(".pt"), weights_only=False)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["random"])
    for generator, kept in zip(_generators(loader), state["generators"]):
        generator.set_state(kept)
    return state["epoch"]


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    done = 0
    if Path(path).exists():
        done = load_checkpoint(path, model, optimizer, scheduler, loader)
    losses = []
    for epoch in range(done, epochs):
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        save_checkpoint(path, model, optimizer, scheduler, epoch + 1, loader)
    return losses




