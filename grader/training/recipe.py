"""recipe.toml: what a reference checkpoint is trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, lt=1)]


class Stage(msgspec.Struct, forbid_unknown_fields=True):
    """One stretch of training: the learning rate runs linearly from ``lr[0]`` to ``lr[1]``.

    Images with more than ``size`` pixels a side are made that small; ``cutout`` instead of the recipe's, if given. What
    is published is the mean of the weights in which the ``averaged`` stages end, if there are any.
    """

    epochs: Annotated[float, Meta(gt=0, le=10_000)]
    lr: tuple[float, float]
    width: Annotated[float, Meta(gt=0, le=1)] = 1.0
    size: Annotated[int, Meta(ge=1, le=32)] = 32
    cutout: Annotated[int, Meta(ge=0, lt=32)] | None = None
    averaged: bool = False

    @property
    def cost(self) -> float:
        """Of a step, in relation to other stages: convolutions go with the pixels and the channels on both sides."""
        return self.width**2 * self.size**2


class Recipe(msgspec.Struct, forbid_unknown_fields=True):
    """SGD with Nesterov momentum over a list of stages, CIFAR-10 or MNIST mixed with digits in every batch.

    Attributes:
        digits_suffice: where no other data can be found, train on the digits alone.
        cutout: side of the square, in pixels, that is greyed at a random place of every image but the digits (DeVries
            and Taylor, 2017, arXiv:1708.04552); 0 for none.
        precision: what convolutions and matrix products are computed in during training (torch.autocast); weights,
            batch norm statistics and loss stay fp32. Processors with AMX train about twice as fast in bf16.
        start: a safetensors file beside the recipe: the first stage's model begins with these weights. They came out of
            the stages listed in ``earlier``, which the model card tells of too.
    """

    build: str
    seed: int
    batch_size: Count
    digits_per_batch: Annotated[int, Meta(ge=0)]
    weight_decay: float
    label_smoothing: Share
    stage: Annotated[list[Stage], Meta(min_length=1)]
    momentum: Share = 0.9
    dropout: Share | None = None
    cutout: Annotated[int, Meta(ge=0, lt=32)] = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    batch_norm_in_features: bool = False
    digits_suffice: bool = False
    start: str | None = None
    earlier: list[Stage] = []

    def __post_init__(self) -> None:
        if self.digits_per_batch >= self.batch_size:
            raise ValueError("digits_per_batch must be less than batch_size")
        if bool(self.start) != bool(self.earlier):
            raise ValueError("start and earlier go together: weights, and the stages they came out of")
        averaged = [stage for stage in self.stage if stage.averaged]
        if averaged and not (len(averaged) > 1 and self.stage[-1].averaged and len({s.width for s in averaged}) == 1):
            raise ValueError("averaged: two stages at least, the last one among them, and all of the same width")


class RecipeError(Exception):
    """The recipe cannot be used; the message names the file and the key."""


class TrainingError(Exception):
    """What was asked for does not fit what an earlier run has left."""


def read_recipe(path: Path) -> Recipe:
    """Read and validate ``path``.

    Raises:
        RecipeError: it is missing, not TOML, or a key is unknown, missing or has a wrong value.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except FileNotFoundError:
        raise RecipeError(f"No recipe at {path}: this assignment has no reference checkpoint to train.") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
