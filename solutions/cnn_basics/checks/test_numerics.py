"""Hidden checks of cnn_basics: every size, deep stacks, functions and gradients, initial weights, uneven batches."""

import itertools

import torch
from hypothesis import example, given
from hypothesis import strategies as st

from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_module, expect_shape
from grader.checks.numerics import expect_fresh, expect_same_function, expect_same_gradient, same
from grader.checks.weights import calibrate, give_weights
from grader.language import gettext
from grader.student import StudentError, call


@check(points=4, hint="Try small n and large f by hand; and is the result an int?", requires=["conv_output_size"])
def test_conv_output_size_everywhere(student):
    """conv_output_size is right for all n up to 10, f up to 6, p up to 2, s up to 4, and for large n"""
    refused = gettext("an error")
    small = itertools.product(range(1, 11), range(1, 7), range(3), range(1, 5))
    for n, f, p, s in (*small, (10**6 + 1, 3, 0, 2), (225, 7, 3, 2)):
        span = n + 2 * p - f
        wanted = span // s + 1 if span >= 0 and span % s == 0 else refused
        try:
            found = student.conv_output_size(n, f, p, s)
        except StudentError as error:
            if error.status != "error":
                raise
            found = refused
        # Not by ==: a function may return these words.
        right = found is refused if wanted is refused else type(found) is int and found == wanted
        if not right:
            message = gettext("conv_output_size({n}, {f}, {p}, {s}) gives {found}; {wanted} is expected.").format(
                n=n, f=f, p=p, s=s, found=found, wanted=wanted
            )
            raise CheckFailed(message, expected=wanted, actual=found)


@check(
    points=4, hint="Each layer adds (f - 1) times the product of the strides before it.", requires=["receptive_field"]
)
@given(layers=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 4)), min_size=3, max_size=6))
def test_receptive_field_deep(student, layers):
    """receptive_field is right for deep stacks, also where a stride is larger than the filter before it"""
    # One output's inputs, walked back layer by layer: an independent count, for sizes that no gradient could be asked.
    first, last = 0, 0
    for f, s in reversed(layers):
        first, last = first * s, last * s + f - 1
    called = call(student.receptive_field, list(layers))
    if called.mutated:
        raise CheckFailed(gettext("receptive_field changes the list it is given; the next call would get another one."))
    found = called.result
    if type(found) is not int or found != last - first + 1:
        raise CheckFailed(
            gettext("receptive_field({layers}) gives {found!r}; {wanted} is expected.").format(
                layers=layers, found=found, wanted=last - first + 1
            ),
            expected=last - first + 1,
            actual=found,
        )


def compare(build, original, inputs, context):
    """The same function under the same weights, forward and backward, in train mode, too; each has its own weights."""
    calibrate(original, inputs[0], 1)
    inputs[1] *= 8  # ReLU6 shows
    made = expect_module(build(), f"{build}()")
    names = [entry.name for entry in made.state()[0] if len(entry.shape) > 1]
    expect_fresh(made, expect_module(build(), f"{build}()"), names)
    mine = give_weights(made, original)
    expect_same_function(mine, original, inputs)
    expect_same_function(mine, original, inputs[:1], training=True)
    expect_same_gradient(mine, original, inputs[0])


@check(points=5, hint="Convolution, then ReLU; nothing else.", requires=["simple_cnn_shape"])
def test_simple_cnn_function(student, reference, context):
    """SimpleCNN computes a convolution and ReLU, forward and backward"""
    generator = context.generator(1)
    inputs = [torch.randn(*shape, generator=generator) for shape in ((4, 3, 10, 12), (1, 3, 32, 32))]
    compare(student.SimpleCNN, reference.SimpleCNN(), inputs, context)


@check(points=5, hint="Convolution, ReLU, max pooling 2x2.", requires=["conv_pool_shape"])
def test_conv_pool_function(student, reference, context):
    """ConvPool computes a convolution, ReLU and max pooling, forward and backward"""
    generator = context.generator(2)
    inputs = [torch.randn(*shape, generator=generator) for shape in ((4, 3, 11, 12), (1, 3, 32, 32))]
    compare(student.ConvPool, reference.ConvPool(), inputs, context)


@check(points=4, hint="A linear layer gives logits: nothing follows it.", requires=["fully_connected_shape"])
def test_fully_connected_function(student, reference, context):
    """FullyConnected computes x W^T + b, forward and backward"""
    generator = context.generator(3)
    inputs = [torch.randn(5, 32, generator=generator), torch.randn(1, 32, generator=generator)]
    compare(student.FullyConnected, reference.FullyConnected(), inputs, context)


@check(
    points=6,
    hint="nn.init.kaiming_normal_(weight, nonlinearity='relu') and nn.init.zeros_(bias), for Conv2d and Linear alike.",
    requires=["simple_cnn_shape", "conv_pool_shape", "fully_connected_shape"],
)
def test_kaiming(student):
    """kaiming_init draws normal weights with std sqrt(2 / fan_in), biases 0; the three small networks use it"""
    for layers, container, count in ((WIDE, "Sequential", 2), (DEEP, "ModuleList", 6)):
        networks = [student.probe("nested", layers, container) for _ in range(count)]
        states = []
        for network in (networks[0], *networks):  # the first one twice: then, too, all is drawn
            student.kaiming_init(network)
            states.append(network.state_dict())
        for key in states[0]:
            what = gettext("After kaiming_init, {key} of a network with layers inside layers,").format(key=key)
            _expect_kaiming(what, [state[key] for state in states])
    for name in ("SimpleCNN", "ConvPool", "FullyConnected"):
        states = [getattr(student, name)().state_dict() for _ in range(24)]
        for key in states[0]:
            what = gettext("{key} of {name}()").format(key=key, name=name)
            _expect_kaiming(what, [state[key] for state in states])


