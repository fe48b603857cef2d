"""I call torch.set_grad_enabled(False) in evaluate, and train_one_epoch switches it on again.

Caught by: leaves_or_evaluate
"""

import os
from pathlib import Path

import torch


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
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    torch.set_grad_enabled(False)
    loss_sum, top1, topk, count = 0.0, 0, 0, 0
    for inputs, labels in loader:
        outputs = model(inputs)
        n = labels.size(0)
        loss_sum += criterion(outputs, labels).item() * n
        best = outputs.topk(min(k, outputs.size(1)), dim=1).indices
        top1 += (outputs.argmax(dim=1) == labels).sum().item()
        topk += (best == labels.unsqueeze(1)).any(dim=1).sum().item()
        count += n
    for module, mode in modes:
        module.training = mode
    return loss_sum / count, top1 / count, topk / count


def learning_rate(initial, epoch, every=20, divisor=3):
    return initial / divisor ** (epoch // every)


def make_scheduler(optimizer, every=5, factor=0.6):
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
        "rng": torch.get_rng_state(),
    }
    torch.save(state, f"{path}.part")
    os.replace(f"{path}.part", path)


def load_checkpoint(path, model, optimizer, scheduler):
    state = torch.load(path, weights_only=False)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["rng"])
    return state["epoch"]


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    done = load_checkpoint(path, model, optimizer, scheduler) if Path(path).exists() else 0
    losses = []
    for epoch in range(done + 1, epochs + 1):
        losses.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        save_checkpoint(path, model, optimizer, scheduler, epoch)
    return losses
