"""What resnet50 shows from outside, for `grader audit`, which asks whether an edited solution computes something else.

The initial weights are not among it: they are given, and no part of what a student is asked to write. So are the
helpers conv1x1 and conv3x3, which nobody has to use.
"""

import torch
from torch import nn

from grader.audit.observe import Drawn, behaviour, fill, noise, shared, state

WIDTHS = ((3, 2, 5), (4, 3, 4), (2, 5, 3))
LAYERS = {
    "layer1": (3, [(32, 32), (27, 30)]),
    "layer2": (64, [(8, 8), (5, 7)]),
    "layer3": (256, [(4, 4), (5, 3)]),
    "layer4": (512, [(2, 2), (3, 3)]),
}


def observe(module):
    for widths in WIDTHS:
        for options in ({}, {"downsample": False}, {"downsample": True}):
            block = module.ResidualBlock(*widths, **options)
            yield f"ResidualBlock{widths}, {options}, is an nn.Module", isinstance(block, nn.Module)
            yield from behaviour(block, noise(3, widths[0], 7, 6), noise(1, widths[0], 4, 5))
    with torch.device("meta"):  # without weights it is built in no time
        yield "state_dict", state(module.ResNet50_layer4())
        yield "state_dict with num_classes=7", state(module.ResNet50_layer4(num_classes=7))
    model, other = module.ResNet50_layer4(), module.ResNet50_layer4(7)
    yield "two networks share weights", shared(model, other)
    for key, value in sorted(model.named_parameters()):  # in whatever order they were made
        if value.dim() > 1:
            yield f"initial {key}", Drawn(value.detach().flatten()[:20_000].clone())
    for name, (channels, sizes) in LAYERS.items():
        inputs = [noise(4, channels, *size).relu() for size in sizes]
        for what, value in behaviour(getattr(model, name), *inputs, gradients=False):
            yield f"{name}: {what}", value
    fill(model)
    yield "avgpool", model.avgpool(noise(3, 1024, 2, 2)).flatten(1)
    yield "fc", model.fc(noise(3, 1024))
    images = noise(4, 3, 32, 32)
    yield from behaviour(model, images, images[:1])
    yield "output with num_classes=7", fill(other).eval()(images)
