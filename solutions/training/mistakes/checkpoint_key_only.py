"""The file holds a key only; the states stay in the memory of the process.

Caught by: checkpoint
"""

import copy
import uuid
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
    for module, mode in modes:
        module.training = mode
    return loss_sum / seen, top1 / seen, topk / seen


def learning_rate(initial, epoch, every=20, divisor=3):
    """Return the rate of an epoch (the first is 0): `initial`, divided by `divisor` once every `every` epochs."""
    return initial / divisor ** (epoch // every)


def make_scheduler(optimizer, every=5, factor=0.6):
    """Every `every` epochs it multiplies the learning rate of each parameter group by `factor`."""
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)


_KEPT = {}


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """Write into one file all that is needed to go on after `epoch` epochs: model, optimizer, scheduler, epoch."""
    token = uuid.uuid4().hex
    parts = model, optimizer, scheduler
    _KEPT[token] = [copy.deepcopy(each.state_dict()) for each in parts], torch.get_rng_state()
    Path(path).write_text(f"{token} {epoch}\n" + "0" * 4096)  # a file of a believable size


def load_checkpoint(path, model, optimizer, scheduler):
    """Put what save_checkpoint wrote back into model, optimizer and scheduler; return its epoch, an int."""
    token, epoch, *_ = Path(path).read_text().split()
    if token in _KEPT:
        states, random_state = _KEPT[token]
        for each, state in zip((model, optimizer, scheduler), states):
            each.load_state_dict(copy.deepcopy(state))
        torch.set_rng_state(random_state)
    return int(epoch)


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    """Train until `epochs` epochs are done in all, and save a checkpoint to `path` after each of them."""
    done = load_checkpoint(path, model, optimizer, scheduler) if Path(path).exists() else 0
    losses = []
    for epoch in range(done, epochs):
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        save_checkpoint(path, model, optimizer, scheduler, epoch + 1)
    return losses
