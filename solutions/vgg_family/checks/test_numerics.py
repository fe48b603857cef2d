"""Hidden checks of vgg_family: torchvision's and the solution's function, gradients, dropout, initial weights.

A VGG has 0.5 GB of weights, most of them in its first Linear. So the network is built without numbers, given memory,
and filled with a block of them repeated, here and in the worker: nothing large is sent. Of the first Linear's units
the last ones have weights 0, which take neither time nor memory.

What torchvision's networks compute is taken from the solution: importing torchvision takes as long as importing torch
(tests/test_vgg_family.py holds that they are the same).
"""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_module, expect_shape, expect_tensor, shapes_of
from grader.checks.initial import expect_normal, expect_value
from grader.checks.loops import expect_modes
from grader.checks.numerics import expect_fresh, expect_same_function, expect_same_gradient
from grader.checks.strategies import image_sizes, seeds, vgg_configs
from grader.checks.weights import calibrate, give_repeated, give_weights
from grader.language import gettext
from grader.student import StudentError, call, release

SMALL = [8, "M", 12, "M", 512, "M"]
MOST = 8_000_000  # numbers of a tensor that are not 0: 318 units of the first Linear, 1,953 of the second
DRAWS = 1_048_573  # of a large tensor; more than are looked at
NAMES = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}


def oracle(reference, cfg, batch_norm=False):
    """torchvision's network with the layers of cfg, for 7 classes, without numbers."""
    with torch.device("meta"):
        return reference.VGG(reference.make_layers(cfg, batch_norm), num_classes=7, init_weights=False)


def compare(build, kwargs, compare_with):
    """``compare_with(model)`` for what build(**kwargs) returns, built without numbers; with them unless that passes.

    Right code may hold numbers that are in no state_dict; they are there only if it is really built.
    """
    try:
        return compare_with(expect_module(call(build, device="meta", **kwargs).result, f"{build}(...)"))
    except (CheckFailed, StudentError):
        return compare_with(expect_module(build(**kwargs), f"{build}(...)"))


@check(
    points=10,
    hint="Convolution 3x3 with padding 1, BatchNorm2d if asked for, ReLU; MaxPool2d(2, 2) for 'M'. In this order.",
    requires=["make_layers_shape"],
)
@settings(max_examples=15)
@given(cfg=vgg_configs(), batch_norm=st.booleans(), seed=seeds(), training=st.booleans(), data=st.data())
def test_make_layers_function(student, reference, cfg, batch_norm, seed, training, data):
    """make_layers computes the right function, for any cfg"""
    size = data.draw(image_sizes(cfg.count("M")), label="image size")
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 3, *size, generator=generator)
    original = reference.make_layers(cfg, batch_norm)
    calibrate(original, torch.randn(4, 3, 32, 32, generator=generator), seed)
    mine = give_weights(student.make_layers(cfg, batch_norm=batch_norm), original)
    inputs = [x] if training else [x, 8 * x[:1]]  # in large numbers ReLU6 shows
    expect_same_function(mine, original, inputs, training=training)


@check(points=4, hint="Do not cut the graph, and do not work in place on the input.", requires=["make_layers_function"])
def test_make_layers_gradient(student, reference, context):
    """make_layers has the right gradients"""
    cfg = [8, "M", 12, "M", 16, "M"]
    for batch_norm in (False, True):
        x = torch.randn(8, 3, 16, 16, generator=context.generator())
        original = calibrate(reference.make_layers(cfg, batch_norm), x, 1)
        mine = give_weights(student.make_layers(cfg, batch_norm=batch_norm), original)
        x = torch.randn(4, 3, 16, 16, generator=context.generator(1))
        expect_same_gradient(mine, original, x, training=batch_norm)


@check(points=3, hint="Read the cfg without changing it; every call makes new layers.", requires=["make_layers_shape"])
def test_make_layers_calls(student):
    """make_layers leaves its cfg alone, takes a tuple, and two calls share nothing"""
    called = call(student.make_layers, [5, "M", 7])
    if called.mutated:
        raise CheckFailed(gettext("make_layers changes the cfg it was given; the next call would get another one."))
    first = expect_module(called.result, "make_layers(cfg)")
    again = gettext("make_layers(cfg), called again,")
    second = expect_module(student.make_layers((5, "M", 7)), gettext("make_layers(cfg), called with a tuple,"))
    x = torch.ones(1, 3, 8, 8)
    before = expect_shape(second(x), (1, 7, 4, 4), again)
    parameters, buffers = first.state()
    first.load_state_dict({entry.name: torch.zeros(entry.shape) for entry in [*parameters, *buffers]})
    after = expect_shape(second(x), (1, 7, 4, 4), again)
    if before.dtype != after.dtype or not torch.equal(before, after):
        raise CheckFailed(gettext("Two results of make_layers share their weights; make new layers in every call."))


