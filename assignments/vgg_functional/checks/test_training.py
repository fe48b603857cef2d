"""Public checks of vgg_functional: batch norm, the optimiser's step, training, feature maps."""

import torch

from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_shape
from grader.checks.leaves import build, expect_pair, expect_values, with_small
from grader.language import gettext
from grader.student import DRAWN, StudentError, call
from grader.student.leaves import hold, look, make
from grader.student.outcomes import MissingName

# Steps that a network is given, and a new one after it. How fast one learns depends on what it draws: the solution
# takes 2 to 13 steps, in 10 of 12 cases at most 6.
STEPS = (6, 6, 6, 20)


@check(
    points=3,
    hint="Mean and variance over batch, height and width: dim=(0, 2, 3), one of each per channel.",
)
def test_batch_norm_shape(student):
    """batch_norm in training gives every channel mean beta and standard deviation gamma"""
    x = 3 + 2 * torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(2))
    gamma, beta = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0.0, -1.0, 4.0])
    output = student.batch_norm(x, gamma, beta, torch.zeros(3), torch.ones(3), True)
    found = expect_shape(output, (4, 3, 5, 6), gettext("it")).float()
    mean, std = found.mean((0, 2, 3)), found.std((0, 2, 3), correction=0)
    if not (torch.allclose(mean, beta, atol=1e-3) and torch.allclose(std, gamma, atol=1e-3)):
        raise CheckFailed(
            gettext("The channels have mean {mean} and standard deviation {std}.").format(
                mean=_shown(mean), std=_shown(std)
            ),
            expected=gettext("mean {mean}, standard deviation {std}").format(mean=_shown(beta), std=_shown(gamma)),
        )
    given = x, gamma, beta, torch.zeros(3), torch.ones(3), True
    names = student.probe("function_names", student.batch_norm.value(), *given, doing="batch_norm")
    if isinstance(names, list) and any("batch_norm" in str(name) for name in names):
        raise CheckFailed(gettext("batch_norm hands its task to torch's own batch norm: compute it yourself."))


@check(points=3, hint="g = 0.5 + 0.1 * 2, v = 0.9 * 0.3 + g, p = 2 - 0.1 * v. All in place, under torch.no_grad().")
def test_sgd_step(student):
    """sgd_step_with_momentum makes one step as in the handout's example, in place"""
    params = make(student, [torch.tensor([2.0])], [torch.tensor([0.5])])
    velocities = make(student, [torch.tensor([0.3])])
    call(student.sgd_step_with_momentum, params, velocities, 0.1, momentum=0.9, weight_decay=0.1, grad=True)
    for held, wanted in ((velocities, 0.97), (params, 1.903)):
        (value,) = expect_values(held, [(1,)])
        if not abs(value.item() - wanted) <= 1e-5:
            message = gettext("{what} is [{value:.4f}]; [{wanted}] is expected.")
            raise CheckFailed(message.format(what=held, value=value.item(), wanted=wanted), expected=wanted)


@check(points=2, hint="Both are floats: sums over all images, divided by their number.", requires=["shape"])
def test_evaluate_pair(student, context):
    """evaluate gives (mean loss, accuracy), the latter from 0 to 1"""

    def compare_with(name):
        model = build(student.VGGSmall, name, draws=DRAWN)
        # A list of pairs: what a loader gives is all that is known of it.
        loader = student.probe("listed_loader", context.images(5), context.dataset().labels[:5], batch_size=2)
        loss, accuracy = expect_pair(call(student.evaluate, model, loader, grad=True).result, "evaluate")
        if not 0 < loss < 100 or not min(abs(5 * accuracy - right) for right in range(6)) <= 1e-4:
            message = gettext("evaluate gives ({loss:.4g}, {accuracy:.4g}) for 5 images; that cannot be.")
            raise CheckFailed(message.format(loss=loss, accuracy=accuracy))

    with_small(student, compare_with)


@check(
    points=3,
    hint="Five maps, each as it is before its pooling, then the last one after its pooling.",
    requires=["shape"],
)
def test_visualize_shape(student):
    """visualize_features gives one map per block, before its pooling, and the last"""
    model = build(student.VGGSmall, "VGG11", input_channels=1, draws=DRAWN)
    maps = call(student.visualize_features, model, torch.zeros(1, 1, 32, 32), grad=True).result
    if not isinstance(maps, (list, tuple)):
        message = gettext("visualize_features returns a {type}; a list is expected.")
        raise CheckFailed(message.format(type=type(maps).__name__))
    shapes = [(1, 64, 32, 32), (1, 128, 16, 16), (1, 256, 8, 8), (1, 512, 4, 4), (1, 512, 2, 2), (1, 512, 1, 1)]
    for place, (each, shape) in enumerate(zip(maps, shapes, strict=False)):
        expect_shape(each, shape, f"visualize_features(...)[{place}]")
    if len(maps) != len(shapes):
        message = gettext("visualize_features returns {count} maps; 6 are expected.").format(count=len(maps))
        raise CheckFailed(message, expected=6)


@check(
    points=4,
    hint="For each batch: zero_grad, forward, cross-entropy, backward, step. Gradients that are not forgotten, or a "
    "copy of the parameters, keep the loss where it is.",
    requires=["gradients", "sgd_step", "batch_norm_shape"],
)
def test_trains(student, context):
    """VGGSmall learns: on 8 images the loss falls by half within 20 steps of train_epoch (lr 0.02)"""

    def compare_with(name):
        for attempt, steps in enumerate(STEPS):
            losses = _losses(student, context, name, context.seed + attempt * STEPS[-1], steps)
            if losses[-1] <= losses[0] / 2:
                note = gettext("The loss on 8 images fell from {first:.2f} to {last:.2f} in {count} steps.")
                context.note = note.format(first=losses[0], last=losses[-1], count=len(losses))
                return
        _say(losses)

    # Who does not learn with one will not with the other.
    with_small(student, compare_with, (StudentError, MissingName))


def _say(losses):
    raise CheckFailed(
        gettext("The loss on 8 images went from {first:.2f} to {last:.2f} in {count} steps.").format(
            first=losses[0], last=losses[-1], count=len(losses)
        ),
        expected=gettext("at most {most:.2f}").format(most=losses[0] / 2),
        actual=f"{losses[-1]:.2f}",
    )


def _losses(student, context, name, seed, steps):
    """Of a new network, step by step, until the loss is half of what it was at first, or for so many ``steps``."""
    model = build(student.VGGSmall, name, use_bn=True, seed=seed)
    velocities = make(student, [torch.zeros(leaf.shape) for leaf in look(hold(model))])
    loader = student.probe("loader", context.images(8), context.dataset().labels[:8], batch_size=8)
    losses = []
    with model.threads(context.threads):
        while len(losses) < steps and (len(losses) < 2 or losses[-1] > losses[0] / 2):
            found = call(student.train_epoch, model, loader, velocities, 0.02, seed=seed + len(losses), grad=True)
            losses.append(expect_pair(found.result, "train_epoch")[0])
    return losses


def _shown(values):
    return ", ".join(f"{value:.3f}" for value in values.tolist())
