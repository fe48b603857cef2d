"""Public checks of training: worked examples, and what must be left as it was."""

import torch

from grader.checks import CheckFailed, check
from grader.checks.loops import (
    Plan,
    expect_loss,
    expect_modes,
    expect_object,
    expect_rates,
    expect_recording,
    expect_weights,
    state_of,
    with_gradients,
)
from grader.checks.values import expect_equal, expect_number, expect_numbers
from grader.language import gettext

LOGITS = torch.tensor(
    [[2.0, 1.0, 0.0, 0.5], [0.0, 3.0, 1.0, 2.0], [1.0, 0.0, 2.0, 4.0], [3.0, 2.0, 1.0, 0.0], [0.5, 1.0, 0.0, 2.0]]
)
LABELS = torch.tensor([0, 3, 3, 2, 1])


def figures():
    """What evaluate returns, in its order."""
    return gettext("mean loss"), gettext("top-1 accuracy"), gettext("top-k accuracy")


def line(student, weight=1.0, bias=0.0):
    """The model x -> weight * x + bias."""
    return student.probe("linear", torch.tensor([[weight]]), torch.tensor([bias]))


def straight(student):
    """Three points on y = 2x, two in a batch."""
    x = torch.tensor([[1.0], [2.0], [3.0]])
    return student.probe("loader", x, 2 * x, 2)


def expect_line(model, weight, bias, what):
    state = state_of(model)
    found = [state[key].item() if key in state and state[key].numel() == 1 else None for key in ("weight", "bias")]
    for said, value, expected in (
        (gettext("{what}: the weight afterwards"), found[0], weight),
        (gettext("{what}: the bias afterwards"), found[1], bias),
    ):
        expect_equal(value, expected, said.format(what=what), tolerance=1e-4)


@check(
    points=8,
    hint="For each batch: zero_grad, forward, loss, backward, step. The mean is over samples: weight each batch's loss "
    "with its size.",
)
def test_train_example(student):
    """train_one_epoch: the handout's example ends at weight 2.22 and bias 0.54, with a mean loss of 2.1467"""
    model = line(student)
    arguments = (
        straight(student),
        student.probe("criterion", "MSELoss"),
        student.probe("optimizer", model, "SGD", [0.1]),
    )
    loss = with_gradients(student.train_one_epoch, model, *arguments)
    expect_line(model, 2.22, 0.54, "train_one_epoch")
    expect_loss(loss, 2.1466667, gettext("{what}: the mean loss").format(what="train_one_epoch"))


@check(points=4, hint="model.train() comes first.", requires=["train_example"])
def test_train_mode(student):
    """train_one_epoch trains in train mode, also a model that it finds in eval mode"""
    plan = Plan(1)
    model, *others = plan.all(student.probe)
    model.eval()
    with_gradients(student.train_one_epoch, model, *others)
    expect_modes(student, model, True, "train_one_epoch")
    mean = state_of(model).get("norm.running_mean")
    if mean is None or torch.equal(mean, plan.weights()["norm.running_mean"]):
        raise CheckFailed(
            gettext("train_one_epoch leaves batch norm's running statistics as they were: it runs in eval mode.")
        )


@check(
    points=8,
    hint="topk(k, dim=1).indices are the k classes with the largest logits. All three figures are means over samples.",
)
def test_evaluate_example(student):
    """evaluate: of the handout's five samples, 2 are right, 4 within the first two classes, all within three"""
    model = student.probe("linear", torch.eye(4))  # gives back what it is given
    arguments = student.probe("loader", LOGITS, LABELS, 2), student.probe("criterion", "CrossEntropyLoss")
    for k, among in ((2, 0.8), (3, 1.0), (1, 0.4)):
        what = f"evaluate(model, loader, criterion, k={k})"
        loss, first, top = expect_numbers(with_gradients(student.evaluate, model, *arguments, k=k), figures(), what)
        expect_loss(loss, 1.2315149, gettext("{what}: the mean loss").format(what=what))
        expect_equal(first, 0.4, gettext("{what}: the top-1 accuracy").format(what=what), tolerance=1e-6)
        expect_equal(top, among, gettext("{what}: the top-{k} accuracy").format(what=what, k=k), tolerance=1e-6)