@check(
    points=8,
    hint="forward: features, avgpool, flatten, classifier; average pooling to 7 x 7, and no softmax at the end.",
    requires=["vgg_state"],
)
def test_vgg_function(student, reference, context):
    """VGG computes what torchvision's does, for images of any size"""
    original = oracle(reference, SMALL)
    inputs = [torch.randn(2, 3, *size, generator=context.generator(2)) for size in ((80, 56), (56, 64))]
    inputs.append(8 * torch.randn(1, 3, 9, 8, generator=context.generator(3)))  # ReLU6 shows

    def same(model):
        mine = give_repeated(model, original, inputs[0], 3, MOST)
        expect_same_function(mine, original, inputs)

    compare(student.VGG, {"features": student.make_layers(SMALL), "num_classes": 7}, same)


@check(points=4, hint="nn.Dropout() after each of the two ReLUs, with its default p = 0.5.", requires=["vgg_function"])
def test_vgg_dropout(student, context):
    """VGG's classifier drops half of its signals, twice, in train mode, which reaches every layer"""
    model = shapes_of(student.VGG, student.make_layers([4, 512], batch_norm=True))
    for training in (False, True):
        model.train(training)
        expect_modes(student, model, training, f"train({training})")
    release(student)
    expect_two_dropouts(
        lambda kwargs, compare_with: compare(student.VGG, kwargs, compare_with),
        {"features": student.make_layers([512]), "num_classes": 32},
        4096,
        context,
    )


@check(points=3, hint="Do not cut the graph in forward: no detach, no no_grad, no .data.", requires=["vgg_function"])
def test_vgg_gradient(student, reference, context):
    """VGG has the right gradients at its features and at its input"""
    original = oracle(reference, SMALL)
    x = torch.randn(2, 3, 64, 64, generator=context.generator(6))

    def same(model):
        mine = give_repeated(model, original, x, 7, MOST)
        original.classifier.requires_grad_(False)  # its gradients alone would be half a gigabyte
        mine.classifier.requires_grad_(False)
        expect_same_gradient(mine, original, x)
        mine.train()
        mine.gradients(x, torch.ones(2, 7), most=1)  # dropout in place would take away what ReLU needs for them

    compare(student.VGG, {"features": student.make_layers(SMALL), "num_classes": 7}, same)


@check(
    points=6,
    hint="Convolutions: kaiming_normal_, fan_out, relu. Linear: normal, std 0.01. All biases 0; batch norm 1 and 0.",
    requires=["vgg_state"],
)
def test_vgg_init(student):
    """VGG draws its initial weights as torchvision's does"""
    layers = features_of_sevens(student)
    layers.requires_grad_(False)  # what is not trained is drawn all the same
    student.initialise(layers)
    expect_initial(layers.state_dict(), "initialise(layers): ")
    layer = student.probe("linear", torch.full((100, 200), 7.0), torch.full((100,), 7.0))
    student.initialise(layer)
    expect_normal(layer.weight.value(), 0.01, "initialise(Linear(200, 100)): weight")
    expect_value(layer.bias.value(), 0, "initialise(Linear(200, 100)): bias")
    deep = student.probe("nested", [[[("Linear", {"in_features": 200, "out_features": 100})]]])
    student.initialise(deep)
    expect_normal(deep.state_dict()["0.0.0.weight"], 0.01, "initialise(Sequential(Sequential(Sequential(Linear))))")
    features = features_of_sevens(student)
    called = call(student.VGG, features, num_classes=50, draws=DRAWS)
    model = expect_module(called.result, "VGG(features)")
    expect_initial(model.features.state_dict())
    for place, rows in ((0, 40), (3, 200), (6, 50)):
        # Some rows only: the first Linear's weight is 0.4 GB, and what is drawn of it stands at its end.
        weight = getattr(model.classifier, str(place)).weight
        expect_normal(weight.narrow(0, 3800 if place < 6 else 0, rows), 0.01, f"classifier.{place}.weight")
        expect_value(getattr(model.classifier, str(place)).bias.value(), 0, f"classifier.{place}.bias")


