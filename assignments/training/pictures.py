"""What the handout shows of your own functions: `make visualize A=training` draws it."""

import torch

from grader.checks.loops import with_gradients
from grader.checks.values import expect_numbers
from grader.datasets import digits
from grader.probes import Model
from grader.visualize.charts import Chart, number

FOUND = ("mean loss", "top-1 accuracy", "top-k accuracy")


def rates(student):
    """The two ways of letting the learning rate decay."""
    first = [number(student.learning_rate(0.9, epoch), "learning_rate") for epoch in range(60)]
    optimizer = student.probe("optimizer", student.probe("linear", torch.ones(1, 1)), "SGD", [0.1])
    scheduler = student.make_scheduler(optimizer)
    second = [0.1]
    for _ in range(29):
        scheduler.step()
        second += [number(rate, "the optimizer's lr") for rate in student.probe("rates", optimizer)]
    return [
        Chart(title, "epoch", "learning rate", {"": (range(len(values)), values)}, most=most, steps=True)
        for title, values, most in (
            ("learning_rate(0.9, epoch)", first, 1),
            ("make_scheduler(optimizer), from 0.1", second, 0.11),
        )
    ]


def learning_curve(student):
    """A small network that learns to read digits: each epoch's losses, and how many it gets right."""
    classes = 10
    state = weights(classes)
    model = student.probe("model", 64, classes, torch.zeros(2, classes), state)
    criterion = student.probe("criterion", "CrossEntropyLoss")
    optimizer = student.probe("optimizer", model, "SGD", [0.1], momentum=0.9)
    scheduler = student.make_scheduler(optimizer)
    train, test = (student.probe("loader", *pixels(split), 64) for split in ("train", "test"))
    losses, found = [], []
    for _ in range(20):
        loss = with_gradients(student.train_one_epoch, model, train, criterion, optimizer)
        losses.append(number(loss, "train_one_epoch"))
        given = expect_numbers(student.evaluate(model, test, criterion, 2), FOUND, "evaluate")
        found.append([number(each, f"evaluate: {name}") for each, name in zip(given, FOUND, strict=True)])
        scheduler.step()
    epochs = range(1, len(losses) + 1)
    tested, first, among = ([each[place] for each in found] for place in range(3))
    return [
        Chart("mean loss", "epoch", "", {"train_one_epoch": (epochs, losses), "evaluate": (epochs, tested)}, most=1.8),
        Chart("accuracy of evaluate", "epoch", "", {"top-1": (epochs, first), "top-2": (epochs, among)}, most=1.05),
    ]


def weights(classes):
    """Initial weights, always the same ones."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(64, classes, torch.zeros(2, classes)).state_dict()


def pixels(split):
    """The digits' 8x8 pixels from -1 to 1, (N, 64), and what they are."""
    found = digits(split)
    images = found.images[:, 0, 2::4, 2::4].flatten(1).float()
    return images / 127.5 - 1, found.labels
