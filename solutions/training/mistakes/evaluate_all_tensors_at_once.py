"""Nothing is trained, so the whole data set can go through at once.

Caught by: evaluate
"""

from pathlib import Path

import torch


def train_one_epoch(model, loader, criterion, optimizer):
    """Train once on every batch, in train mode, and return the mean loss per sample, a float.

    loader yields (inputs, labels); the last batch may be smaller. criterion(outputs, labels) is the mean over a batch.
    The loss that counts is the one that a step begins with. Gradients from before must not get into any step.
    """
    model.train()
    total, count = 0.0, 0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        count += len(labels)
    return total / count


def evaluate(model, loader, criterion, k=5):
    """Return (mean loss per sample, top-1 accuracy, top-k accuracy), three floats; accuracies from 0 to 1.

    A sample is right in the sense of top-k if its label is among the k classes with the largest logits. In eval mode
    and without recording gradients. The model is left as it was: weights, statistics, gradients, and its mode.
    """
    was_training = model.training
    model.eval()
    total, first, among, count = 0.0, 0, 0, 0
    with torch.no_grad():
        for inputs, labels in [loader.dataset.tensors]:  # all at once
            logits = model(inputs)
            total += criterion(logits, labels).item() * len(labels)
            hits = logits.topk(k, dim=1).indices == labels.unsqueeze(1)
            first += hits[:, 0].sum().item()
            among += hits.any(dim=1).sum().item()
            count += len(labels)
    model.train(was_training)
    return total / count, first / count, among / count


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
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
    }
    torch.save(checkpoint, path)


def load_checkpoint(path, model, optimizer, scheduler):
    """Put what save_checkpoint wrote back into model, optimizer and scheduler; return its epoch, an int."""
    checkpoint = torch.load(path)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    return checkpoint["epoch"]


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    """Train until `epochs` epochs are done in all, and save a checkpoint to `path` after each of them.

    Where there already is a file at `path`, go on from it: the weights at the end are those of a run that was never
    interrupted. Return the mean loss of each epoch that was trained in this call, a list of floats.
    """
    done = load_checkpoint(path, model, optimizer, scheduler) if Path(path).exists() else 0
    losses = []
    for epoch in range(done, epochs):
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        save_checkpoint(path, model, optimizer, scheduler, epoch + 1)
    return losses
