"""I tell the scheduler the number of the epoch: scheduler.step(epoch).

Caught by: fit
"""

import os
from pathlib import Path

import torch


def train_one_epoch(model, loader, criterion, optimizer):
    """Train once on every batch, in train mode, and return the mean loss per sample, a float.

    loader yields (inputs, labels); the last batch may be smaller. criterion(outputs, labels) is the mean over a batch.
    The loss that counts is the one that a step begins with. Gradients from before must not get into any step.
    """
    model.train()
    total, seen = 0.0, 0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        seen += len(labels)
    return total / seen


def evaluate(model, loader, criterion, k=5):
    """Return (mean loss per sample, top-1 accuracy, top-k accuracy), three floats; accuracies from 0 to 1.

    A sample is right in the sense of top-k if its label is among the k classes with the largest logits. In eval mode
    and without recording gradients. The model is left as it was: weights, statistics, gradients, and its mode.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    total, first, among, seen = 0.0, 0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            outputs = model(inputs)
            total += criterion(outputs, labels).item() * len(labels)
            hits = outputs.topk(k, dim=1).indices == labels[:, None]
            first += hits[:, :1].sum().item()
            among += hits.sum().item()
            seen += len(labels)
    for module, mode in modes:
        module.training = mode
    return total / seen, first / seen, among / seen


def learning_rate(initial, epoch, every=20, divisor=3):
    """Return the rate of an epoch (the first is 0): `initial`, divided by `divisor` once every `every` epochs."""
    return initial / divisor ** (epoch // every)


def make_scheduler(optimizer, every=5, factor=0.6):
    """Return a scheduler with step(), called after each epoch, state_dict() and load_state_dict().

    Every `every` epochs it multiplies the learning rate of each parameter group by `factor`.
    """
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """Write into one file all that is needed to go on after `epoch` epochs: model, optimizer, scheduler, epoch."""
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
        "rng": torch.get_rng_state(),
    }
    part = f"{path}.part"
    torch.save(state, part)
    os.replace(part, path)


def load_checkpoint(path, model, optimizer, scheduler):
    """Put what save_checkpoint wrote back into model, optimizer and scheduler; return its epoch, an int."""
    state = torch.load(path, weights_only=False)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    return state["epoch"]


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    """Train until `epochs` epochs are done in all, and save a checkpoint to `path` after each of them.

    Where there already is a file at `path`, go on from it: the weights at the end are those of a run that was never
    interrupted. Return the mean loss of each epoch that was trained in this call, a list of floats.
    """
    path = Path(path)
    done = 0
    if path.exists():
        done = load_checkpoint(path, model, optimizer, scheduler)
        torch.set_rng_state(torch.load(path, weights_only=False)["rng"])
    losses = []
    while done < epochs:
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        done += 1
        scheduler.step(done)
        save_checkpoint(path, model, optimizer, scheduler, done)
    return losses
