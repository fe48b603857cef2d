"""Hidden checks of training: the solution's weights after the same secret batches, and after interruptions."""

from dataclasses import dataclass
from itertools import count

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader import probes
from grader.checks import CheckFailed, check
from grader.checks.loops import (
    Plan,
    expect_loss,
    expect_modes,
    expect_object,
    expect_rates,
    expect_weights,
    with_gradients,
)
from grader.checks.strategies import seeds
from grader.checks.values import expect_equal, expect_numbers
from grader.language import gettext
from grader.student import StudentError

OPTIMIZERS = (
    ("SGD", (("momentum", 0.9), ("weight_decay", 0.01))),
    ("SGD", (("momentum", 0.9), ("nesterov", True))),
    ("SGD", ()),
    ("Adam", ()),
)
NUMBERS = count()
LONG = 200  # epochs, as long as anybody trains
CRITERIA = (("CrossEntropyLoss", ()), ("CrossEntropyLoss", (("label_smoothing", 0.2),)), ("MultiMarginLoss", ()))


def figures():
    """What evaluate returns, in its order."""
    return gettext("mean loss"), gettext("top-1 accuracy"), gettext("top-k accuracy")


def mean_loss(what):
    """What a wrong mean loss of ``what`` is called."""
    return gettext("{what}: the mean loss").format(what=what)


@st.composite
def plans(draw):
    """Whatever can be trained; the last batch is never a single sample, which batch norm refuses."""
    batch_size = draw(st.integers(2, 6))
    count = draw(st.integers(4, 17).filter(lambda each: each % batch_size != 1))
    optimizer, options = draw(st.sampled_from(OPTIMIZERS))
    criterion, criterion_options = draw(st.sampled_from(CRITERIA))
    rates = (0.05, 0.02) if draw(st.booleans()) else (0.05,)
    return Plan(
        draw(seeds()),
        count,
        batch_size,
        rates=rates,
        optimizer=optimizer,
        options=options,
        criterion=criterion,
        criterion_options=criterion_options,
    )


@dataclass(frozen=True)
class Pictures(Plan):
    """Images, and one convolution: it gives logits, or with a single class another image."""

    @property
    def layers(self):
        """For `probes.nested`."""
        sizes = {"in_channels": 1, "out_channels": self.classes, "kernel_size": 1 if self.classes == 1 else 3}
        return [("Conv2d", sizes), *([] if self.classes == 1 else [("Flatten", {})])]

    @property
    def inputs(self):
        """(count, 1, 3, 3), float32, of values that are exact in any arithmetic."""
        return (8 * self.draw(self.count, 1, 3, 3, salt=0)).round() / 8

    @property
    def labels(self):
        """(count,), int64; or images, float32, the first batch of which is what goes in."""
        if self.classes > 1:
            return super().labels
        noise = 0.1 * self.draw(self.count, 1, 3, 3, salt=1)
        noise[: self.batch_size] = 0
        return self.inputs + noise

    def weights(self, salt=0):
        if self.classes == 1:  # gives back what it is given
            return {"0.weight": torch.ones(1, 1, 1, 1), "0.bias": torch.zeros(1)}
        return {"0.weight": self.draw(self.classes, 1, 3, 3, salt=60 + salt), "0.bias": torch.zeros(self.classes)}

    def model(self, make, weights=None):
        made = make("nested", self.layers)
        made.load_state_dict(dict(weights or self.weights()))
        return made


# The loss is 0 in the first batch, where the weights decay all the same, and small in the others.
IMAGES = Pictures(9, classes=1, rates=(0.1,), options=(("weight_decay", 0.1),), criterion="mse_loss")
PHOTOS = Pictures(10, criterion="cross_entropy")


def listed(plan, make):
    """``plan`` with a data set that is a list, not one of tensors: (model, loader, criterion, optimizer)."""
    model, _, *others = plan.all(make)
    return model, make("listed_loader", plan.inputs, plan.labels, plan.batch_size), *others


