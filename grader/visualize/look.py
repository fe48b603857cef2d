"""What the pictures show, asked of a student's model in its worker: layers, feature maps, filters, predictions."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from grader.checks.architecture import expect_module, expect_shape
from grader.datasets import CLASSES, Dataset, normalise
from grader.language import gettext
from grader.student import CheckFailed, Remote, Student, StudentError
from grader.tracing import Layer, Step

BATCH = 50
_SIZES = ("kernel_size", "stride", "padding")
_LONGEST = 24  # name of a layer's kind
# Layers that belong to the one before them: one box for all.
_FOLLOWERS = (
    *("BatchNorm1d", "BatchNorm2d", "ReLU", "LeakyReLU", "Sigmoid", "Tanh", "GELU", "Dropout", "Identity"),
    *("relu", "dropout"),  # of `operations`
)
MOST_BOXES = 40


@dataclass(frozen=True)
class Box:
    """One box of the architecture: what it says, what comes out (a shape without the batch), and of what kind it is."""

    text: str
    shape: str
    kind: str


@dataclass(frozen=True)
class Predictions:
    """The classes a model predicts for ``chosen`` images of ``dataset``: both int64 (K,)."""

    dataset: Dataset
    chosen: torch.Tensor
    predicted: torch.Tensor

    @property
    def labels(self) -> torch.Tensor:
        """The right classes: int64 (K,)."""
        return self.dataset.labels[self.chosen]

    def confusion(self) -> torch.Tensor:
        """How many images of each class (rows) were taken for each class (columns): int64 (10, 10)."""
        classes = len(CLASSES)
        counts = torch.bincount(self.labels * classes + self.predicted, minlength=classes * classes)
        return counts.view(classes, classes)


def boxes(steps: list[Step], layers: list[Layer]) -> list[Box]:
    """One box for each layer of a run, with what follows it; for blocks instead where that would be too many.

    >>> conv = Layer("0", "Conv2d", {"kernel_size": [3, 3], "stride": [1, 1], "padding": [1, 1]})
    >>> steps = [Step("0", "Conv2d", (1, 3, 8, 8), (1, 4, 8, 8), None)]
    >>> steps += [Step("1", "ReLU", (1, 4, 8, 8), (1, 4, 8, 8), None)]
    >>> boxes(steps, [conv, Layer("1", "ReLU", {})])
    [Box(text='Conv2d 3 -> 4, 3x3, padding 1, ReLU', shape='4 x 8 x 8', kind='Conv2d')]
    """
    by_name = {layer.name: layer for layer in layers}
    ways = [_merged(_at_depth(steps, depth), by_name) for depth in (99, 3, 2, 1)]
    # "Sequential" says nothing: where a box would be one, the block around it does.
    telling = [found for found in ways if len(found) <= MOST_BOXES and all(box.kind != "Sequential" for box in found)]
    return telling[0] if telling else min(ways, key=lambda found: abs(len(found) - MOST_BOXES // 2))


def _at_depth(steps: list[Step], depth: int) -> list[Step]:
    """The run's steps at that depth, and what ends before it; a container only where it is not looked into."""

    def level(step: Step) -> int:
        return step.name.count(".") + 1 if step.name else 0

    names = {step.name for step in steps}
    has_parts = {name.rpartition(".")[0] for name in names}
    for name in list(has_parts):
        while name := name.rpartition(".")[0]:
            has_parts.add(name)
    return [
        step
        for step in steps
        if 0 < level(step) <= depth and (level(step) == depth or step.name not in has_parts) and step.output_shape
    ]


def _merged(steps: list[Step], layers: dict[str, Layer]) -> list[Box]:
    found: list[Box] = []
    for step in steps:
        assert step.output_shape is not None
        shape = _shape(step.output_shape)
        if step.type in _FOLLOWERS and found:
            last = found[-1]
            found[-1] = Box(f"{last.text}, {_short(step.type)}", shape, last.kind)
        else:
            found.append(Box(_described(step, layers.get(step.name)), shape, step.type))
    return _counted(found)


def _counted(found: list[Box]) -> list[Box]:
    """Equal boxes one after the other as one, with their number."""
    runs: list[tuple[Box, int]] = []
    for box in found:
        if runs and runs[-1][0] == box:
            runs[-1] = box, runs[-1][1] + 1
        else:
            runs.append((box, 1))
    return [Box(f"{count} x  {box.text}", box.shape, box.kind) if count > 1 else box for box, count in runs]


def _described(step: Step, layer: Layer | None) -> str:
    given, made = step.input_shape, step.output_shape
    sizes: dict[str, Any] = layer.hyper_parameters if layer else {}
    text = _short(step.type)
    if given and made and len(given) > 1 and given[1] != made[1]:
        text += f" {given[1]} -> {made[1]}"
    kernel = sizes.get("kernel_size")
    if kernel is not None:
        text += f", {_pair(kernel)}"
        text += "".join(
            f", {name} {_pair(sizes[name], 'x')}"
            for name, plain in (("stride", 1), ("padding", 0))
            if name in sizes and _sides(sizes[name]) != _sides(plain)
        )
    return text


def _sides(value: Any) -> list[Any]:
    return list(value)[:2] if isinstance(value, list) else [value, value]


def _pair(value: Any, between: str = "") -> str:
    first, second = _sides(value)
    return f"{first}" if between and first == second else f"{first}x{second}"


def _short(kind: str) -> str:
    return kind[:_LONGEST].replace("BatchNorm1d", "BatchNorm").replace("BatchNorm2d", "BatchNorm")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[1:]))