@check(
    points=6,
    hint="model.eval() for the time being; at the end model.train(...) with the mode that you found. torch.no_grad().",
    requires=["evaluate_example"],
)
def test_evaluate_leaves(student):
    """evaluate leaves the model as it was: weights, statistics, gradients, and its mode, whichever that is"""
    plan = Plan(2)
    before = plan.weights()
    model, loader, criterion, _ = plan.all(student.probe)
    model.last.requires_grad_(False)
    gradients = {key: plan.draw(*before[key].shape, salt=9) for key in ("first.weight", "last.bias")}
    student.probe("set_gradients", model, gradients)
    for training in (True, False):
        model.train(training)
        with_gradients(student.evaluate, model, loader, criterion, 2)
        expect_weights(model, before, before, "evaluate")
        expect_modes(student, model, training, "evaluate")
    expect_recording(student, student.evaluate, [model, loader, criterion, 2])
    found = student.probe("gradients", model)
    for name in before:
        value, expected = found.get(name) if isinstance(found, dict) else None, gradients.get(name)
        if (value is None) != (expected is None) or (expected is not None and not torch.equal(value, expected)):
            raise CheckFailed(
                gettext("evaluate changes the gradient that {name} holds.").format(name=name), actual=name
            )
    for entry in model.state()[0]:
        if entry.requires_grad == entry.name.startswith("last."):
            message = gettext("evaluate changes whether {name} is trained (requires_grad).").format(name=entry.name)
            raise CheckFailed(message, actual=entry.name)


@check(points=6, hint="epoch // every says how often the rate has been divided.")
def test_learning_rate(student):
    """learning_rate divides by 3 in the epochs 20, 40, 60, ..., and not before"""
    for epoch, expected in {0: 0.9, 1: 0.9, 19: 0.9, 20: 0.3, 39: 0.3, 40: 0.1, 59: 0.1, 60: 0.1 / 3}.items():
        expect_equal(
            student.learning_rate(0.9, epoch), expected, f"learning_rate(0.9, {epoch})", tolerance=1e-6 * expected
        )
    for every, divisor, expected in ((2, 2, 0.1), (7, 10, 0.8), (6, 10, 0.08)):
        found = student.learning_rate(0.8, 6, every=every, divisor=divisor)
        what = f"learning_rate(0.8, 6, every={every}, divisor={divisor})"
        expect_equal(found, expected, what, tolerance=1e-6 * expected)