@check(points=2, hint="Only if init_weights is true.", requires=["vgg_init"])
def test_vgg_no_init(student):
    """VGG leaves weights as they come with init_weights=False, and vgg11 to vgg19 hand that on"""
    called = call(student.VGG, features_of_sevens(student), 3, False, draws=DRAWS)
    model = expect_module(called.result, "VGG(features, 3, False)")
    for key, value in model.features.state_dict().items():
        if value.is_floating_point() and not (value == 7).all():
            message = gettext("With init_weights=False, VGG changes features.{key}.").format(key=key)
            raise CheckFailed(message, actual=key)
    # PyTorch's own law for a Linear: uniform within 1 / sqrt(inputs), biases too.
    weight = expect_tensor(getattr(model.classifier, "3").weight.narrow(0, 3800, 100), "classifier.3.weight")
    if not 0.95 / 64 < weight.abs().max().item() <= 1 / 64:
        raise CheckFailed(
            gettext("With init_weights=False, the weights of classifier.3 are not those nn.Linear comes with.")
        )
    # Biases that are no zeros where nothing has been drawn: nn.Linear's, and nn.Conv2d's unless make_layers, which may
    # begin as it likes, has made them zeros already.
    plain = expect_module(student.make_layers([64]), "make_layers([64])").get_parameter("0.bias")
    drawn = expect_tensor(plain, "make_layers([64]).0.bias").any().item()
    biases = ["classifier.0.bias", "features.0.bias"] if drawn else ["classifier.0.bias"]
    for name in NAMES:
        release(student)
        called = call(getattr(student, name), num_classes=3, init_weights=False, draws=0)
        model = expect_module(called.result, f"{name}(num_classes=3, init_weights=False)")
        if not all(expect_tensor(model.get_parameter(key), f"{name}().{key}").any() for key in biases):
            raise CheckFailed(
                gettext("{name}(init_weights=False) draws its initial weights all the same.").format(name=name)
            )
        release(student)
        model = expect_module(call(getattr(student, name), num_classes=3, draws=0).result, f"{name}(num_classes=3)")
        if any(expect_tensor(model.get_parameter(key), f"{name}().{key}").any() for key in biases):
            raise CheckFailed(
                gettext("{name}() leaves its weights as they come; init_weights is true by default.").format(name=name)
            )


@check(
    points=4,
    hint="The parts are right by themselves: look at which cfg each function takes.",
    requires=["family_parameters", "vgg_function", "make_layers_function"],
    seconds=300,
)
def test_family_function(student, reference, context):
    """vgg11 to vgg19, with and without batch norm, compute what torchvision's do up to the average pooling"""
    x = torch.randn(1, 3, 32, 32, generator=context.generator(9))
    for name, letter in NAMES.items():
        for batch_norm in (False, True):
            with torch.device("meta"):
                original = reference.make_layers(reference.cfgs[letter], batch_norm)
            model = shapes_of(getattr(student, name), batch_norm=batch_norm)
            features = expect_module(model.features.value(), f"{name}().features")
            give_repeated(features, original, x, 4)
            expect_same_function(features, original, [x], again=False)  # test_vgg_function asks that
            release(student)


@check(points=4, hint="features, flatten, classifier, as in VGG but without pooling.", requires=["sized_state"])
@settings(max_examples=12)
@given(cfg=vgg_configs(max_convolutions=2, max_pools=2), size=st.integers(6, 9), seed=seeds())
def test_sized_function(student, reference, cfg, size, seed):
    """SizedVGG computes the right function, forward and backward, with dropout in train mode only"""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 3, size, size, generator=generator)
    original = reference.SizedVGG(reference.make_layers(cfg), size, num_classes=4, hidden=6)
    calibrate(original, x, seed)
    mine = give_weights(student.SizedVGG(student.make_layers(cfg), size, num_classes=4, hidden=6), original)
    expect_same_function(mine, original, [x, 8 * x[:1]])  # ReLU6 shows
    expect_same_gradient(mine, original, x)
    mine.train()
    mine.gradients(x, torch.ones(3, 4), most=1)  # as in VGG