# Gradients of some hundreds: whoever makes long ones shorter ends elsewhere.
STEEP = Plan(
    8, 4, 2, rates=(1e-3,), criterion="MultiMarginLoss", criterion_options=(("p", 2), ("margin", 100.0)), options=()
)


def stale(plan, make, model):
    """Give the model the gradients that some backward pass has left behind."""
    values = {
        key: plan.draw(*value.shape, salt=9)
        for key, value in plan.weights().items()
        if key in ("first.weight", "norm.bias", "last.weight", "0.weight")
    }
    make("set_gradients", model, values)


@check(
    points=12,
    hint="Gradients add up until they are set to zero: that comes before backward, in every batch. The optimizer does "
    "the step; the criterion is the one given.",
    requires=["train_example", "train_mode"],
)
@settings(max_examples=10)
@given(plan=plans())
@example(plan=STEEP)
@example(plan=IMAGES)
def test_train_function(student, reference, plan):
    """train_one_epoch ends in the right weights, for any optimizer, criterion, data and batch size"""
    mine, ours = listed(plan, student.probe), plan.all(probes.make)
    for make, parts in ((student.probe, mine), (probes.make, ours)):
        stale(plan, make, parts[0])
    names = ("model", "loader", "criterion", "optimizer")
    with_gradients(student.train_one_epoch, **dict(zip(names, mine, strict=True)))
    reference.train_one_epoch(*ours)
    expect_weights(mine[0], ours[0].state_dict(), plan.weights(), "train_one_epoch")


@check(
    points=4,
    hint="Sum up loss * batch size and divide by the number of samples: the last batch may be smaller.",
    requires=["train_example"],
)
@settings(max_examples=8)
@given(plan=plans())
@example(plan=IMAGES)
def test_train_loss(student, reference, plan):
    """train_one_epoch returns the mean loss per sample, with a smaller last batch too"""
    loss = with_gradients(student.train_one_epoch, *plan.all(student.probe))
    expected = reference.train_one_epoch(*plan.all(probes.make))
    expect_loss(loss, expected, mean_loss("train_one_epoch"))
    if plan == IMAGES:  # a small one, of which four decimal places are not enough
        expect_equal(loss, expected, mean_loss("train_one_epoch"), tolerance=1e-3 * expected)


def conditions(plan):
    """The mean loss of the same data in the wrong mode, or with gradients recorded; and how to tell a student of it."""
    recorded = gettext("{what}: the mean loss is what comes out where gradients are recorded: use torch.no_grad().")
    trains = gettext("{what}: the mean loss is what comes out where the model runs in train mode: use model.eval().")
    both = gettext(
        "{what}: the mean loss is what comes out where the model runs in train mode, and gradients are recorded."
    )
    for training, grad, said in ((False, True, recorded), (True, False, trains), (True, True, both)):
        model, _, criterion, _ = plan.all(probes.make)
        model.train(training)
        total = 0.0
        with torch.set_grad_enabled(grad):
            for inputs, labels in plan.loader(probes.make):
                total += criterion(model(inputs), labels).item() * len(labels)
        yield total / plan.count, said


