"""What inception shows from outside, for `grader audit`, which asks whether an edited solution does something else."""

import torch
from torch import nn

from grader.audit.observe import behaviour, noise, shared

WIDTHS = (
    (3, 4, (2, 5), (1, 3), 2),
    (5, 1, (3, 3), (4, 2), 6),
    (1, 2, (4, 1), (2, 7), 3),
)
CONVOLUTIONS = (
    (192, 32, 5, 28, 28),
    (4, 6, 3, 5, 7),
    (1, 1, 1, 1, 1),
    (3, 2, 1, 9, 4),
    (7, 5, 7, 2, 3),
    (2, 9, 3, 8, 1),
)


def plain(value):
    """Numbers as they are; a list and a tuple are the same, and so are a float and the int that it equals."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return float(value) if type(value) in (int, float) else type(value).__name__


def observe(module):
    for arguments in CONVOLUTIONS:
        yield f"conv_cost{arguments}", plain(module.conv_cost(*arguments))
        for reduced in (1, 2, 6, 30):
            asked = (arguments[0], reduced, *arguments[1:])
            yield f"bottleneck_cost{asked}", plain(module.bottleneck_cost(*asked))
    for inputs in (1, 2, 4, 12, 40, 192):
        for outputs in (1, 4, 9, 32):
            for kernel in (1, 3, 5):
                found = module.most_reduced(inputs, outputs, kernel)
                yield f"most_reduced({inputs}, {outputs}, {kernel})", found
                yield "it is an int", type(found) is int
    for widths in (*WIDTHS, (192, 64, (96, 128), (16, 32), 32)):
        for size in ((28, 28), (5, 7)):
            yield f"inception_cost{(*widths, *size)}", plain(module.inception_cost(*widths, *size))

    for widths in WIDTHS:
        model = module.Inception(*widths)
        yield f"Inception{widths} is an nn.Module", isinstance(model, nn.Module)
        yield "two modules share weights", shared(model, module.Inception(*widths))
        first, second = (dict(module.Inception(*widths).named_parameters()) for _ in range(2))
        for name in sorted(first):  # the order in which layers are made is free
            yield f"initial {name} is drawn anew", not torch.equal(first[name], second[name])
        yield from behaviour(model, noise(3, widths[0], 7, 6), noise(1, widths[0], 4, 5), noise(2, widths[0], 1, 2))
        for name in ("branch1", "branch3", "branch5", "branch_pool"):
            branch = getattr(model, name)
            below = noise(2, widths[0], 5, 4).abs().neg() - 0.5
            for what, value in behaviour(branch, noise(3, widths[0], 5, 4), below, gradients=False):
                yield f"{name}: {what}", value
