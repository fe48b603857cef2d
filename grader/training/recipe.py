"""recipe.toml: what a reference checkpoint is trained with."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Stage(msgspec.Struct, forbid_unknown_fields=True):
    """One stretch of training: the learning rate runs linearly from ``lr[0]`` to ``lr[1]``."""

    epochs: float
    lr: tuple[float, float]
    width: float = 1.0
    size: int = 32


class Recipe(msgspec.Struct, forbid_unknown_fields=True):
    """SGD with Nesterov momentum over a list of stages, CIFAR-10 and digits mixed in every batch."""

    build: str
    seed: int
    batch_size: int
    digits_per_batch: int
    weight_decay: float
    label_smoothing: float
    stage: list[Stage]
    momentum: float = 0.9
    dropout: float | None = None
    batch_norm_in_features: bool = False
    identity_shortcuts: bool = False


class RecipeError(Exception):
    """The recipe cannot be used; the message names the file and the key."""


def read_recipe(path: Path) -> Recipe:
    """Read and validate ``path``.

    Raises:
        RecipeError: it is missing, not TOML, or a key is unknown, missing or of the wrong type.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except FileNotFoundError:
        raise RecipeError(f"No recipe at {path}: this assignment has no reference checkpoint to train.") from None
    except msgspec.DecodeError as error:
        raise RecipeError(f"{path}: {error}") from error