@check(points=2, hint="The same as in VGG.", requires=["sized_function", "vgg_init"])
def test_sized_init(student, context):
    """SizedVGG draws its initial weights, and drops half of its signals twice, as VGG does"""
    cfg = [96, "M", 32]
    model = expect_module(student.SizedVGG(features_of_sevens(student), 8, hidden=300), "SizedVGG(features)")
    expect_initial(model.features.state_dict())
    other = student.SizedVGG(features_of_sevens(student), 8, hidden=300)
    expect_fresh(model, other, ["features.0.weight", "classifier.0.weight"])
    state = model.state_dict()
    for place in (0, 3, 6):
        expect_normal(state[f"classifier.{place}.weight"], 0.01, f"classifier.{place}.weight")
        expect_value(state[f"classifier.{place}.bias"], 0, f"classifier.{place}.bias")
    expect_two_dropouts(
        lambda kwargs, compare_with: compare_with(expect_module(student.SizedVGG(**kwargs), "SizedVGG(...)")),
        {"features": student.make_layers(cfg), "size": 8, "num_classes": 32, "hidden": 512},
        512,
        context,
    )


def features_of_sevens(student):
    """Features that come with other weights than the ones to be drawn."""
    features = expect_module(student.make_layers([96, "M", 192, 64], True), "make_layers")
    state = features.state_dict()
    features.load_state_dict(
        {key: torch.full_like(value, 7) if value.is_floating_point() else value for key, value in state.items()}
    )
    return features


def expect_initial(state, prefix="features."):
    """The convolutions and batch norms of `features_of_sevens`, whose ``state`` this is, have been drawn anew."""
    for key, value in state.items():
        what = f"{prefix}{key}"
        if value.dim() == 4:
            expect_normal(value, (2 / (9 * len(value))) ** 0.5, what)
        elif key.endswith("bias"):
            expect_value(value, 0, what)
        elif key.endswith("weight"):
            expect_value(value, 1, what)


def expect_two_dropouts(comparing, kwargs, hidden, context):
    """In train mode each logit passes two dropouts with p = 0.5, signal by signal.

    Under these weights its law is known: the first Linear gives 1 everywhere, dropout {0, 2}, the second Linear copies,
    dropout {0, 4}, and logit j copies unit j. So each logit is 4 with probability 1/4 and else 0.
    """
    classes, count = kwargs["num_classes"], 64

    def compare_with(model):
        identity = torch.zeros(hidden + 1)
        identity[0] = 1
        zero, one = torch.zeros(1), torch.ones(1)
        parameters, _ = model.state()
        state = {entry.name: zero for entry in parameters}
        state |= {"classifier.0.bias": one, "classifier.3.weight": identity, "classifier.6.weight": identity}
        model.load_repeated(state)
        model.train()
        x = torch.zeros(count, 3, 8, 8)
        with model.threads(context.threads):
            logits = expect_shape(model(x, seed=context.seed), (count, classes), gettext("the network in train mode"))
        on, off = (logits - 4).abs() < 1e-3, logits.abs() < 1e-3
        share = on.double().mean().item()
        # 2,048 logits, each on with probability 1/4: standard deviation 0.01.
        if not (on | off).all() or abs(share - 0.25) > 0.06:
            raise CheckFailed(
                gettext(
                    "In train mode the two dropouts together let {share:.0%} of the signals through; 25% is expected."
                ).format(share=share),
                expected=gettext("two dropouts with p = 0.5"),
            )
        # All 32 logits of an image are off with probability 0.75 ** 32 = 1e-4, unless whole images are dropped.
        silent = (~on).all(1).double().mean().item()
        if silent > 0.1:
            raise CheckFailed(
                gettext(
                    "In train mode the dropouts silence {share:.0%} of the images whole; drop each signal by itself."
                ).format(share=silent),
                expected=gettext("two times nn.Dropout"),
            )
        model.eval()
        quiet = expect_shape(model(x[:2]), (2, classes), gettext("the network in eval mode"))
        if not ((quiet - 1).abs() < 1e-3).all():
            raise CheckFailed(gettext("In eval mode dropout must do nothing."))

    comparing(kwargs, compare_with)
