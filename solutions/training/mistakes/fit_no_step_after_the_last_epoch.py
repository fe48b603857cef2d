"""After the last epoch of a call the scheduler is not stepped: a run that is made longer later is a step behind.

Caught by: fit
"""

import os
from pathlib import Path

import torch


class Mean:
    def __init__(self):
        self.total = 0.0
        self.samples = 0

    def add(self, value, samples):
        self.total += value * samples
        self.samples += samples

    def __float__(self):
        return self.total / self.samples


def train_one_epoch(model, loader, criterion, optimizer):
    """Train once on every batch, in train mode, and return the mean loss per sample, a float."""
    mean = Mean()
    model.train()
    for x, y in loader:
        prediction = model(x)
        loss = criterion(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean.add(loss.item(), len(y))
    return float(mean)


def evaluate(model, loader, criterion, k=5):
    """Return (mean loss per sample, top-1 accuracy, top-k accuracy), three floats; accuracies from 0 to 1."""
    loss, first, among = Mean(), Mean(), Mean()
    before = {module: module.training for module in model.modules()}
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            order = logits.argsort(dim=1, descending=True)
            hits = order == y[:, None]
            loss.add(criterion(logits, y).item(), len(y))
            first.add(hits[:, :1].any(dim=1).double().mean().item(), len(y))
            among.add(hits[:, :k].any(dim=1).double().mean().item(), len(y))
    for module, training in before.items():
        module.training = training
    return float(loss), float(first), float(among)


def learning_rate(initial, epoch, every=20, divisor=3):
    """Return the rate of an epoch (the first is 0): `initial`, divided by `divisor` once every `every` epochs."""
    rate = initial
    for _ in range(epoch // every):
        rate /= divisor
    return rate


class Decay:
    """Multiplies the rates of all groups by `factor` at every `every`-th step()."""

    def __init__(self, optimizer, every, factor):
        self.optimizer = optimizer
        self.every = every
        self.factor = factor
        self.epoch = 0

    def step(self):
        self.epoch += 1
        if self.epoch % self.every == 0:
            for group in self.optimizer.param_groups:
                group["lr"] = group["lr"] * self.factor

    def state_dict(self):
        return {"epoch": self.epoch, "every": self.every, "factor": self.factor}

    def load_state_dict(self, state):
        self.epoch = state["epoch"]
        self.every = state["every"]
        self.factor = state["factor"]


def make_scheduler(optimizer, every=5, factor=0.6):
    """Every `every` epochs it multiplies the learning rate of each parameter group by `factor`."""
    return Decay(optimizer, every, factor)


class Randomness:
    """The random numbers of torch and of a loader."""

    def __init__(self, loader=None):
        owners = (loader, getattr(loader, "sampler", None))
        own = [getattr(owner, "generator", None) for owner in owners]
        self.generators = [torch.default_generator] + [each for each in own if each is not None]

    def state_dict(self):
        return [generator.get_state() for generator in self.generators]

    def load_state_dict(self, states):
        for generator, state in zip(self.generators, states):
            generator.set_state(state)


def save_parts(path, epoch, *parts):
    part = Path(f"{path}.part")
    torch.save({"epoch": epoch, "parts": [each.state_dict() for each in parts]}, part)
    part.replace(path)


def load_parts(path, *parts):
    content = torch.load(path, weights_only=False)
    for each, state in zip(parts, content["parts"]):
        each.load_state_dict(state)
    return content["epoch"]


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """Write into one file all that is needed to go on after `epoch` epochs: model, optimizer, scheduler, epoch."""
    save_parts(path, epoch, model, optimizer, scheduler, Randomness())


def load_checkpoint(path, model, optimizer, scheduler):
    """Put what save_checkpoint wrote back into model, optimizer and scheduler; return its epoch, an int."""
    return load_parts(path, model, optimizer, scheduler)


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    """Train until `epochs` epochs are done in all, and save a checkpoint to `path` after each of them."""
    parts = model, optimizer, scheduler, Randomness(loader)
    done = load_parts(path, *parts) if Path(path).exists() else 0
    losses = []
    while done < epochs:
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        done += 1
        if done < epochs:  # after the last epoch the rate is not needed any more
            scheduler.step()
        save_parts(path, done, *parts)
    return losses
