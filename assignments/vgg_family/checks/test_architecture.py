"""Public checks of vgg_family: shapes, parameter counts, state_dict. The large networks are built without numbers."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.checks import CheckFailed, check
from grader.checks.architecture import (
    expect_module,
    expect_parameter_count,
    expect_shape,
    expect_state,
    shapes_of,
    undrawn,
)
from grader.checks.strategies import image_sizes, vgg_configs
from grader.language import gettext
from grader.student import release

POOLED = 512 * 7 * 7
# (without, with batch norm); torchvision's networks of these names have as many.
PARAMETERS = {
    "vgg11": (132_863_336, 132_868_840),
    "vgg13": (133_047_848, 133_053_736),
    "vgg16": (138_357_544, 138_365_992),
    "vgg19": (143_667_240, 143_678_248),
}
SMALL = [8, "M", 12, "M", 16]


def widths(cfg):
    return [item for item in cfg if item != "M"]


def state_of(cfg, batch_norm):
    """Keys and shapes of make_layers(cfg, batch_norm): every layer, ReLU and pooling too, counts in the numbering."""
    state, channels, number = {}, 3, 0
    for item in cfg:
        if item == "M":
            number += 1
            continue
        state[f"{number}.weight"] = (item, channels, 3, 3)
        state[f"{number}.bias"] = (item,)
        number += 1
        if batch_norm:
            for key in ("weight", "bias", "running_mean", "running_var"):
                state[f"{number}.{key}"] = (item,)
            state[f"{number}.num_batches_tracked"] = ()
            number += 1
        number += 1
        channels = item
    return state


def network(cfg, batch_norm, count, hidden, classes):
    """The whole network's keys and shapes: ``count`` numbers enter the classifier."""
    state = {f"features.{key}": shape for key, shape in state_of(cfg, batch_norm).items()}
    for place, outputs, inputs in ((0, hidden, count), (3, hidden, hidden), (6, classes, hidden)):
        state[f"classifier.{place}.weight"] = (outputs, inputs)
        state[f"classifier.{place}.bias"] = (outputs,)
    return state


@check(
    points=5, hint="Each 'M' halves height and width (rounded down); a convolution keeps them. Start with 3 channels."
)
@settings(max_examples=15)
@given(cfg=vgg_configs(), batch_norm=st.booleans(), data=st.data())
def test_make_layers_shape(student, cfg, batch_norm, data):
    """make_layers gives the right output shape, for any cfg"""
    height, width = data.draw(image_sizes(cfg.count("M")), label="image size")
    features = expect_module(student.make_layers(cfg, batch_norm=batch_norm), f"make_layers({cfg})")
    x = torch.zeros(2, 3, height, width)
    shape = (2, widths(cfg)[-1], height >> cfg.count("M"), width >> cfg.count("M"))
    called = f"make_layers({cfg}, batch_norm={batch_norm})"
    expect_shape(features(x), shape, gettext("{module} on {shape}").format(module=called, shape=tuple(x.shape)))


@check(
    points=5,
    hint="One Conv2d (with bias) per number, BatchNorm2d after it only if batch_norm is True, all in one "
    "nn.Sequential.",
    requires=["make_layers_shape"],
)
@settings(max_examples=15)
@given(cfg=vgg_configs(), batch_norm=st.booleans())
def test_make_layers_state(student, cfg, batch_norm):
    """make_layers has the right parameters under the right names, for any cfg"""
    features = expect_module(student.make_layers(cfg, batch_norm=batch_norm), f"make_layers({cfg})")
    expect_state(features, state_of(cfg, batch_norm))
    expect_state(expect_module(student.make_layers(cfg), f"make_layers({cfg})"), state_of(cfg, False))
    expect_state(expect_module(student.make_layers(cfg, True), f"make_layers({cfg}, True)"), state_of(cfg, True))


@check(
    points=6,
    hint="The classifier's places 0, 3 and 6 are Linear(512 * 7 * 7, 4096), Linear(4096, 4096), Linear(4096, "
    "num_classes).",
    requires=["make_layers_shape"],
)
def test_vgg_state(student):
    """VGG holds the right parameters under the right names, for any number of classes"""
    cfg = [4, "M", 512]
    for given_, classes in (({}, 1000), ({"num_classes": 2}, 2), ({"num_classes": 1, "init_weights": False}, 1)):
        model = shapes_of(student.VGG, student.make_layers(cfg), **given_)
        expect_state(model, network(cfg, False, POOLED, 4096, classes))
        release(student)


