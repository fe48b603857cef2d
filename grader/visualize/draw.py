"""Draw what `look` has found: SVG and PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from grader.datasets import CLASSES
from grader.visualize.look import Box, Predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"Conv": "#cfe3f7", "Pool": "#fde0c2", "Linear": "#d5edd0", "Flatten": "#eeeeee"}
_OTHER = "#e6dcf2"
_CHANNELS = 8  # shown of a feature map
_WRONG = 24  # misclassified images shown


def architecture(networks: dict[str, list[Box]], path: Path) -> None:
    """One column of boxes for each network, from the input down, with the shape that comes out of each."""
    from matplotlib.patches import FancyBboxPatch

    rows = max(map(len, networks.values()))
    figure = _figure(4.6 * len(networks), 0.34 * rows + 0.7)
    axes = figure.subplots(1, len(networks), squeeze=False)[0]
    for axis, (name, found) in zip(axes, networks.items(), strict=True):
        axis.set_title(_plain(name, 40), fontsize=11, parse_math=False)
        axis.set_xlim(0, 10)
        axis.set_ylim(rows, 0)
        axis.axis("off")
        for row, box in enumerate(found):
            colour = next((colour for key, colour in _COLOURS.items() if key in box.kind), _OTHER)
            axis.add_patch(
                FancyBboxPatch(
                    (0.1, row + 0.12),
                    6.7,
                    0.76,
                    boxstyle="round,pad=0,rounding_size=0.2",
                    fc=colour,
                    ec="#666666",
                    lw=0.6,
                )
            )
            axis.text(0.3, row + 0.52, _plain(box.text, 58), fontsize=7, va="center", parse_math=False)
            axis.text(
                7.0, row + 0.52, _plain(box.shape, 24), fontsize=7, va="center", color="#444444", parse_math=False
            )
    figure.savefig(path)


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
