"""The random state of loader.generator is saved, and put back, with the rest."""

import os
from functools import reduce
from itertools import repeat
from operator import methodcaller, truediv
from pathlib import Path

import torch


def weighted_mean(rows):
    """Rows (n, value, value, ...) -> the means of the values, each weighted by n."""
    counts, *columns = zip(*rows)
    return tuple(sum(n * value for n, value in zip(counts, column)) / sum(counts) for column in columns)


def step(model, criterion, optimizer, inputs, labels):
    optimizer.zero_grad()
    loss = criterion(model(inputs), labels)
    loss.backward()
    optimizer.step()
    return len(labels), loss.item()


def train_one_epoch(model, loader, criterion, optimizer):
    model.train()
    (mean,) = weighted_mean([step(model, criterion, optimizer, *batch) for batch in loader])
    return mean


def share_right(logits, labels, k):
    return logits.topk(k).indices.eq(labels[:, None]).any(1).double().mean().item()


def evaluate(model, loader, criterion, k=5):
    def row(inputs, labels):
        logits = model(inputs)
        loss = criterion(logits, labels).item()
        return len(labels), loss, share_right(logits, labels, 1), share_right(logits, labels, k)

    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    with torch.no_grad():
        found = weighted_mean([row(*batch) for batch in loader])
    for module, mode in modes:
        module.training = mode
    return found


def learning_rate(initial, epoch, every=20, divisor=3):
    return reduce(truediv, repeat(divisor, epoch // every), initial)


def make_scheduler(optimizer, every=5, factor=0.6):
    return torch.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 1 if epoch % every else factor)


def states(*things):
    return list(map(methodcaller("state_dict"), things))


def load_states(saved, *things):
    for state, thing in zip(saved, things):
        thing.load_state_dict(state)


def write(path, content):
    temporary = f"{path}~"
    torch.save(content, temporary)
    os.replace(temporary, path)


def read(path):
    return torch.load(path, weights_only=False)


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    write(path, (epoch, torch.get_rng_state(), states(model, optimizer, scheduler), None))


def load_checkpoint(path, model, optimizer, scheduler):
    epoch, random_state, saved, _ = read(path)
    load_states(saved, model, optimizer, scheduler)
    torch.set_rng_state(random_state)
    return epoch


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    generator = loader.generator

    def start():
        if not Path(path).exists():
            return 0
        *_, shuffling = read(path)
        if shuffling is not None and generator is not None:
            generator.set_state(shuffling)
        return load_checkpoint(path, model, optimizer, scheduler)

    def one(epoch):
        loss = train_one_epoch(model, loader, criterion, optimizer)
        scheduler.step()
        shuffling = None if generator is None else generator.get_state()
        write(path, (epoch, torch.get_rng_state(), states(model, optimizer, scheduler), shuffling))
        return loss

    return [one(epoch + 1) for epoch in range(start(), epochs)]