def branches(steps: list[Step], layers: list[Layer]) -> dict[str, list[Box]]:
    """Where all parts of a module read what it is given itself: the boxes of each, by its name. Else nothing.

    Args:
        steps: traced with their inputs.

    >>> x = torch.ones(1, 2)
    >>> steps = [Step(name, "Linear", (1, 2), (1, 3), None, x) for name in ("a", "b")]
    >>> branches([*steps, Step("", "Both", (1, 2), (1, 6), None, x)], [])["b"]
    [Box(text='Linear 2 -> 3', shape='3', kind='Linear')]
    """
    parts = [step for step in steps if step.name and "." not in step.name]
    whole = steps[-1].input
    if len(parts) < 2 or whole is None:
        return {}
    if not all(part.input is not None and torch.equal(part.input, whole) for part in parts):
        return {}
    by_name = {layer.name: layer for layer in layers}
    inside = {part.name: [step for step in steps if step.name.startswith(f"{part.name}.")] for part in parts}
    return {
        part.name: _merged(_at_depth(inside[part.name] or [part], 99), by_name) for part in parts if part.output_shape
    }


def ends(whole: Step) -> tuple[str, str]:
    """The shapes of what a module is given and of what it gives, without the batch."""
    return _shape(whole.input_shape or ()), _shape(whole.output_shape or ())


def operations(student: Student, network: Remote, method: str, x: torch.Tensor) -> tuple[list[Step], list[Layer]]:
    """`grader.tracing.operations` of ``network.method(x)``, seen from the worker.

    Raises:
        CheckFailed: what came back is no list of operations.
    """
    function = getattr(network, method).value()
    found = student.probe("operations", function, x, doing=f"{network}.{method}(images)")
    steps, layers = [], []
    try:
        for number, (kind, given, made, sizes) in enumerate(found):
            before, after = (tuple(map(operator.index, shape)) for shape in (given, made))
            steps.append(Step(str(number), str(kind)[:_LONGEST], before, after, None))
            numbers = {name: list(map(operator.index, sizes[name])) for name in _SIZES if name in sizes}
            layers.append(Layer(str(number), steps[-1].type, numbers))
    except (TypeError, ValueError):
        raise CheckFailed(
            gettext("What {network}.{method}(images) does cannot be followed.").format(network=network, method=method)
        ) from None
    return steps, layers


def given_maps(found: Any, what: str) -> list[tuple[str, torch.Tensor]]:
    """What a student's function gives as feature maps of one image, numbered from 1, as `feature_maps` does.

    Raises:
        CheckFailed: it is no list of tensors.
    """
    if not isinstance(found, (list, tuple)) or not all(isinstance(each, torch.Tensor) for each in found):
        raise CheckFailed(gettext("{what} gives no list of tensors.").format(what=what))
    shapes = [tuple(each.shape) for each in found]
    steps = [Step(f"map {n}", "", None, shapes[n - 1], each) for n, each in enumerate(found, 1)]
    return feature_maps(steps)


def feature_maps(steps: list[Step]) -> list[tuple[str, torch.Tensor]]:
    """(name, float32 (C, H, W)) of the last map of each size, before it shrinks; maps of one pixel are left out."""
    found: list[tuple[str, torch.Tensor]] = []
    for step in steps:
        if step.output is None or step.output.dim() != 4 or step.output.shape[-1] < 2 or not step.name:
            continue
        if not step.output.is_floating_point() or not torch.isfinite(step.output).all():
            continue
        maps = step.output[0].float()
        if found and found[-1][1].shape[1:] == maps.shape[1:]:
            found.pop()
        found.append((step.name, maps))
    return found


def filters(model: Remote) -> tuple[str, torch.Tensor] | None:
    """(name, float32 (N, C, h, w)) of the first convolution's weights; None without one."""
    for parameter in model.parameters():
        if len(parameter.shape) == 4:
            value = model.state_dict().get(parameter.name)
            if isinstance(value, torch.Tensor) and value.dim() == 4 and torch.isfinite(value).all():
                return parameter.name, value.float()
            return None
    return None


def predict(
    model: Remote, dataset: Dataset, count: int, progress: Callable[[int, int], None], seed: int = 0
) -> Predictions:
    """What ``model`` makes of ``count`` images of ``dataset``, chosen at random.

    Raises:
        CheckFailed: it does not return logits (N, 10).
    """
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
    chosen = order[:count].sort().values
    found = []
    for part in chosen.split(BATCH):
        images = normalise(dataset.images[part])
        logits = expect_shape(
            model(images),
            (len(part), len(CLASSES)),
            gettext("{model} on {count} images").format(model=model, count=len(part)),
        )
        found.append(logits.double().nan_to_num().argmax(1))
        progress(sum(map(len, found)), len(chosen))
    return Predictions(dataset, chosen, torch.cat(found))


def with_weights(value: Any, what: str, weights: dict[str, torch.Tensor] | None) -> tuple[Remote, bool, str]:
    """The model in eval mode, with ``weights`` where they fit; whether they do, and what says which it has.

    Raises:
        CheckFailed: it is no nn.Module.
    """
    model = expect_module(value, what)
    fits, said = False, gettext("{model} with its initial weights.")
    if weights is not None:
        try:
            model.load_state_dict(weights)
            fits, said = True, gettext("{model} with the reference weights.")
        except (StudentError, CheckFailed):
            said = gettext(
                "{model} with its initial weights: the reference weights do not fit (grader check says why)."
            )
    model.eval()
    return model, fits, said.format(model=what)
