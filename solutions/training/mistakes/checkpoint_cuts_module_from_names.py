""""module." is cut out of all names on loading, also where a part of the model is called module.

Caught by: checkpoint
"""

import os
from pathlib import Path

import torch


def weighted(pairs):
    """pairs: (value, number of samples)"""
    return sum(value * size for value, size in pairs) / sum(size for _, size in pairs)


def train_one_epoch(model, loader, criterion, optimizer):
    """Train once on every batch, in train mode, and return the mean loss per sample, a float."""
    model.train()
    losses = []
    for batch_x, batch_y in loader:
        optimizer.zero_grad()
        batch_loss = criterion(model(batch_x), batch_y)
        batch_loss.backward()
        losses.append((batch_loss.item(), batch_y.shape[0]))
        optimizer.step()
    return weighted(losses)


def top_hits(logits, labels, k):
    best = torch.topk(logits, min(k, logits.shape[1]), dim=1).indices
    return (best == labels.reshape(-1, 1)).any(dim=1).sum().item()


@torch.no_grad()
def evaluate(model, loader, criterion, k=5):
    """Return (mean loss per sample, top-1 accuracy, top-k accuracy), three floats; accuracies from 0 to 1."""
    was_training = [module for module in model.modules() if module.training]
    model.eval()
    losses, top_1, top_k = [], 0, 0
    for batch_x, batch_y in loader:
        logits = model(batch_x)
        losses.append((criterion(logits, batch_y).item(), batch_y.shape[0]))
        top_1 += top_hits(logits, batch_y, 1)
        top_k += top_hits(logits, batch_y, k)
    for module in was_training:
        module.training = True
    samples = sum(size for _, size in losses)
    return weighted(losses), top_1 / samples, top_k / samples


def learning_rate(initial, epoch, every=20, divisor=3):
    """Return the rate of an epoch (the first is 0): `initial`, divided by `divisor` once every `every` epochs."""
    return initial * (1 / divisor) ** (epoch // every)


def make_scheduler(optimizer, every=5, factor=0.6):
    """Every `every` epochs it multiplies the learning rate of each parameter group by `factor`."""
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)


def generators_of(loader):
    found = [torch.default_generator, getattr(loader, "generator", None)]
    found.append(getattr(getattr(loader, "sampler", None), "generator", None))
    return [generator for generator in found if generator is not None]


def collect(model, optimizer, scheduler, epoch, loader=None):
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
        "random": [generator.get_state() for generator in generators_of(loader)],
    }


def write_file(path, content):
    torch.save(content, str(path) + ".new")
    os.replace(str(path) + ".new", path)


def read_file(path):
    return torch.load(path, map_location="cpu", weights_only=False)


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """Write into one file all that is needed to go on after `epoch` epochs: model, optimizer, scheduler, epoch."""
    write_file(path, collect(model, optimizer, scheduler, epoch))


def load_checkpoint(path, model, optimizer, scheduler):
    """Put what save_checkpoint wrote back into model, optimizer and scheduler; return its epoch, an int."""
    content = read_file(path)
    # checkpoints of nn.DataParallel have "module." before every name
    weights = {name.replace("module.", ""): value for name, value in content["model"].items()}
    model.load_state_dict(weights)
    optimizer.load_state_dict(content["optimizer"])
    scheduler.load_state_dict(content["scheduler"])
    return content["epoch"]


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    """Train until `epochs` epochs are done in all, and save a checkpoint to `path` after each of them."""
    finished = 0
    if Path(path).is_file():
        finished = load_checkpoint(path, model, optimizer, scheduler)
        for generator, state in zip(generators_of(loader), read_file(path)["random"]):
            generator.set_state(state)
    losses = []
    for epoch in range(finished + 1, epochs + 1):
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        write_file(path, collect(model, optimizer, scheduler, epoch, loader))
    return losses
