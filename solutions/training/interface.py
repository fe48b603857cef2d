"""What training shows from outside, for `grader audit`, which asks whether an edited solution does something else."""

import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from grader.audit.observe import fill, noise, outcome

OPTIMIZERS = {
    "SGD": lambda groups: torch.optim.SGD(groups, lr=0.05),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9, weight_decay=0.01),
    "Adam": lambda groups: torch.optim.Adam(groups, lr=0.02),
}
CRITERIA = (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.2), nn.MultiMarginLoss())
BATCHES = (3, 4, 12)  # of eleven samples: the last one smaller, or all of them at once


class Network(nn.Module):
    """Tells the mode by batch norm and dropout, and whether gradients are recorded by a shift of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 8)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x):
        shift = noise(8, seed=5 + torch.is_grad_enabled())
        return self.last(self.dropout(self.norm(self.first(x)).relu())) + shift


def network():
    model = fill(Network())
    for name, parameter in model.named_parameters():  # as a backward pass of long ago may have left them
        parameter.grad = noise(*parameter.shape, seed=len(name))
    return model


def data(batch_size):
    return DataLoader(TensorDataset(noise(11, 4), noise(11, 8, seed=1).argmax(1)), batch_size=batch_size)


def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def modes(model):
    return [module.training for module in model.modules()]


def plain(value):
    """Numbers as they are; a list and a tuple are the same."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return torch.tensor(value, dtype=torch.float64) if type(value) in (int, float) else type(value).__name__


def observe(module):
    torch.manual_seed(0)
    for name, optimizer in OPTIMIZERS.items():
        for criterion in CRITERIA:
            for batch_size in BATCHES:
                model, loader = network().eval(), data(batch_size)
                step = optimizer(model.parameters())
                torch.manual_seed(1)
                what = f"with {name}, {criterion}, batches of {batch_size}"
                yield f"train_one_epoch {what}", plain(module.train_one_epoch(model, loader, criterion, step))
                yield f"weights after train_one_epoch {what}", state(model)
                yield "modes after train_one_epoch", modes(model)
    for criterion in CRITERIA:
        for batch_size in BATCHES:
            for training in (True, False):
                for arguments in ((), (1,), (3,), (8,)):
                    model = network().train(training)
                    before = state(model), [parameter.grad.clone() for parameter in model.parameters()]
                    found = module.evaluate(model, data(batch_size), criterion, *arguments)
                    yield f"evaluate{arguments} with {criterion}, batches of {batch_size}", plain(found)
                    yield "modes after evaluate", modes(model)
                    yield "gradients are recorded after evaluate", torch.is_grad_enabled()
                    same = [
                        torch.equal(one, other.grad) for one, other in zip(before[1], model.parameters(), strict=True)
                    ]
                    yield "evaluate leaves weights and gradients", [before[0], same, state(model)]
    for epoch in (0, 1, 2, 5, 6, 19, 20, 21, 39, 40, 59, 60, 100):
        yield f"learning_rate(0.9, {epoch})", plain(module.learning_rate(0.9, epoch))
        for every, divisor in ((1, 2), (5, 3), (6, 1.5)):
            found = module.learning_rate(0.2, epoch, every=every, divisor=divisor)
            yield f"learning_rate(0.2, {epoch}, {every}, {divisor})", plain(found)
    yield from schedules(module)
    with tempfile.TemporaryDirectory() as folder:
        yield from checkpoints(module, f"{folder}/checkpoint.pt")
        yield from fits(module, folder)


def groups(model, rates=(0.5, 0.02)):
    parameters = list(model.parameters())
    return [{"params": parameters[index::2], "lr": rate} for index, rate in enumerate(rates)]


def rates(optimizer):
    return plain([group["lr"] for group in optimizer.param_groups])


def schedules(module):
    for options in ({}, {"every": 1}, {"factor": 0.1}, {"every": 3, "factor": 0.5}):
        optimizer = OPTIMIZERS["momentum"](groups(network()))
        scheduler = module.make_scheduler(optimizer, **options)
        for step in range(12):
            yield f"rates after {step} steps of make_scheduler(optimizer, {options})", rates(optimizer)
            optimizer.step()
            scheduler.step()
        other = module.make_scheduler(OPTIMIZERS["momentum"](groups(network())), **options)
        yield (
            "a scheduler takes another one's state",
            outcome(lambda o=other, s=scheduler: o.load_state_dict(s.state_dict())),
        )


def training(name, weights=None):
    model = network()
    if weights is not None:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(weights)
    model.dropout.p = 0.0  # an interrupted run draws other numbers
    optimizer = OPTIMIZERS[name](groups(model))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.3)
    return model, optimizer, scheduler


def epochs(parts, count):
    model, optimizer, scheduler = parts
    for _ in range(count):
        model.train()
        for inputs, labels in data(4):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
        scheduler.step()


def checkpoints(module, path):
    for name in OPTIMIZERS:
        mine, other = training(name), training(name, 0.5)
        epochs(mine, 3)
        before = state(mine[0])
        module.save_checkpoint(path, *mine, 3)
        yield "save_checkpoint changes nothing", [before, state(mine[0])]
        epochs(mine, 1)
        yield f"load_checkpoint with {name}", plain(module.load_checkpoint(path, *other))
        yield f"weights after load_checkpoint with {name}", state(other[0])
        yield f"rates after load_checkpoint with {name}", rates(other[1])
        epochs(other, 2)
        yield f"weights when training goes on with {name}", state(other[0])
        yield f"rates when training goes on with {name}", rates(other[1])


class Broken(Exception):
    pass


class Interrupted:
    def __init__(self, loader, batches):
        self.loader, self.left = loader, batches

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for batch in self.loader:
            if not self.left:
                raise Broken
            self.left -= 1
            yield batch


def fits(module, folder):
    for name in OPTIMIZERS:
        for batches in (1, 3, 7, 10):
            path = f"{folder}/{name}-{batches}.pt"
            first, second = training(name), training(name, 0.5 if batches >= 3 else None)

            def fit(parts, loader, path=path):
                return module.fit(parts[0], loader, nn.CrossEntropyLoss(), *parts[1:], 4, path)

            broken = Interrupted(data(4), batches)
            yield "fit, interrupted", outcome(lambda fit=fit, parts=first, loader=broken: fit(parts, loader))
            yield f"fit with {name}, gone on with after {batches} batches", plain(fit(second, data(4)))
            yield f"weights after fit with {name}, gone on with after {batches} batches", state(second[0])
            yield f"rates after fit with {name}, gone on with after {batches} batches", rates(second[1])
            yield "fit, called again", plain(fit(second, data(4)))
            yield "there is a file at path", Path(path).exists()
