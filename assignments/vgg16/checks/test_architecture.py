"""Public checks of vgg16: shapes, parameter counts, state_dict."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.checks import CheckFailed, check
from grader.checks.architecture import (
    expect_module,
    expect_parameter_count,
    expect_shape,
    expect_state,
)
from grader.checks.strategies import image_sizes, vgg_configs
from grader.language import gettext

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


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


@check(
    points=6, hint="Each 'M' halves height and width (rounded down); a convolution keeps them. Start with 3 channels."
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
    points=6,
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


@check(points=4, hint="Read the cfg; do not change it: the caller may need it again.", requires=["make_layers_state"])
def test_make_layers_defaults(student):
    """make_layers leaves batch norm out unless asked, and accepts a tuple"""
    cfg = [4, "M", 6]
    features = expect_module(student.make_layers(cfg), "make_layers(cfg)")
    if features.type in ("ModuleList", "ModuleDict"):
        message = gettext("make_layers returns a {type}; an nn.Sequential is expected.").format(type=features.type)
        raise CheckFailed(message, actual=features.type)
    expect_state(features, state_of(cfg, False))
    expect_state(expect_module(student.make_layers(tuple(cfg)), "make_layers(tuple)"), state_of(cfg, False))
    expect_state(expect_module(student.make_layers(cfg, True), "make_layers(cfg, True)"), state_of(cfg, True))


@check(
    points=6,
    hint="Flatten everything but the batch: torch.flatten(x, 1). The classifier's last layer gives 10 numbers.",
)
def test_vgg_shape(student):
    """VGG(features) gives 10 logits per image, for any batch size"""
    features = student.make_layers([8, "M", 8, "M", 16, "M", 16, "M", 512, "M"])
    model = expect_module(student.VGG(features), "VGG(features)")
    model.eval()
    for count in (1, 2, 5):
        what = gettext("VGG(features) on {count} images").format(count=count)
        expect_shape(model(torch.zeros(count, 3, 32, 32)), (count, 10), what)


@check(
    points=6, hint="Linear(512, 512), BatchNorm1d(512) and Linear(512, 10) are places 1, 2 and 5 of self.classifier."
)
def test_vgg_state(student):
    """self.features and self.classifier hold the right parameters under the right names"""
    cfg = [4, "M", 512]
    model = expect_module(student.VGG(student.make_layers(cfg)), "VGG(features)")
    state = {f"features.{key}": shape for key, shape in state_of(cfg, False).items()}
    expect_state(model, state | CLASSIFIER)


@check(points=6, hint="CFG has 13 numbers and 5 'M'.", requires=["vgg_state", "vgg_shape", "make_layers_shape"])
def test_vgg16_architecture(student):
    """vgg16() has 14,983,498 parameters and turns (N, 3, 32, 32) into (N, 10)"""
    model = expect_module(student.once("vgg16"), "vgg16()")
    expect_parameter_count(model, 14_983_498)
    expect_state(model, {f"features.{key}": shape for key, shape in state_of(CFG, False).items()} | CLASSIFIER)
    model.eval()
    expect_shape(model(torch.zeros(2, 3, 32, 32)), (2, 10), gettext("vgg16() on (2, 3, 32, 32)"))


CLASSIFIER = {
    "classifier.1.weight": (512, 512),
    "classifier.1.bias": (512,),
    "classifier.2.weight": (512,),
    "classifier.2.bias": (512,),
    "classifier.2.running_mean": (512,),
    "classifier.2.running_var": (512,),
    "classifier.2.num_batches_tracked": (),
    "classifier.5.weight": (10, 512),
    "classifier.5.bias": (10,),
}
