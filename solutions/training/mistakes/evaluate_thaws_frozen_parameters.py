"""evaluate switches requires_grad off and then on for all parameters, also for those that were frozen.

Caught by: leaves
"""

import os
from pathlib import Path

import torch


def train_one_epoch(model, loader, criterion, optimizer):
    """Train once on every batch, in train mode, and return the mean loss per sample, a float."""
    model.train()
    running_loss, seen = 0.0, 0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * labels.size(0)
        seen += labels.size(0)
    return running_loss / seen


def evaluate(model, loader, criterion, k=5):
    """Return (mean loss per sample, top-1 accuracy, top-k accuracy), three floats; accuracies from 0 to 1."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)

    loss_sum, top1, topk, seen = 0.0, 0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            outputs = model(inputs)
            loss_sum += criterion(outputs, labels).item() * labels.size(0)
            _, predicted = outputs.topk(min(k, outputs.size(1)), dim=1)
            correct = predicted == labels.unsqueeze(1)
            top1 += correct[:, 0].sum().item()
            topk += correct.sum().item()
            seen += labels.size(0)

    for parameter in model.parameters():
        parameter.requires_grad_(True)
    for module, mode in modes:
        module.training = mode
    return loss_sum / seen, top1 / seen, topk / seen


def learning_rate(initial, epoch, every=20, divisor=3):
    """Return the rate of an epoch (the first is 0): `initial`, divided by `divisor` once every `every` epochs."""
    return initial / divisor ** (epoch // every)


def make_scheduler(optimizer, every=5, factor=0.6):
    """Every `every` epochs it multiplies the learning rate of each parameter group by `factor`."""
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)


def loader_generators(loader):
    owners = (loader, getattr(loader, "sampler", None))
    return [owner.generator for owner in owners if getattr(owner, "generator", None) is not None]


def write(path, model, optimizer, scheduler, epoch, generators=()):
    checkpoint = {
        "epoch": epoch,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
        "rng_state": torch.get_rng_state(),
        "generators": [generator.get_state() for generator in generators],
    }
    torch.save(checkpoint, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """Write into one file all that is needed to go on after `epoch` epochs: model, optimizer, scheduler, epoch."""
    write(path, model, optimizer, scheduler, epoch)


def load_checkpoint(path, model, optimizer, scheduler):
    """Put what save_checkpoint wrote back into model, optimizer and scheduler; return its epoch, an int."""
    checkpoint = torch.load(path, weights_only=False)
    model.load_state_dict(checkpoint["model_state_dict"])
    optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
    scheduler.load_state_dict(checkpoint["scheduler_state_dict"])
    torch.set_rng_state(checkpoint["rng_state"])
    return checkpoint["epoch"]


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    """Train until `epochs` epochs are done in all, and save a checkpoint to `path` after each of them."""
    generators = loader_generators(loader)
    start_epoch = 0
    if os.path.exists(path):
        start_epoch = load_checkpoint(path, model, optimizer, scheduler)
        for generator, state in zip(generators, torch.load(path, weights_only=False)["generators"]):
            generator.set_state(state)

    losses = []
    for epoch in range(start_epoch, epochs):
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        write(path, model, optimizer, scheduler, epoch + 1, generators)
    return losses
