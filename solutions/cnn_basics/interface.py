"""What cnn_basics shows from outside: for `grader audit`, which asks whether an edited solution does something else."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from grader.audit.observe import Drawn, behaviour, fill, noise, outcome, shared, state

SIZES = [(n, f, p, s) for n in range(1, 12) for f in range(1, 8) for p in range(3) for s in range(1, 5)]
LARGE = [(10**6 + 1, 3, 0, 2), (225, 7, 3, 2)]
STACKS = [
    [],
    [(5, 1), (2, 2), (5, 1), (2, 2)],
    [(1, 2), (1, 3), (4, 1)],
    [(3, 1)] * 5,
    [(7, 2), (3, 2), (1, 4), (2, 1)],
]
# Images, and how many are in a batch; brightness differs from image to image.
LOADERS = [((4, 3, 5, 2), 4), ((7, 1, 3, 3), 3), ((5, 4, 2, 2), 1), ((6, 2, 1, 4), 5)]


def observe(module):
    for n, f, p, s in SIZES + LARGE:
        yield f"conv_output_size({n}, {f}, {p}, {s})", tried(module.conv_output_size, n, f, p, s)
    yield "conv_output_size(9, 3)", tried(module.conv_output_size, 9, 3)
    yield "conv_output_size(9, 3, p=1)", tried(module.conv_output_size, 9, 3, p=1)
    yield "conv_output_size(9, 3, s=2)", tried(module.conv_output_size, 9, 3, s=2)
    for k in range(1, 50):
        yield f"same_padding({k})", tried(module.same_padding, k)
    for layers in STACKS:
        yield f"receptive_field({layers})", module.receptive_field(list(layers))

    images = noise(4, 3, 10, 12)
    for name, inputs in (
        ("SimpleCNN", (images, images[:1])),
        ("ConvPool", (images, noise(1, 3, 9, 11))),
        ("FullyConnected", (noise(4, 32), noise(1, 32))),
    ):
        build = getattr(module, name)
        yield f"{name} is an nn.Module", isinstance(build(), nn.Module)
        yield f"two of {name} share weights", shared(build(), build())
        yield from behaviour(build(), *inputs)
        states = [build().state_dict() for _ in range(128)]
        for key in sorted(states[0]):  # the order in which layers are made is free
            yield f"initial {key} of {name}", Drawn(torch.cat([each[key].flatten() for each in states]))
    model = module.LeNet5()
    module.kaiming_init(model)
    for key, value in sorted(model.state_dict().items()):
        yield f"{key} after kaiming_init", Drawn(value)

    model = nn.Sequential(nn.Sequential(nn.Conv2d(6, 30, (3, 1)), nn.Sequential(nn.Linear(40, 50))))
    module.kaiming_init(model)
    for key, value in model.state_dict().items():
        yield f"{key} of a deep network after kaiming_init", Drawn(value)

    digits = noise(4, 1, 28, 28)
    yield "two LeNet5 share weights", shared(module.LeNet5(), module.LeNet5())
    yield from behaviour(module.LeNet5(), digits, digits[:1])
    yield "LeNet5(7)", state(module.LeNet5(7))
    yield "output of LeNet5(n_classes=7)", fill(module.LeNet5(n_classes=7)).eval()(digits)

    for shape, batch in LOADERS:
        pixels = noise(*shape) + noise(shape[0], shape[1], 1, 1, seed=1)
        loader = DataLoader(TensorDataset(pixels, torch.zeros(len(pixels))), batch_size=batch)
        result = module.calc_mean_std(loader)
        yield f"mean and std of {shape}", [value.double() for value in result]


def tried(function, *args, **kwargs):
    """What it returns; where it raises, that."""
    try:
        return function(*args, **kwargs)
    except Exception:
        return outcome(lambda: function(*args, **kwargs))
