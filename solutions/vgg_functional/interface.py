"""What vgg_functional shows from outside: for `grader audit`, which asks whether an edit computes something else."""

import torch

from grader.audit.observe import Drawn, noise, outcome
from grader.worker.leaves import Copying

NAMES = ("VGG11", "VGG13", "VGG16", "VGG19")
# Configurations of our own: what is right on these is right on the others, which differ in nothing but their sizes.
TINY = [4, "M", 6, 5, "M", 7, "M", 8, "M", 512, "M"]
WIDE = [96, "M", 192, "M", 64, "M", 160, "M", 512, "M"]


def observe(module):
    torch.set_default_dtype(torch.float64)  # the parameters, too
    module.CONFIGS.update(tiny=list(TINY), wide=list(WIDE))
    try:
        yield from parts(module)
        yield from networks(module)
        yield from training(module)
    finally:
        torch.set_default_dtype(torch.float32)


def kind(tensor):
    return tuple(tensor.shape), str(tensor.dtype), tensor.is_leaf, tensor.requires_grad


@torch.no_grad()
def fill(model):
    """Weights that follow from the place in parameters() alone."""
    for place, each in enumerate(model.parameters()):
        drawn = noise(*each.shape, seed=place)
        each.copy_(drawn * (2 / each[0].numel()) ** 0.5 if each.dim() > 1 else 0.3 * drawn + 0.5)
    return model


def values(tensors):
    return [each.detach().clone() for each in tensors]


def parts(module):
    """batch_norm and sgd_step_with_momentum, by themselves."""
    for shape in ((4, 3, 5, 2), (2, 5, 1, 3)):
        for options in ({}, {"momentum": 0.3, "eps": 0.2}):
            for training in (True, False):
                tensors = [noise(*size, seed=seed) for seed, size in enumerate((shape, *[shape[1:2]] * 4))]
                tensors[-1] = tensors[-1].abs() + 0.5
                for each in tensors[:3]:
                    each.requires_grad_()
                given = [tensors[0] * 1, *tensors[1:]]
                output = module.batch_norm(*given, training, **options)
                yield "batch_norm", output.detach()
                (output * noise(*shape, seed=9)).sum().backward()
                yield "gradients of batch_norm", [each.grad for each in tensors[:3]]
                yield "arguments of batch_norm afterwards", values(given)
                yield "whether these are still cut off", [each.requires_grad for each in tensors]

    for options in ({}, {"momentum": 0.5, "weight_decay": 0.2}):
        params = [noise(3, 4).requires_grad_(), noise(5).requires_grad_(), noise(2).requires_grad_()]
        velocities = [torch.zeros_like(each) for each in values(params)]
        for step, lr in enumerate((0.1, 0.3, 0.05)):
            for each in params[:2]:
                each.grad = noise(*each.shape, seed=step)
            module.sgd_step_with_momentum(list(params), velocities, lr, **options)
            yield "parameters after a step", values(params)
            yield "what they are", [kind(each) for each in params]
            yield "velocities", values(velocities)


def networks(module):
    """The constructors, parameters, forward and backward."""
    yield "CONFIGS", {name: list(module.CONFIGS[name]) for name in NAMES}
    with torch.device("meta"):
        for make in (module.VGGLowLevel, module.VGGSmall):
            yield "parameters by default", [kind(each) for each in make().parameters()]
            for name in NAMES:
                model = make(name, num_classes=7, input_channels=2, use_bn=True)
                yield f"parameters of {name}", [kind(each) for each in model.parameters()]
                yield "their number", model.count_parameters()
                maps = module.visualize_features(model, torch.zeros(1, 2, 224, 224))
                yield "shapes of its maps", [tuple(each.shape) for each in maps]
        model = module.VGGLowLevel("VGG11", 20, 4)
        yield "parameters by position", [kind(each) for each in model.parameters()]
        yield "logits of 224 x 224", tuple(model.forward(torch.zeros(2, 4, 224, 224)).shape)

    x = noise(3, 3, 32, 32)
    for use_bn in (True, False):
        model = module.VGGSmall("tiny", use_bn=use_bn)
        held = list(model.parameters())
        yield "the same tensors", [one is other for one, other in zip(held, model.parameters(), strict=True)]
        yield "each once", len({id(each) for each in held})
        yield from behaviour(module, fill(model), x)
    yield "the configuration afterwards", module.CONFIGS["tiny"]

    model, again = (module.VGGSmall("wide", 300, use_bn=True) for _ in range(2))
    for place, (each, other) in enumerate(zip(model.parameters(), again.parameters(), strict=True)):
        yield f"initial parameter {place}", Drawn(each.detach()) if each.dim() > 1 else each.detach()
        yield "it is drawn anew", each.dim() == 1 or not torch.equal(each, other)


def behaviour(module, model, x):
    """Forward and backward in both modes, statistics, feature maps, zero_grad, to."""
    for options in ({"training": False}, {"training": True}, {}, {"training": False}):
        torch.manual_seed(0)
        leaf = x.clone().requires_grad_()
        given = leaf * 1
        output = model.forward(given, **options)
        yield f"logits with {options}", output.detach()
        yield "the input afterwards", given.detach()
        (output * noise(*output.shape, seed=1)).sum().backward()
        yield f"gradient of the input with {options}", leaf.grad
        yield "gradients so far", [each.grad.clone() for each in model.parameters()]
    model.zero_grad()
    yield "gradients forgotten", [each.grad is None or not each.grad.any() for each in model.parameters()]
    yield "feature maps", values(module.visualize_features(model, x[:1]))
    with Copying():
        moved = model.to("cpu")
    yield "to returns the model", moved is model
    yield "parameters after to", [kind(each) for each in model.parameters()]
    yield "their values", values(model.parameters())
    output = model.forward(x, training=False)
    yield "logits after to", output.detach()
    output.sum().backward()
    yield "gradients after to", [each.grad.clone() for each in model.parameters()]
    model.to("meta")
    yield "after to another device", [(*kind(each), each.device.type) for each in model.parameters()]
    yield "forward there", outcome(lambda: model.forward(x.to("meta"), training=False))


def training(module):
    """train_epoch and evaluate."""
    x, labels = noise(7, 3, 32, 32, seed=5), torch.tensor([3, 1, 1, 0, 9, 1, 3])
    batches = [(x[:3], labels[:3]), (x[3:6], labels[3:6]), (x[6:], labels[6:])]
    model = fill(module.VGGSmall("tiny", use_bn=True))
    velocities = [torch.zeros_like(each) for each in values(model.parameters())]
    for _ in range(2):
        torch.manual_seed(0)
        yield "train_epoch", module.train_epoch(model, batches, velocities, 0.01)
        yield "parameters after an epoch", values(model.parameters())
        yield "velocities after an epoch", values(velocities)
        before = [each.grad for each in model.parameters()]
        yield "evaluate", module.evaluate(model, batches)
        yield (
            "gradients are those of before",
            [one is other.grad for one, other in zip(before, model.parameters(), strict=True)],
        )
        yield "logits afterwards", model.forward(x, training=False).detach()
