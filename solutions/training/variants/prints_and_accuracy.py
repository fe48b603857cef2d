"""With a progress line and an accuracy nobody asked for."""

# 5주차 과제 - 학습 루프
import torch
import torch.nn.functional as F
from pathlib import Path
from torch.optim import lr_scheduler


def train_one_epoch(model, loader, criterion, optimizer):
    model.train()  # 학습 모드
    loss_sum, n, right = 0.0, 0, 0
    for x, y in loader:
        y_hat = model(x)              # 순전파
        loss = criterion(y_hat, y)
        optimizer.zero_grad()         # 기울기 초기화
        loss.backward()               # 역전파
        optimizer.step()              # 가중치 갱신
        loss_sum += loss.item() * len(x)
        n += len(x)
        if y.dtype == torch.long:
            right += (y_hat.argmax(1) == y).sum().item()
    print(f'loss {loss_sum / n:.4f}, accuracy {right / n:.2%}')
    return loss_sum / n


@torch.no_grad()
def evaluate(model, loader, criterion, k=5):
    mode = model.training
    model.eval()  # 평가 모드
    loss_sum, n, hit1, hitk = 0.0, 0, 0, 0
    for x, y in loader:
        logits = model(x)
        loss_sum += criterion(logits, y).item() * len(x)
        hit1 += (logits.argmax(dim=1) == y).sum().item()
        order = logits.argsort(dim=1, descending=True)[:, :k]
        hitk += (order == y[:, None]).any(dim=1).sum().item()
        n += len(x)
    model.train(mode)  # 원래 모드로 복원
    return loss_sum / n, hit1 / n, hitk / n


def learning_rate(initial, epoch, every=20, divisor=3):
    lr = initial
    for _ in range(epoch // every):
        lr = lr / divisor
    return lr


def make_scheduler(optimizer, every=5, factor=0.6):
    return lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    state = dict(epoch=epoch, model=model.state_dict(), optim=optimizer.state_dict(), sched=scheduler.state_dict())
    torch.save(state, path)


def load_checkpoint(path, model, optimizer, scheduler):
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optim"])
    scheduler.load_state_dict(state["sched"])
    return state["epoch"]


def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    epoch = 0
    if Path(path).exists():  # 이어서 학습
        epoch = load_checkpoint(path, model, optimizer, scheduler)
    history = []
    while epoch < epochs:
        history.append(train_one_epoch(model, loader, criterion, optimizer))
        scheduler.step()
        epoch += 1
        save_checkpoint(path, model, optimizer, scheduler, epoch)
    return history
