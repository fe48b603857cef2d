"""The loss is averaged over batches.

Caught by: evaluate
"""

import os

import torch


def train_one_epoch(model, loader, criterion, optimizer):
    model.train()
    total_loss = 0.0
    samples = 0
    for inputs, labels in loader:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * inputs.size(0)
        samples += inputs.size(0)
    return total_loss / samples


def evaluate(model, loader, criterion, k=5):
    was_training = model.training
    model.eval()
    total_loss, top1, topk, samples = 0.0, 0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            outputs = model(inputs)
            total_loss += criterion(outputs, labels).item()
            _, predicted = outputs.topk(k, dim=1)
            correct = predicted == labels.view(-1, 1)
            top1 += correct[:, :1].sum().item()
            topk += correct.sum().item()
            samples += inputs.size(0)
    model.train(was_training)
    return total_loss / len(loader), top1 / samples, topk / samples


def learning_rate(initial, epoch, every=20, divisor=3):
    return initial / divisor ** (epoch // every)


def make_scheduler(optimizer, every=5, factor=0.6):
    return torch.optim.lr_scheduler.StepLR(optimizer, every, gamma=factor)


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "epoch": epoch,
        },
        path,
    )


def load_checkpoint(path, model, optimizer, scheduler):
    checkpoint = torch.load(path)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    return checkpoint["epoch"]


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    start = 0
    if os.path.exists(path):
        start = load_checkpoint(path, model, optimizer, scheduler)
    losses = []
    for epoch in range(start, epochs):
        loss = train_one_epoch(model, loader, criterion, optimizer)
        scheduler.step()
        losses.append(loss)
        save_checkpoint(path, model, optimizer, scheduler, epoch + 1)
    return losses