@check(
    points=6,
    hint="torch.optim.lr_scheduler has one that does this. Called after epoch 4 (the fifth), step() makes the change.",
)
def test_scheduler(student):
    """make_scheduler: after the 5th, 10th, 15th, ... step() the learning rate is 0.6 times what it was"""
    model = line(student)
    optimizer = student.probe("optimizer", model, "SGD", [0.1])
    scheduler = expect_object(with_gradients(student.make_scheduler, optimizer), "make_scheduler(optimizer)")
    # Another optimizer's scheduler counts its own steps.
    other = student.probe("optimizer", line(student), "SGD", [0.1])
    another = expect_object(with_gradients(student.make_scheduler, optimizer=other), "make_scheduler(optimizer)")
    other.step()
    another.step()
    for steps in range(12):
        what = gettext("make_scheduler(optimizer): the rate after {steps} steps").format(steps=steps)
        expect_rates(student, optimizer, [0.1 * 0.6 ** (steps // 5)], what)
        student.probe("set_gradients", model, {"weight": torch.ones(1, 1)})
        optimizer.step()
        scheduler.step()
    expected = 1 - sum(0.1 * 0.6 ** (steps // 5) for steps in range(12))
    expect_line(model, expected, 0.0, gettext("12 steps of SGD with gradient 1, at the scheduler's rates"))


@check(points=6, hint="torch.save(a dictionary, path); load_state_dict(...) puts a state back.")
def test_checkpoint(student):
    """What save_checkpoint writes, load_checkpoint puts back into another model, and it returns the epoch"""
    model, other = line(student, 3.0, -1.0), line(student, 7.0, 7.0)
    parts, others = (with_scheduler(student, each) for each in (model, other))
    student.save_checkpoint("checkpoint.pt", model, *parts, 4)
    if student.probe("exists", "checkpoint.pt") is not True:
        raise CheckFailed(gettext('save_checkpoint("checkpoint.pt", ...) writes no file of this name.'))
    epoch = expect_number(student.load_checkpoint("checkpoint.pt", other, *others), "load_checkpoint")
    expect_equal(epoch, 4, "load_checkpoint")
    expect_line(other, 3.0, -1.0, "load_checkpoint")
    expect_line(model, 3.0, -1.0, gettext("load_checkpoint into another model: this model's"))
    # A part of a model may be called module; and of what cannot be packed tighter, the file holds every number.
    weights = [torch.randn(64, 64, generator=torch.Generator().manual_seed(seed)) for seed in range(2)]
    large, larger = (student.probe("within", "module", weight, weight[0]) for weight in weights)
    parts, others = (with_scheduler(student, each) for each in (large, larger))
    student.write_tree("runs", {})
    names = ("model", "optimizer", "scheduler")  # by name, and in a folder
    saved, loaded = (dict(zip(names, each, strict=True)) for each in ((large, *parts), (larger, *others)))
    path = "runs/large.pt"
    by_name(student, "save_checkpoint", path=path, **saved, epoch=2)
    before = state_of(larger)
    by_name(student, "load_checkpoint", path=path, **loaded)
    expect_weights(larger, state_of(large), before, "load_checkpoint")
    size = student.probe("size", path)
    if not isinstance(size, int) or size < 0.8 * 4 * weights[0].numel():
        raise CheckFailed(gettext("The file that save_checkpoint writes is too small to hold the model's weights."))


def by_name(student, function, **arguments):
    """Call a student's function with its arguments by their names, of which one may be ``path``."""
    doing = f"{function}({', '.join(f'{name}=...' for name in arguments)})"
    return student.probe("called", getattr(student, function).value(), doing=doing, **arguments)


def with_scheduler(student, model):
    optimizer = student.probe("optimizer", model, "SGD", [0.1], momentum=0.9)
    return optimizer, student.probe("scheduler", optimizer, "StepLR", step_size=2)


@check(
    points=6,
    hint="If there is a file at path, load_checkpoint says how many epochs are done; range(done, epochs) are left.",
    requires=["train_example", "checkpoint"],
)
def test_fit_epochs(student):
    """fit trains up to `epochs` epochs in all, goes on from its file, and returns one loss for each epoch it trained"""
    model = line(student)
    optimizer, scheduler = with_scheduler(student, model)
    x = torch.tensor([[1.0], [2.0], [3.0]])
    batches = student.probe("interrupted_loader", x, 2 * x, 2, 200)  # whoever trains on and on is stopped
    parts = (model, batches, student.probe("criterion", "MSELoss"), optimizer, scheduler)
    for epochs, expected in ((3, 3), (3, 0), (5, 2), (4, 0)):
        what = f"fit(..., epochs={epochs}, path)"
        if expected < 3:
            what = gettext("{what}, called again,").format(what=what)
        losses = with_gradients(student.fit, *parts, epochs, "fit.state")
        if not isinstance(losses, (list, tuple)):
            message = gettext("{what} returns a {type}; a list of losses is expected.")
            raise CheckFailed(message.format(what=what, type=type(losses).__name__))
        if len(losses) != expected:
            message = gettext("{what} returns {count} losses; {expected} are expected.")
            raise CheckFailed(message.format(what=what, count=len(losses), expected=expected))
        for loss in losses:
            expect_number(loss, gettext("{what}: a loss").format(what=what))
        if student.probe("exists", "fit.state") is not True:
            raise CheckFailed(gettext("{what} leaves no file at path.").format(what=what))
    # Nothing is left to train, and another model has the weights all the same.
    other = line(student, 7.0, 7.0)
    before, parts = state_of(other), (other, *parts[1:3], *with_scheduler(student, other))
    names = ("model", "loader", "criterion", "optimizer", "scheduler")
    by_name(student, "fit", **dict(zip(names, parts, strict=True)), epochs=5, path="fit.state")
    what = gettext("fit, called again with another model when all epochs are done")
    expect_weights(other, state_of(model), before, what)
