"""Gradients longer than 10 are made shorter.

Caught by: train
"""

import os
from pathlib import Path

import torch


def train_one_epoch(model, loader, criterion, optimizer):
    """Train once on every batch, in train mode, and return the mean loss per sample, a float."""
    model.train()
    total, count = 0.0, 0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=10.0)  # against exploding gradients
        optimizer.step()
        total += loss.item() * len(labels)
        count += len(labels)
    return total / count


def evaluate(model, loader, criterion, k=5):
    """Return (mean loss per sample, top-1 accuracy, top-k accuracy), three floats; accuracies from 0 to 1."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    loss, first, among, count = 0.0, 0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            outputs = model(inputs)
            loss += criterion(outputs, labels).item() * len(labels)
            right = outputs.topk(k, dim=1).indices == labels[:, None]
            first += right[:, 0].sum().item()
            among += right.any(dim=1).sum().item()
            count += len(labels)
    for module, mode in modes:
        module.training = mode
    return loss / count, first / count, among / count


def learning_rate(initial, epoch, every=20, divisor=3):
    """Return the rate of an epoch (the first is 0): `initial`, divided by `divisor` once every `every` epochs."""
    return initial / divisor ** (epoch // every)


def make_scheduler(optimizer, every=5, factor=0.6):
    """Return a scheduler that multiplies the rate of each parameter group by `factor` every `every` epochs."""
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)


def sources(loader):
    """Return the generators of random numbers that the loader has of its own."""
    found = []
    for owner in (loader, getattr(loader, "sampler", None)):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator) and not any(generator is other for other in found):
            found.append(generator)
    return found


def write(path, model, optimizer, scheduler, epoch, generators=()):
    """Write the checkpoint under another name first, so that an interruption leaves no half of one."""
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
        "random": torch.get_rng_state(),
        "generators": [generator.get_state() for generator in generators],
    }
    torch.save(state, f"{path}.unfinished")
    os.replace(f"{path}.unfinished", path)


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """Write into one file all that is needed to go on after `epoch` epochs."""
    write(path, model, optimizer, scheduler, epoch)


def read(path, model, optimizer, scheduler, generators=()):
    """Put a checkpoint back, the states of the random numbers too, and return its epoch."""
    state = torch.load(path, weights_only=False)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["random"])
    for generator, each in zip(generators, state["generators"]):
        generator.set_state(each)
    return state["epoch"]


def load_checkpoint(path, model, optimizer, scheduler):
    """Put what save_checkpoint wrote back into model, optimizer and scheduler; return its epoch, an int."""
    return read(path, model, optimizer, scheduler)


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    """Train until `epochs` epochs are done in all, with a checkpoint after each; return the losses of this call."""
    generators = sources(loader)
    done = read(path, model, optimizer, scheduler, generators) if Path(path).exists() else 0
    losses = []
    for epoch in range(done, epochs):
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        write(path, model, optimizer, scheduler, epoch + 1, generators)
    return losses