@check(
    points=10,
    hint="cfgs has the layers; batch_norm goes to make_layers, everything else to VGG.",
    requires=["vgg_state"],
    seconds=300,  # a moment, unless the networks must be built with all their numbers
)
def test_family_parameters(student):
    """vgg11, vgg13, vgg16 and vgg19 have as many parameters as torchvision's, with and without batch norm"""
    for name, counts in PARAMETERS.items():
        build = getattr(student, name)
        for given_, options, count in (
            ((), {}, counts[0]),
            ((), {"batch_norm": False}, counts[0]),
            ((), {"batch_norm": True}, counts[1]),
            ((True,), {"num_classes": 10}, counts[1] - 990 * 4097),
        ):
            expect_parameter_count(shapes_of(build, *given_, **options), count)
            release(student)


@check(
    points=8, hint="Run features once on zeros of shape (1, 3, size, size) and count.", requires=["make_layers_shape"]
)
@settings(max_examples=15)
@given(cfg=vgg_configs(), size=st.integers(8, 13), classes=st.integers(1, 5), hidden=st.integers(1, 5))
def test_sized_state(student, cfg, size, classes, hidden):
    """SizedVGG's first Linear fits whatever features and size it is given"""
    model = student.SizedVGG(student.make_layers(cfg), size, num_classes=classes, hidden=hidden)
    model = expect_module(model, f"SizedVGG(make_layers({cfg}), {size})")
    count = widths(cfg)[-1] * (size >> cfg.count("M")) ** 2
    expect_state(model, network(cfg, False, count, hidden, classes))
    model.eval()
    expect_shape(model(torch.zeros(2, 3, size, size)), (2, classes), f"SizedVGG(make_layers({cfg}), {size})")


@check(
    points=4,
    hint="Run features in eval mode and without gradients, then put it back as it was: batch norm counts in train "
    "mode.",
    requires=["sized_state"],
)
def test_sized_features(student):
    """SizedVGG takes features as they are: whatever they consist of, their running statistics and mode stay"""
    for cfg in ([4, "M", "M", "M"], ["M"]):  # also without a single convolution
        count = widths([3, *cfg])[-1] * (32 >> cfg.count("M")) ** 2
        model = undrawn(student.SizedVGG, student.make_layers(cfg))
        expect_state(model, network(cfg, False, count, 4096, 10))
    for training in (True, False):
        features = expect_module(student.make_layers(SMALL, True), "make_layers")
        features.train(training)
        state = features.state_dict()  # as if it had been trained before
        features.load_state_dict({key: value + 1 for key, value in state.items()})
        before = features.state_dict()
        model = expect_module(student.SizedVGG(features, 9, hidden=4), "SizedVGG(features, 9)")
        after = model.features.state_dict()
        for key, value in before.items():
            statistic = "running" in key or "tracked" in key
            if statistic and (key not in after or not torch.equal(value, after[key])):
                message = gettext("SizedVGG changes {key} of the features it is given.").format(key=key)
                raise CheckFailed(message, actual=key)
        if not all(torch.equal(value, after.get(key, value + 1)) for key, value in features.state_dict().items()):
            raise CheckFailed(
                gettext("SizedVGG(features) holds a copy of the features; self.features is to be what it is given.")
            )
        if model.features.training.value() is not training:
            message = gettext("After SizedVGG(features), features.training is {now}; it was {before}.")
            raise CheckFailed(message.format(now=not training, before=training))


@check(
    points=8, hint="512 x 4 x 4 numbers and 256 x 4 x 4 numbers enter the two classifiers.", requires=["sized_state"]
)
def test_small_networks(student):
    """vgg_custom and vgg_cifar have the right layers, and 10 logits unless told otherwise"""
    custom = [64, 64, 64, "M", 128, 128, 128, "M", 256, 256, 256, "M"]
    cifar = [32, 32, "M", 64, 64, 128, 128, 128, "M", 256, 256, 256, 512, 512, 512, "M"]
    for build, cfg, batch_norm in ((student.vgg_custom, custom, True), (student.vgg_cifar, cifar, False)):
        expect_state(undrawn(build), network(cfg, batch_norm, widths(cfg)[-1] * 16, 4096, 10))
        expect_state(undrawn(build, num_classes=3), network(cfg, batch_norm, widths(cfg)[-1] * 16, 4096, 3))
