"""Draw what `look` has found: SVG and PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from grader.datasets import CLASSES
from grader.visualize.charts import Chart
from grader.visualize.look import Box, Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"conv": "#cfe3f7", "pool": "#fde0c2", "linear": "#d5edd0", "flatten": "#eeeeee"}
_OTHER = "#e6dcf2"
_HIGH = 0.76  # a box, in rows
_CHANNELS = 8  # shown of a feature map
_WRONG = 24  # misclassified images shown


def architecture(networks: dict[str, list[Box]], path: Path) -> None:
    """One column of boxes for each network, from the input down, with the shape that comes out of each."""
    rows = max(map(len, networks.values()))
    figure = _figure(4.6 * len(networks), 0.34 * rows + 0.7)
    axes = figure.subplots(1, len(networks), squeeze=False)[0]
    for axis, (name, found) in zip(axes, networks.items(), strict=True):
        axis.set_title(_plain(name, 40), fontsize=11, parse_math=False)
        axis.set_xlim(0, 10)
        axis.set_ylim(rows, 0)
        axis.axis("off")
        for row, box in enumerate(found):
            _box(axis, box, 0.1, row + 0.12, 6.7)
            axis.text(
                7.0, row + 0.52, _plain(box.shape, 24), fontsize=7, va="center", color="#444444", parse_math=False
            )
    _save(figure, path)


def branches(name: str, ends: tuple[str, str], found: dict[str, list[Box]], path: Path) -> None:
    """Columns side by side between ``ends``, the shapes of what all of them are given and of what becomes of it."""
    pitch, end = 1.25, 1.25 * (max(map(len, found.values())) + 1)
    figure = _figure(2.5 * len(found), 0.34 * (end + 1.4))
    axis = figure.subplots()
    axis.set_title(_plain(name, 80), fontsize=11, parse_math=False)
    axis.set_xlim(0, 10 * len(found))
    axis.set_ylim(end + 0.8, 0)
    axis.axis("off")
    _box(axis, Box(f"input  {ends[0]}", "", ""), 0.2, 0, 10 * len(found) - 0.4)
    _box(axis, Box(f"output  {ends[1]}", "", ""), 0.2, end, 10 * len(found) - 0.4)
    for column, (part, boxes) in enumerate(found.items()):
        left = 10 * column + 0.2
        tops = [pitch * (row + 1) for row in range(len(boxes))]
        said = [(left, part), *((left + 5.1, box.shape) for box in boxes)]
        for above, below, (x, text) in zip([0, *tops], [*tops, end], said, strict=True):
            arrow = {"arrowstyle": "-|>", "color": "#666666", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
            axis.annotate("", (left + 4.8, below), (left + 4.8, above + _HIGH), arrowprops=arrow)
            y = above + (_HIGH + pitch) / 2
            axis.text(x, y, _plain(text, 24), fontsize=7, va="center", color="#444444", parse_math=False)
        for top, box in zip(tops, boxes, strict=True):
            _box(axis, box, left, top, 9.6)
    _save(figure, path)


def charts(found: Sequence[Chart], path: Path) -> None:
    """The charts side by side; what is on their x axes is counted."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(4.4 * len(found), 3.0)
    for axis, chart in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        axis.set_title(_plain(chart.title, 60), fontsize=9, parse_math=False)
        axis.set_xlabel(chart.x, fontsize=8)
        axis.set_ylabel(chart.y, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(color="#e5e5e5", lw=0.6)
        axis.set_axisbelow(True)
        for name, (xs, ys) in chart.lines.items():
            axis.plot(xs, ys, label=name, drawstyle="steps-post" if chart.steps else "default", lw=1.6)
        for name, point in chart.marks.items():
            axis.plot(*point, "o", color="#333333", ms=4)
            axis.annotate(_plain(name, 40), point, (-6, 6), textcoords="offset points", ha="right", fontsize=7)
        axis.set_xlim(0)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylim(0, chart.most)
        if any(chart.lines):
            axis.legend(fontsize=7)
    _save(figure, path)


def _box(axis: Axes, box: Box, left: float, top: float, width: float) -> None:
    """A rounded box with its text."""
    from matplotlib.patches import FancyBboxPatch

    colour = next((colour for key, colour in _COLOURS.items() if key in box.kind.lower()), _OTHER)
    shape = "round,pad=0,rounding_size=0.2"
    axis.add_patch(FancyBboxPatch((left, top), width, _HIGH, boxstyle=shape, fc=colour, ec="#666666", lw=0.6))
    axis.text(left + 0.2, top + 0.4, _plain(box.text, 58), fontsize=7, va="center", parse_math=False)


def _save(figure: Figure, path: Path) -> None:
    """As SVG, the same file whenever it is drawn."""
    figure.savefig(path, metadata={"Date": None})


def feature_maps(image: torch.Tensor, found: list[tuple[str, torch.Tensor]], path: Path) -> None:
    """The image, uint8 (C, H, W), and of each map, (C, H, W), the channels that vary most."""
    figure = _figure(1.05 * (_CHANNELS + 1), 1.25 * len(found))
    axes = figure.subplots(len(found), _CHANNELS + 1, squeeze=False)
    for row, (name, maps) in zip(axes, found, strict=True):
        for axis in row:
            axis.axis("off")
        row[0].imshow(_pixels(image), cmap="gray")
        row[0].set_title(f"{_plain(name, 18)}\n{' x '.join(map(str, maps.shape))}", fontsize=6, parse_math=False)
        strongest = maps.flatten(1).std(1).argsort(descending=True)[:_CHANNELS].sort().values
        for axis, channel in zip(row[1:], strongest.tolist(), strict=False):
            axis.imshow(maps[channel].numpy(), cmap="viridis")
            axis.set_title(f"channel {channel}", fontsize=6)
    figure.savefig(path, dpi=110)


def filters(name: str, weights: torch.Tensor, path: Path) -> None:
    """Weights (N, C, h, w), as colours where C is 3; each filter on a scale of its own. At most 64 of them."""
    shown = weights[:64]
    columns = min(16, len(shown))
    rows = -(-len(shown) // columns)
    figure = _figure(0.55 * columns, 0.55 * rows + 0.4)
    figure.suptitle(f"{_plain(name, 60)}: {len(shown)} of {len(weights)} filters", fontsize=8, parse_math=False)
    for axis in figure.subplots(rows, columns, squeeze=False).flat:
        axis.axis("off")
    for axis, kernel in zip(figure.axes, shown, strict=False):
        low, high = kernel.min(), kernel.max()
        scaled = (kernel - low) / (high - low).clamp(min=1e-12)
        axis.imshow(scaled.permute(1, 2, 0).numpy() if len(kernel) == 3 else scaled.mean(0).numpy(), cmap="gray")
    figure.savefig(path, dpi=110)


def confusion(found: Predictions, path: Path) -> None:
    """How many images of each class were taken for which."""
    counts = found.confusion()
    names = _names(found)
    figure = _figure(6, 5.4)
    axis = figure.subplots()
    axis.imshow(counts.double().sqrt().numpy(), cmap="Blues")
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xlabel("predicted")
    axis.set_ylabel("right class")
    for row, column in counts.nonzero().tolist():
        dark = counts[row, column] > counts.max() / 3
        axis.text(
            column,
            row,
            str(int(counts[row, column])),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else "black",
        )
    right = int((found.predicted == found.labels).sum())
    axis.set_title(f"{right:,} of {len(found.labels):,} images of {found.dataset.name} right", fontsize=10)
    figure.savefig(path, dpi=110)


def misclassified(found: Predictions, path: Path) -> bool:
    """The first wrong ones, each with what it is and what it was taken for; False, and no file, if there is none."""
    wrong = (found.predicted != found.labels).nonzero().flatten()[:_WRONG]
    if not len(wrong):
        return False
    names = _names(found)
    columns = min(8, len(wrong))
    rows = -(-len(wrong) // columns)
    figure = _figure(1.2 * columns, 1.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axis in grid.flat:
        axis.axis("off")
    for axis, place in zip(grid.flat, wrong.tolist(), strict=False):
        axis.imshow(_pixels(found.dataset.images[found.chosen[place]]), cmap="gray")
        axis.set_title(f"{names[found.labels[place]]},\nnot {names[found.predicted[place]]}", fontsize=7)
    figure.savefig(path, dpi=110)
    return True


def _figure(width: float, height: float) -> Figure:
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.fonttype"] = "none"  # text stays text
    rcParams["svg.hashsalt"] = "grader"  # the same picture is the same file
    return Figure(figsize=(width, height), layout="constrained")


def _pixels(image: torch.Tensor) -> Any:
    return (image.permute(1, 2, 0) if len(image) == 3 else image[0]).numpy()


def _names(found: Predictions) -> list[str]:
    return list(CLASSES) if found.dataset.name == "CIFAR-10" else [str(number) for number in range(len(CLASSES))]


def _plain(text: str, most: int) -> str:
    """A student's word, bounded; ``parse_math=False`` keeps matplotlib from reading mathematics in it."""
    return "".join(letter for letter in text if letter.isprintable())[:most]
