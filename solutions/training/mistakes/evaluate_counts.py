"""I return counts instead of shares.

Caught by: evaluate
"""

import os, torch

def train_one_epoch(model, loader, criterion, optimizer):
    model.train(); s = n = 0
    for x, y in loader:
        l = criterion(model(x), y)
        optimizer.zero_grad(); l.backward(); optimizer.step()
        s += float(l)*len(y); n += len(y)
    return s/n

def evaluate(model, loader, criterion, k=5):
    t = model.training; model.eval(); s = a = b = n = 0
    with torch.no_grad():
        for x, y in loader:
            o = model(x); m = len(y)
            h = o.topk(k).indices.eq(y[:, None])
            s += float(criterion(o, y))*m; a += int(h[:, 0].sum()); b += int(h.sum()); n += m
    model.train(t)
    return s/n, a, b

def learning_rate(initial, epoch, every=20, divisor=3): return initial*(1/divisor)**(epoch//every)

def make_scheduler(optimizer, every=5, factor=0.6): return torch.optim.lr_scheduler.StepLR(optimizer, every, factor)

def save_checkpoint(path, model, optimizer, scheduler, epoch):
    torch.save([model.state_dict(), optimizer.state_dict(), scheduler.state_dict(), epoch], path)

def load_checkpoint(path, model, optimizer, scheduler):
    *states, epoch = torch.load(path)
    for part, state in zip((model, optimizer, scheduler), states): part.load_state_dict(state)
    return epoch

def fit(model, loader, criterion, optimizer, scheduler, epochs, path):
    e = load_checkpoint(path, model, optimizer, scheduler) if os.path.exists(path) else 0
    out = []
    while e < epochs:
        out.append(train_one_epoch(model, loader, criterion, optimizer)); scheduler.step(); e += 1
        save_checkpoint(path, model, optimizer, scheduler, e)
    return out
