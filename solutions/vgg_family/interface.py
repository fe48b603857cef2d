"""What vgg_family shows from outside, for `grader audit`: it asks whether an edited solution computes something else.

No VGG of full size is ever filled with numbers here: its state is looked at without them, its initial weights where
every large Linear is a 64th as wide, and its function with a small classifier in the place of its own.
"""

from contextlib import contextmanager

import torch
from torch import nn

from grader.audit.observe import Drawn, behaviour, fill, noise, outcome, shared, state

CFGS = ([4, "M", 6, "M"], [5, 5, "M", "M", 7], ["M", 3, 8, 2], (6,))
SMALL = [8, "M", 12, "M", 512]
WIDE = [96, "M", 192, 64]
LARGE = 2_000  # from here on, a Linear is made narrow


@contextmanager
def narrow_linears():
    """Within it, nn.Linear divides what is large by 64, on both sides."""
    original = nn.Linear

    class Narrow(original):
        def __init__(self, inputs, outputs, *args, **kwargs):
            super().__init__(*(n if n < LARGE else n // 64 for n in (inputs, outputs)), *args, **kwargs)

    nn.Linear = Narrow
    try:
        yield
    finally:
        nn.Linear = original


def sevens(module):
    features = module.make_layers(WIDE, True)
    with torch.no_grad():
        for value in features.parameters():
            value.fill_(7)
    return features


def initial(model):
    for key, value in model.state_dict().items():
        constant = value.dim() <= 1 and bool((value == value.reshape(-1)[0]).all())
        yield f"initial {key}", value if constant else Drawn(value[:400])


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

    for options in ({}, {"num_classes": 7}, {"num_classes": 7, "init_weights": False}):
        with torch.device("meta"):  # without numbers it is built in no time
            yield f"state_dict of VGG, {options}", state(module.VGG(module.make_layers([4, 512]), **options))
        with narrow_linears():
            for positional in (False, True):
                given = (*options.values(),) if positional else ()
                built = module.VGG(sevens(module), *given, **({} if positional else options))
                yield from ((f"VGG, {options}, {positional}: {what}", value) for what, value in initial(built))
    with narrow_linears():
        one, other = (module.VGG(sevens(module)) for _ in range(2))
        yield "initial weights are drawn anew", not torch.equal(one.classifier[3].weight, other.classifier[3].weight)
        yield "two VGGs share weights", shared(one, other)

    images = noise(3, 3, 36, 40)
    for options in ({}, {"init_weights": False}):
        with torch.device("meta"):
            model = module.VGG(module.make_layers(SMALL), num_classes=7, **options)
        small = nn.Linear(512 * 7 * 7, 16), nn.Linear(16, 16), nn.Linear(16, 7)
        for place, layer in zip((0, 3, 6), small, strict=True):
            model.classifier[place] = layer
        model.to_empty(device="cpu")
        yield from behaviour(model, images, noise(1, 3, 9, 5))
        for training in (False, True):
            yield from (
                (f"mode of {name}", layer.training) for name, layer in fill(model).train(training).named_modules()
            )
    features = module.make_layers([512])
    with torch.device("meta"):
        yield "VGG's features are those given", module.VGG(features).features is features

    for name in ("vgg11", "vgg13", "vgg16", "vgg19"):
        for options in ({}, {"batch_norm": True}, {"num_classes": 3, "init_weights": False}):
            with torch.device("meta"):
                model = getattr(module, name)(**options)
            yield f"state_dict of {name}, {options}", state(model)
            if len(options) < 2:
                features = fill(model.features.to_empty(device="cpu")).eval()
                with torch.no_grad():
                    yield f"output of {name}'s features, {options}", features(noise(1, 3, 32, 36))
            with narrow_linears():  # whether kwargs arrive: whether the weights are torch's own, or drawn anew
                if "init_weights" in options and name != "vgg19":
                    yield f"{name}, {options}", Drawn(getattr(module, name)(**options).classifier[3].weight)

    for cfg, size in (([4, "M", 6], 9), ([5], 4), (["M", 3, "M"], 8)):
        for batch_norm in (False, True):
            for training in (False, True):
                features = module.make_layers(cfg, batch_norm).train(training)
                before = {key: value.clone() for key, value in features.state_dict().items() if "running" in key}
                model = module.SizedVGG(features, size, num_classes=3, hidden=5)
                yield "the features' mode", features.training
                yield "their statistics", all(torch.equal(features.state_dict()[key], before[key]) for key in before)
                yield "SizedVGG's features are those given", model.features is features
            yield from behaviour(model, noise(2, 3, size, size))
            yield "another size", outcome(lambda model=model, size=size: model(noise(2, 3, 3 * size, size)))
    model = module.SizedVGG(sevens(module), 8, hidden=300)
    yield from initial(model)
    with narrow_linears():
        yield "SizedVGG's defaults", state(module.SizedVGG(module.make_layers([3, "M"])))
    yield "two SizedVGGs share weights", shared(model, module.SizedVGG(sevens(module), 8, hidden=300))
    for name in ("vgg_custom", "vgg_cifar"):
        for options in ({}, {"num_classes": 3}):
            with torch.device("meta"):
                model = getattr(module, name)(**options)
            yield f"state_dict of {name}, {options}", state(model)
        features = fill(model.features.to_empty(device="cpu")).eval()
        with torch.no_grad():
            yield f"output of {name}'s features", features(noise(1, 3, 32, 32))
    with narrow_linears():
        model = module.vgg_cifar(3)
    for place, layer in ((0, nn.Linear(8192, 8)), (3, nn.Linear(8, 8)), (6, nn.Linear(8, 3))):
        model.classifier[place] = layer
    yield from behaviour(model, noise(2, 3, 32, 32), gradients=False)
