"""What the checks are given beside `student`: the submission's text, the seed, and the accuracy benchmark."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from grader.assignment import Assignment, AssignmentError
from grader.checks.accuracy import Benchmark, reference_correct
from grader.checks.answers import Answers, Known
from grader.datasets import Dataset
from grader.language import gettext
from grader.submission import Submission
from grader.worker.shapes import drawn

if TYPE_CHECKING:
    from grader.judge.plugin import Checks

Progress = Callable[[str, int, int], None]


class Kept:
    """What follows from an assignment alone, kept from one submission to the next by a judge that grades many."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self.answers = Known()
        self.built: dict[str, nn.Module] = {}
        self.checks: Checks | None = None
        self._right: tuple[Dataset, torch.Tensor | None] | None = None

    def right(self, dataset: Dataset, find: Callable[[], torch.Tensor | None]) -> torch.Tensor | None:
        """What ``find()`` gave for ``dataset``: which images the reference has right, if that can be known."""
        if self._right is None or self._right[0] is not dataset:
            self._right = dataset, find()
        return self._right[1]

    @cached_property
    def weights(self) -> dict[str, torch.Tensor]:
        """`weights_of` the assignment."""
        return weights_of(self._assignment)

    def close(self) -> None:
        """Have pytest end its session, which removes what checks have left in its folder for temporary files."""
        if self.checks is not None:
            self.checks.close()
            self.checks = None


@dataclass
class Context:
    """One grading's surroundings, offered to checks as the fixture ``context``.

    Attributes:
        seed: every random choice of the checks follows from it; recorded in the result.
        threads: how many torch computes with where there is much to compute.
        note: a check may leave a remark here for the report even when it passes.
        kept: where this is not the only submission: what is known from those before it, and is kept for the next.
    """

    assignment: Assignment
    submission: Submission
    dataset: Callable[[], Dataset]
    seed: int
    exact: bool = False
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    progress: Progress = lambda what, done, total: None
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    kept: Kept | None = None
    _built: dict[str, nn.Module] = field(default_factory=dict)

    @property
    def source(self) -> bytes:
        """The submission's module as handed in; Python's own rules (BOM, coding line) say how to decode it."""
        return next(iter(self.submission.files.values()))

    def generator(self, salt: int = 0) -> torch.Generator:
        """A generator for inputs, seeded by the run's seed."""
        return torch.Generator().manual_seed(self.seed * 1_000 + salt)

    def images(self, count: int) -> torch.Tensor:
        """``count`` images of the data set as the networks read them: float32 (count, C, H, W)."""
        from grader.datasets import normalise

        return normalise(self.dataset().images[:count]).contiguous()

    def prepare(self) -> None:
        """Read the checkpoint, if it is sound; if not, the first check that needs it says so."""
        with contextlib.suppress(AssignmentError):
            _ = self.weights

    @cached_property
    def weights(self) -> dict[str, torch.Tensor]:
        """The reference checkpoint's state_dict, float32.

        Raises:
            AssignmentError: it is missing or damaged.
        """
        if self.kept is not None:
            return self.kept.weights
        return weights_of(self.assignment)

    @cached_property
    def benchmark(self) -> Benchmark:
        """What the accuracy check measures with."""
        checkpoint = self.assignment.settings.checkpoint
        path = self.assignment.checkpoint_path
        if checkpoint is None or path is None:
            raise AssignmentError(f"{self.assignment.name} has no [checkpoint] in its assignment.toml.")
        dataset = self.dataset()
        build = (
            None if self.assignment.secret is None else lambda: self.trained_reference(checkpoint.build, "predictions")
        )

        def find() -> torch.Tensor | None:
            return reference_correct(
                path, dataset, build, lambda done, total: self.progress(gettext("reference predictions"), done, total)
            )

        known = find() if self.kept is None else self.kept.right(dataset, find)
        return Benchmark(
            dataset,
            self.weights,
            checkpoint.threshold_on(dataset.name),
            known,
            exact=self.exact,
            threads=self.threads,
            order_seed=self.seed,
            progress=lambda done, total: self.progress(gettext("images"), done, total),
            facts=self.facts,
        )

    def built_reference(self, build: str, use: str = "") -> nn.Module:
        """The solution's model, built once, with whatever weights and mode it was left in: give it others in place.

        At first they are what was in memory: drawing millions of numbers takes longer than computing with them. Where
        several submissions are graded, and its answers kept, each ``use`` has a model of its own.
        """
        key = f"{build} {use}" if self.kept is not None else build
        built = self._built if self.kept is None else self.kept.built
        if key not in built:
            assert self.reference is not None
            with drawn(0):
                built[key] = getattr(self.reference, build)()
        return built[key]

    def trained_reference(self, build: str, use: str = "") -> nn.Module:
        """`built_reference` with the checkpoint loaded, in eval mode."""
        model = self.built_reference(build, use)
        model.load_state_dict(self.weights)
        return model.eval()

    def known(self, *key: Hashable, make: Callable[[], nn.Module]) -> Answers:
        """What the network that ``make()`` gives answers; asked for by the same ``key``, it is made only once.

        The key says what ``make`` depends on beside the assignment and the seed.
        """
        if self.kept is None:
            return Answers(make())
        return self.kept.answers.of((self.seed, *key), make)

    @cached_property
    def reference(self) -> ModuleType | None:
        """The solution's module; None where this copy has no solution."""
        if self.assignment.secret is None:
            return None
        return import_solution(self.assignment)


def import_solution(assignment: Assignment) -> ModuleType:
    """Import the solution (trusted code) under a name of its own.

    Raises:
        AssignmentError: this copy has no solution for the assignment.
    """
    file = assignment.settings.files[0]
    path = None if assignment.secret is None else assignment.secret / file
    if path is None or not path.is_file():
        raise AssignmentError(f"This copy has no solution for {assignment.name} (solutions/{assignment.name}/{file}).")
    name = f"grader_solution_{path.stem}"
    if name in sys.modules and sys.modules[name].__file__ == str(path):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def forget(assignment: Assignment) -> None:
    """Have ``assignment``'s checks and solution read anew: this process may have imported them as they once were."""
    folders = [folder for folder in (assignment.folder, assignment.secret) if folder is not None]
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path is not None and any(Path(path).is_relative_to(folder) for folder in folders):
            del sys.modules[name]


def weights_of(assignment: Assignment) -> dict[str, torch.Tensor]:
    """The reference checkpoint's state_dict, float32.

    Raises:
        AssignmentError: there is none, or it is damaged.
    """
    path = assignment.checkpoint_path
    if path is None:
        raise AssignmentError(f"{assignment.name} has no [checkpoint] in its assignment.toml.")
    return load_weights(path)


def load_weights(path: Any) -> dict[str, torch.Tensor]:
    """A safetensors checkpoint as a float32 state_dict (integer tensors keep their type).

    Raises:
        AssignmentError: it is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        loaded = load_file(str(path))
    except FileNotFoundError:
        raise AssignmentError(
            gettext("The checkpoint {path} is missing. Restore it, or train it with `make train`.").format(path=path)
        ) from None
    except (SafetensorError, OSError) as error:
        raise AssignmentError(
            gettext("The checkpoint {path} cannot be read ({error}). Restore it.").format(path=path, error=error)
        ) from None
    return {key: value.float() if value.is_floating_point() else value for key, value in loaded.items()}