@check(
    points=10,
    hint="model.eval() and torch.no_grad(); means over samples; topk(k, dim=1), of which each row is one sample.",
    requires=["evaluate_example"],
)
@settings(max_examples=10)
@given(plan=plans(), k=st.integers(1, 7), training=st.booleans())
@example(plan=PHOTOS, k=3, training=True)
def test_evaluate_function(student, reference, plan, k, training):
    """evaluate gives the right figures, in eval mode and without gradients, for any k and batch size"""
    mine, ours = listed(plan, student.probe)[:3], plan.all(probes.make)[:3]
    mine[0].train(training)
    names = ("model", "loader", "criterion")
    for asked in ([], [k]):
        what = f"evaluate({', '.join([*names, *map(str, asked)])})"
        if asked:
            found = with_gradients(student.evaluate, *mine, *asked)
        else:
            found = with_gradients(student.evaluate, **dict(zip(names, mine, strict=True)))
        loss, first, among = expect_numbers(found, figures(), what)
        expected = reference.evaluate(*ours, *asked)
        if abs(loss - expected[0]) > 1e-3:
            for wrong, said in conditions(plan):
                if abs(loss - wrong) < 1e-5 * (1 + abs(wrong)):
                    raise CheckFailed(said.format(what=what))
        expect_loss(loss, expected[0], mean_loss(what))
        expect_equal(first, expected[1], gettext("{what}: the top-1 accuracy").format(what=what), tolerance=1e-6)
        expect_equal(among, expected[2], gettext("{what}: the top-k accuracy").format(what=what), tolerance=1e-6)