WIDE = [
    ("Conv2d", {"in_channels": 6, "out_channels": 16, "kernel_size": 5, "groups": 2}),
    [("Flatten", {}), ("Linear", {"in_features": 400, "out_features": 120})],
    [("Linear", {"in_features": 120, "out_features": 84})],
]
DEEP = [
    ("Conv2d", {"in_channels": 4, "out_channels": 32, "kernel_size": 3}),
    [[("Conv2d", {"in_channels": 32, "out_channels": 16, "kernel_size": (1, 3)})]],
    [("Flatten", {}), [("Linear", {"in_features": 48, "out_features": 20})]],
]


def _expect_kaiming(what, drawn):
    """``drawn`` are weights of one layer, drawn several times, or its biases."""
    if drawn[0].dim() < 2:
        if any(value.any() for value in drawn):
            raise CheckFailed(gettext("{what} is not 0.").format(what=what), expected="0")
        return
    if torch.equal(drawn[0], drawn[1]):
        raise CheckFailed(gettext("{what} is the same every time: draw anew, and set no seed.").format(what=what))
    values = torch.stack(drawn).double()
    expected = (2 / drawn[0][0].numel()) ** 0.5
    std, mean = values.std().item(), values.mean().item()
    # The standard error of a standard deviation of k normal numbers is std / sqrt(2 k): allow six of them.
    allowed = 6 * expected / (2 * values.numel()) ** 0.5
    if abs(std - expected) > allowed or abs(mean) > 2 * allowed:
        raise CheckFailed(
            gettext("{what} has mean {mean:.4f} and std {std:.4f}.").format(what=what, mean=mean, std=std),
            expected=gettext("mean 0, std {std:.4f}").format(std=expected),
            actual=gettext("mean {mean:.4f}, std {std:.4f}").format(mean=mean, std=std),
        )
    # 4.55 % of a normal distribution are beyond two standard deviations; of a uniform one none.
    beyond = (values.abs() > 2 * expected).double().mean().item()
    error = (0.0455 * 0.9545 / values.numel()) ** 0.5
    if abs(beyond - 0.0455) > 6 * error + 0.005:
        message = gettext("{what} is not normally distributed.").format(what=what)
        raise CheckFailed(message, expected=gettext("a normal distribution"))


@check(
    points=8,
    hint="conv1, pool, conv2, pool, flatten, fc1, ReLU, fc2, ReLU, fc3: no ReLU after the convolutions.",
    requires=["lenet5_architecture"],
)
def test_lenet5_function(student, reference, context):
    """LeNet5 computes the same as the solution, under random and under the reference weights"""
    generator = context.generator(4)
    noise = torch.randn(6, 1, 28, 28, generator=generator)
    original = calibrate(reference.LeNet5(), noise, 2)
    mine = expect_module(student.once("LeNet5"), "LeNet5()")
    expect_same_function(give_weights(mine, original), original, [noise, 8 * noise[:1]])  # ReLU6 shows
    expect_same_function(mine, original, [noise], training=True)
    trained = context.trained_reference("LeNet5")
    expect_same_function(give_weights(mine, trained), trained, [context.images(4)])
    wide = calibrate(reference.LeNet5(17), noise, 3)
    expect_same_function(give_weights(student.LeNet5(n_classes=17), wide), wide, [noise])


@check(
    points=3, hint="No detach, no no_grad in forward; share nothing between two networks.", requires=["lenet5_function"]
)
def test_lenet5_gradient(student, reference, context):
    """LeNet5 has weights of its own in every network, and the right gradients at every parameter"""
    noise = torch.randn(5, 1, 28, 28, generator=context.generator(5))
    original = calibrate(reference.LeNet5(), noise, 4)
    mine = expect_module(student.LeNet5(), "LeNet5()")
    expect_fresh(mine, expect_module(student.LeNet5(), "LeNet5()"), ["conv1.weight", "fc1.weight"], drawn=False)
    expect_same_gradient(give_weights(mine, original), original, noise)


@check(
    points=5,
    hint="Add up sums and counts over the batches, divide once at the end: a mean of means weighs batches, not pixels.",
    requires=["mean_std"],
)
@given(count=st.integers(2, 9), batch=st.integers(1, 5), channels=st.integers(1, 4), seed=st.integers(0, 1000))
@example(count=7, batch=3, channels=2, seed=1)  # a last batch of one image, whatever else is drawn
def test_mean_std_batches(student, count, batch, channels, seed):
    """calc_mean_std weighs every pixel alike, in batches of any size and with a smaller last one"""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randn(count, channels, 1, 1, generator=generator)  # every image has a brightness of its own
    images = torch.randn(count, channels, 3, 2, generator=generator) * 0.5 + shift
    result = student.calc_mean_std(student.probe("loader", images, torch.zeros(count), batch_size=batch))
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise CheckFailed(gettext("calc_mean_std gives something else than a pair (mean, std)."))
    values = images.transpose(0, 1).flatten(1)
    allowed = {"mean": [values.mean(1)], "std": [values.std(1, correction=0), values.std(1)]}
    for (name, wanted), value in zip(allowed.items(), result, strict=True):
        what = gettext("the {name} of calc_mean_std(loader)").format(name=name)
        found = expect_shape(value, (channels,), what).float()
        if not any(same(found, each) or torch.allclose(found, each, 1e-3, 1e-4) for each in wanted):
            raise CheckFailed(
                gettext("With {count} images in batches of {batch} the {name} of calc_mean_std is off.").format(
                    count=count, batch=batch, name=name
                ),
                expected=[round(number, 4) for number in wanted[0].tolist()],
                actual=[round(number, 4) for number in found.tolist()],
            )
