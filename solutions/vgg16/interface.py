"""What vgg16 shows from outside: for `grader audit`, which asks whether an edited solution computes something else."""

import torch
from torch import nn

from grader.audit.observe import Drawn, behaviour, fill, noise, outcome, shared, state

CFGS = ([4, "M", 6, "M"], [5, 5, "M", "M", 7], ["M", 3, 8, 2], (6,))
SMALL = [8, "M", 12, "M", 16, "M", 16, "M", 512, "M"]
WIDE = [96, "M", 192, "M", 64, "M", 160, "M", 512, "M"]


def observe(module):
    x = noise(3, 3, 13, 10)
    for cfg in CFGS:
        for options in ({}, {"batch_norm": False}, {"batch_norm": True}):
            given = list(cfg) if isinstance(cfg, list) else cfg
            features = module.make_layers(given, **options)
            yield f"make_layers({cfg}, {options}) is an nn.Sequential", isinstance(features, nn.Sequential)
            yield "cfg afterwards", given
            yield from behaviour(features, x, noise(1, 3, 8, 9))
    first, second = module.make_layers([5, "M", 7]), module.make_layers([5, "M", 7], True)
    yield "two results of make_layers share weights", shared(first, second)

    model = module.VGG(module.make_layers(SMALL))
    images = noise(4, 3, 32, 32)
    yield from behaviour(model, images, images[:1])
    unpooled = module.VGG(module.make_layers(["M", "M", "M", "M", "M", 512]))  # its last ReLU is before the classifier
    yield from ((f"without a last pooling: {what}", value) for what, value in behaviour(unpooled, images))
    yield "VGG is an nn.Module", isinstance(model, nn.Module)
    yield "two VGGs share weights", shared(model, module.VGG(module.make_layers(SMALL)))
    yield "VGG in train mode on one image", outcome(lambda: fill(model).train()(images[:1]))
    yield "VGG's features are those given", module.VGG(first).features is first

    features = module.make_layers(WIDE)
    with torch.no_grad():
        for value in features.parameters():
            value.fill_(7)
    for key, value in module.VGG(features).features.state_dict().items():
        yield f"initial {key}", Drawn(value)
    again = module.VGG(module.make_layers(WIDE)).features
    yield "initial weights are drawn anew", not torch.equal(again[0].weight, features[0].weight)

    with torch.device("meta"):  # without weights it is built in no time
        yield "state_dict of vgg16()", state(module.vgg16())
    model = module.vgg16()
    yield "two results of vgg16() share weights", shared(model, module.vgg16())
    yield from behaviour(model, images[:2], gradients=False)