@check(
    points=4,
    hint="What evaluate switches off (train mode, gradients) must be on again when train_one_epoch is called.",
    requires=["train_function", "evaluate_function", "evaluate_leaves"],
)
def test_alternate(student, reference, context):
    """Training and evaluating in turn ends in the right weights: neither disturbs the other"""
    plan = Plan(context.seed % 1000, count=14, batch_size=4)
    mine, ours = plan.all(student.probe), plan.all(probes.make)
    calls = [[student.train_one_epoch.value(), list(mine)], [student.evaluate.value(), list(mine[:3])]] * 3
    found = student.probe("in_turn", calls, doing=gettext("train_one_epoch and evaluate, in turn,"))
    expected = probes.in_turn([(reference.train_one_epoch, ours), (reference.evaluate, ours[:3])] * 3)
    what = gettext("train_one_epoch and evaluate in turn")
    expect_weights(mine[0], ours[0].state_dict(), plan.weights(), what)
    expect_modes(student, mine[0], True, gettext("evaluate after train_one_epoch"))
    if not isinstance(found, list) or len(found) != 6:
        raise CheckFailed(gettext("train_one_epoch and evaluate in turn do not give one result each."))
    for index in range(0, 6, 2):
        what = gettext("after {count} other epochs, train_one_epoch: the mean loss").format(count=index // 2)
        expect_loss(found[index], expected[index], what)
        loss, *_ = expect_numbers(found[index + 1], figures(), "evaluate")
        what = gettext("after {count} epochs, evaluate: the mean loss").format(count=index // 2 + 1)
        expect_loss(loss, expected[index + 1][0], what)


@check(points=3, hint="initial / divisor ** (epoch // every).", requires=["learning_rate"])
@given(
    initial=st.floats(1e-4, 10),
    epoch=st.integers(0, 120),
    every=st.integers(1, 30),
    divisor=st.sampled_from([2, 3, 5, 10, 1.5]),
)
def test_learning_rate_any(student, reference, initial, epoch, every, divisor):
    """learning_rate is right for any epoch, interval and divisor"""
    expected = reference.learning_rate(initial, epoch, every, divisor)
    what = f"learning_rate({initial:g}, {epoch}, {every}, {divisor})"
    found = student.learning_rate(initial=initial, epoch=epoch, every=every, divisor=divisor)
    expect_equal(found, expected, what, tolerance=1e-6 * expected)


@check(
    points=5,
    hint="Multiply the rate that each group has by itself; a scheduler's state_dict says how many steps were made.",
    requires=["scheduler"],
)
@settings(max_examples=6)
@given(every=st.integers(1, 6), factor=st.floats(0.1, 0.95), steps=st.integers(0, 9), more=st.integers(1, 9))
def test_scheduler_any(student, every, factor, steps, more):
    """make_scheduler agrees with torch's StepLR, for several groups of parameters, and can be saved and restored"""
    plan = Plan(3, rates=(0.5, 0.02, 0.003))

    def made(make, build):
        optimizer = plan.optimizer_of(make, plan.model(make))
        return optimizer, build(optimizer)

    def mine():
        optimizer, scheduler = made(
            student.probe, lambda optimizer: student.make_scheduler(optimizer, every=every, factor=factor)
        )
        return optimizer, expect_object(scheduler, f"make_scheduler(optimizer, every={every}, factor={factor:g})")

    optimizer, scheduler = mine()
    ours, theirs = made(
        probes.make, lambda optimizer: probes.make("scheduler", optimizer, "StepLR", step_size=every, gamma=factor)
    )
    for step in range(steps + more + 1):
        what = gettext("make_scheduler(optimizer, every={every}, factor={factor:g}): the rate after {steps} steps")
        what = what.format(every=every, factor=factor, steps=step)
        expect_rates(student, optimizer, probes.rates(ours), what)
        if step == steps:
            # Here the run is interrupted: what was made so far is gone, but for the states.
            states = optimizer.state_dict(), scheduler.state_dict()
            optimizer, scheduler = mine()
            optimizer.load_state_dict(states[0])
            scheduler.load_state_dict(states[1])
        optimizer.step()
        scheduler.step()
        ours.step()
        theirs.step()
    student.probe("in_turn", [[scheduler.step.value(), []]] * LONG, doing="scheduler.step()")
    probes.in_turn([(theirs.step, [])] * LONG)
    what = gettext("make_scheduler(optimizer, every={every}, factor={factor:g}): the rate after {steps} steps")
    what = what.format(every=every, factor=factor, steps=steps + more + 1 + LONG)
    expect_rates(student, optimizer, probes.rates(ours), what)


RISING = Plan(32, rates=(2.0,), options=())  # its loss is larger in the fourth epoch than in the third
SCHEDULERS = (
    ("StepLR", (("step_size", 2), ("gamma", 0.3))),
    ("StepLR", (("step_size", 3), ("gamma", 0.2))),
    ("MultiStepLR", (("milestones", [1, 3]), ("gamma", 0.2))),
)
# As the handout has it: step() takes no epoch, and there is nothing but the three methods.
PLAIN = ("Plain", (("step_size", 1), ("gamma", 0.5)))
PLAIN_2 = ("Plain", (("step_size", 2), ("gamma", 0.3)))
scheduled = st.sampled_from(SCHEDULERS)


def everything(plan, make, schedule, weights=None):
    """model, loader, criterion, optimizer, scheduler."""
    parts = plan.all(make, weights)
    name, options = schedule
    return (*parts, make("scheduler", parts[3], name, **dict(options)))


def train(parts, epochs):
    """The reference's way: train on the judge's side."""
    model, loader, criterion, optimizer, scheduler = parts
    for _ in range(epochs):
        model.train()
        for inputs, labels in loader:
            optimizer.zero_grad()
            criterion(model(inputs), labels).backward()
            optimizer.step()
        scheduler.step()


@check(
    points=6,
    hint="A checkpoint holds the state_dict of model, optimizer (momentum!) and scheduler, of when it is saved.",
    requires=["checkpoint", "train_function"],
)
@settings(max_examples=4)
@given(plan=plans(), schedule=scheduled, epochs=st.integers(1, 3))
@example(plan=Plan(5), schedule=PLAIN_2, epochs=1)  # a scheduler that has forgotten the first epoch comes too late
def test_checkpoint_complete(student, plan, schedule, epochs):
    """A checkpoint holds all that training depends on, as it was when it was saved"""
    mine, ours = everything(plan, student.probe, schedule), everything(plan, probes.make, schedule)

    def on(parts, count):
        for _ in range(count):
            with_gradients(student.train_one_epoch, *parts[:4])
            parts[4].step()

    on(mine, epochs)
    student.write_tree("runs", {})
    model, _, _, optimizer, scheduler = mine
    student.save_checkpoint("runs/complete.pt", model, optimizer, scheduler, epochs)
    on(mine, 1)  # what happens after it was saved is not in it
    student.probe("copied", "runs/complete.pt", "runs/elsewhere.pt")  # the one file is all that there is
    train(ours, epochs)
    other = everything(plan, student.probe, schedule, plan.weights(1))
    found = student.load_checkpoint("runs/elsewhere.pt", other[0], other[3], other[4])
    expect_equal(found, epochs, "load_checkpoint")
    expect_weights(other[0], ours[0].state_dict(), plan.weights(), "load_checkpoint")
    on(other, 2)
    train(ours, 2)
    what = gettext("Training on after load_checkpoint")
    expect_weights(other[0], ours[0].state_dict(), plan.weights(), what)


@check(
    points=6,
    hint="Save after every epoch, and after scheduler.step(); begin by loading what is there.",
    requires=["fit_epochs", "checkpoint_complete"],
)
@settings(max_examples=3)
@given(plan=plans(), schedule=scheduled, done=st.integers(0, 3), left=st.integers(2, 3), more=st.integers(0, 8))
@example(plan=Plan(6), schedule=SCHEDULERS[0], done=1, left=3, more=1)
@example(plan=RISING, schedule=SCHEDULERS[1], done=2, left=2, more=1)
@example(plan=Plan(7), schedule=PLAIN, done=1, left=2, more=0)
def test_resume(student, plan, schedule, done, left, more):
    """fit, interrupted in the middle of an epoch and started again, ends in the weights of an uninterrupted run"""
    epochs, batches = done + left, -(-plan.count // plan.batch_size)
    after = done * batches + more % batches  # batches before the interruption: `done` epochs and a part of the next
    number = next(NUMBERS)  # a new file for every example
    student.write_tree("runs", {})
    path = f"runs/resume-{number}.pt"
    ours = everything(plan, probes.make, schedule)
    train(ours, epochs)

    whole = everything(plan, student.probe, schedule)
    losses = with_gradients(student.fit, *whole, epochs, f"whole-{number}.pt")
    expect_weights(whole[0], ours[0].state_dict(), plan.weights(), f"fit(..., epochs={epochs}, path)")
    after_it = gettext("fit(..., epochs={epochs}, path): the rate afterwards").format(epochs=epochs)
    expect_rates(student, whole[3], probes.rates(ours[3]), after_it)

    if done:  # as far as that, and later further: another call, which nothing interrupts
        pieces, name = everything(plan, student.probe, schedule), f"runs/pieces-{number}.pt"
        for end in (done, epochs):
            with_gradients(student.fit, *pieces, end, name)
        what = gettext("fit, called for {count} epochs and then for {all},").format(count=done, all=epochs)
        expect_weights(pieces[0], ours[0].state_dict(), plan.weights(), what)

    if schedule == PLAIN:  # within scheduler.step(), one epoch later than what is done
        first = everything(plan, student.probe, (PLAIN[0], (*PLAIN[1], ("steps", done))))
        broken = first[1]
    else:
        first = everything(plan, student.probe, schedule)
        broken = student.probe("interrupted_loader", plan.inputs, plan.labels, plan.batch_size, after)
    try:
        with_gradients(student.fit, first[0], broken, *first[2:], epochs, path)
    except StudentError as error:
        if "Interrupted" not in error.types:
            raise
    # Another process: nothing is left but the file, if there is one yet.
    again = everything(plan, student.probe, schedule, plan.weights(1 if done else 0))
    rest = with_gradients(student.fit, *again, epochs, path)
    what = gettext("fit, interrupted after {count} epochs and started again,").format(count=done)
    expect_weights(again[0], ours[0].state_dict(), plan.weights(), what)
    named = [gettext("epoch {number}").format(number=epoch) for epoch in range(epochs)]
    expected = expect_numbers(losses, named, f"fit(..., epochs={epochs}, path)")
    for actual, wanted in zip(expect_numbers(rest, named[done:], what), expected[done:], strict=True):
        expect_loss(actual, wanted, gettext("{what} a loss").format(what=what))
