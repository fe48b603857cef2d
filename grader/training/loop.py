"""The training loop: seeded, resumable to the step, with progress.

Everything random in step ``s`` is drawn from a generator seeded by (seed, s), so a run that was interrupted and
continued computes what an uninterrupted one does (with the same number of processes: batch norm sees each one's share).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, update_bn

from grader.datasets import Dataset, normalise
from grader.training.parallel import ALONE, Team
from grader.training.recipe import Recipe, Stage
from grader.training.widths import narrow, widen, with_batch_norm

SAVE_EVERY = 60.0  # seconds
MEASURED = 40  # batches that the averaged weights' batch norm statistics are taken from


class Interrupted(Exception):
    """Training was asked to stop; its state is saved."""


class Trainer:
    """Trains ``build()`` by ``recipe`` on ``main`` and ``digits``; keeps its state in ``folder``.

    Without ``digits`` on ``main`` alone. Where ``folder`` holds nothing to continue from, the first stage's model
    begins with the weights ``start``, if given.
    """

    def __init__(
        self,
        recipe: Recipe,
        build: Callable[[], nn.Module],
        main: Dataset,
        digits: Dataset | None,
        folder: Path,
        team: Team = ALONE,
        start: dict[str, torch.Tensor] | None = None,
    ) -> None:
        self.recipe, self.build, self.folder, self.team = recipe, build, folder, team
        self.main, self.digits = main, digits
        self.per_batch = recipe.batch_size - (recipe.digits_per_batch if digits else 0)
        self.stage_steps = [max(1, round(stage.epochs * len(main) / self.per_batch)) for stage in recipe.stage]
        self.stage_index = 0
        self.step_in_stage = 0
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self.mean: AveragedModel | None = None  # of what the averaged stages so far have ended in
        self.model = self._model(recipe.stage[0])
        if start is not None:
            self.model.load_state_dict(start)
        self.optimizer = self._optimizer()
        self._order: tuple[int, torch.Tensor] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._restore()

    @property
    def total_steps(self) -> int:
        return sum(self.stage_steps)

    @property
    def step(self) -> int:
        return sum(self.stage_steps[: self.stage_index]) + self.step_in_stage

    @property
    def finished(self) -> bool:
        return self.stage_index == len(self.recipe.stage)

    def run(self, report: Callable[[Trainer, float, float], None]) -> nn.Module:
        """Train to the end; ``report(self, loss, accuracy)`` is called after every step.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the state is saved and the next run continues from it.
        """
        stop: list[int] = []
        previous = {
            number: signal.signal(number, lambda received, _: stop.append(received))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        saved = time.monotonic()
        try:
            while not self.finished:
                started = time.monotonic()
                loss, accuracy = self._train_step()
                now = time.monotonic()
                self.seconds += now - started
                self.history.append({"step": self.step, "loss": loss, "accuracy": accuracy, "lr": self._lr()})
                self.step_in_stage += 1
                if self.step_in_stage == self.stage_steps[self.stage_index]:
                    self._next_stage()
                report(self, loss, accuracy)
                stopping = self.team.average((), [float(bool(stop))])[0] > 0
                if self.team.rank == 0 and (stopping or self.finished or now - saved > SAVE_EVERY):
                    self._save()
                    saved = now
                if stopping:
                    raise Interrupted(f"Stopped at step {self.step:,} of {self.total_steps:,}.")
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self.model.eval()

    def averaged(self, progress: Callable[[int], object]) -> nn.Module:
        """After `run`: the model with the mean of the weights in which the averaged stages have ended.

        Source: Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018. As
        there, batch norm's statistics are measured anew: on `MEASURED` training batches as the last stage's are.

        Args:
            progress: told how many batches are done.
        """
        if self.mean is None:
            return self.model.eval()

        def batches() -> Iterator[torch.Tensor]:
            for step in range(MEASURED):
                yield self._batch(self._generator(step), self.recipe.stage[-1], step)[0]
                progress(step + 1)

        update_bn(batches(), self.mean.module)
        return self.mean.module.eval()

    def _generator(self, step: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)

    def _train_step(self) -> tuple[float, float]:
        generator = self._generator(self.step)
        torch.manual_seed(int(torch.randint(1 << 31, (), generator=generator)))  # dropout
        stage = self.recipe.stage[self.stage_index]
        images, labels = map(self.team.share, self._batch(generator, stage, self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = self._lr()
        self.model.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            logits = self.model(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        accuracy = (logits.argmax(1) == labels).float().mean()
        numbers = self.team.average(self.model.parameters(), [loss.item(), accuracy.item()])
        self.optimizer.step()
        return numbers[0], numbers[1]

    def _batch(self, generator: torch.Generator, stage: Stage, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, position = divmod(step * self.per_batch, len(self.main))
        if self._order is None or self._order[0] != epoch:
            order = torch.randperm(len(self.main), generator=torch.Generator().manual_seed(self.recipe.seed + epoch))
            self._order = epoch, order
        chosen = self._order[1][position : position + self.per_batch]
        images, labels = self.main.images[chosen], self.main.labels[chosen]
        if self.main.name == "CIFAR-10":  # digits are not mirrored
            flip = torch.rand(len(images), generator=generator) < 0.5
            images = torch.where(flip.view(-1, 1, 1, 1), images.flip(3), images)
        if self.digits is not None:
            digits = torch.randint(len(self.digits), (self.recipe.digits_per_batch,), generator=generator)
            images = torch.cat([images, self.digits.images[digits]])
            labels = torch.cat([labels, self.digits.labels[digits]])
        images = _random_crop(normalise(images), 4, generator)
        cutout = self.recipe.cutout if stage.cutout is None else stage.cutout
        if cutout:
            cut_out(images[: len(chosen)], cutout, generator)
        if stage.size < images.shape[-1]:
            images = F.interpolate(images, size=(stage.size, stage.size), mode="area")
        return images.contiguous(memory_format=torch.channels_last), labels

    def _lr(self) -> float:
        stage = self.recipe.stage[min(self.stage_index, len(self.recipe.stage) - 1)]
        done = self.step_in_stage / self.stage_steps[min(self.stage_index, len(self.stage_steps) - 1)]
        return stage.lr[0] + (stage.lr[1] - stage.lr[0]) * done

    def _next_stage(self) -> None:
        old = self.recipe.stage[self.stage_index]
        if old.averaged:
            self.mean = self.mean or AveragedModel(self.model)
            self.mean.update_parameters(self.model)
        self.stage_index += 1
        self.step_in_stage = 0
        if self.finished:
            return
        new = self.recipe.stage[self.stage_index]
        if new.width == old.width and new.size == old.size:
            return
        small = self.model
        self.model = self._model(new)
        if new.width != old.width:
            widen(small, self.model, torch.Generator().manual_seed(self.recipe.seed))
            self.optimizer = self._optimizer()
        else:
            self.model.load_state_dict(small.state_dict())
            state = self.optimizer.state_dict()
            self.optimizer = self._optimizer()
            self.optimizer.load_state_dict(state)

    def _model(self, stage: Stage) -> nn.Module:
        torch.manual_seed(self.recipe.seed)
        model: Any = self.build()
        if self.recipe.batch_norm_in_features:
            model.features = with_batch_norm(model.features)
        if stage.width != 1:
            narrow(model, stage.width, image_channels=self.main.images.shape[1])
        if stage.size < self.main.images.shape[-1]:  # fewer halvings for a smaller image: the last pooling is left out
            model.features[-1] = nn.Identity()
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if isinstance(module, nn.Dropout) and self.recipe.dropout is not None:
                module.p = self.recipe.dropout
        trained: nn.Module = model.to(memory_format=torch.channels_last)
        return trained

    def _optimizer(self) -> torch.optim.SGD:
        decayed = [parameter for parameter in self.model.parameters() if parameter.dim() > 1]
        others = [parameter for parameter in self.model.parameters() if parameter.dim() <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.SGD(groups, lr=0.0, momentum=self.recipe.momentum, nesterov=True)

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "stage": self.stage_index,
            "step": self.step_in_stage,
            "seconds": self.seconds,
            "mean": self.mean and self.mean.state_dict(),
        }
        # The history first: where a crash comes between the two, _restore leaves out what the state does not know of.
        history = self.folder / f"history.json.{os.getpid()}"
        history.write_text(json.dumps(self.history))
        history.replace(self.folder / "history.json")
        partial = self.folder / f"state.pt.{os.getpid()}"
        torch.save(state, partial)
        partial.replace(self.folder / "state.pt")

    def _restore(self) -> None:
        path = self.folder / "state.pt"
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True)
        self.stage_index, self.step_in_stage, self.seconds = state["stage"], state["step"], state["seconds"]
        self.model = self._model(self.recipe.stage[min(self.stage_index, len(self.recipe.stage) - 1)])
        self.model.load_state_dict(state["model"])
        self.optimizer = self._optimizer()
        self.optimizer.load_state_dict(state["optimizer"])
        if state.get("mean"):
            self.mean = AveragedModel(self.model)
            self.mean.load_state_dict(state["mean"])
        history = json.loads((self.folder / "history.json").read_text())
        self.history = [entry for entry in history if entry["step"] < self.step]


def _random_crop(images: torch.Tensor, margin: int, generator: torch.Generator) -> torch.Tensor:
    """Shift each image (N, C, H, W) by up to ``margin`` pixels, its border reflected."""
    padded = F.pad(images, (margin,) * 4, mode="reflect")
    rows, columns = torch.randint(2 * margin + 1, (2, len(images)), generator=generator)
    height, width = images.shape[2:]
    row_index = rows.view(-1, 1, 1) + torch.arange(height).view(1, -1, 1)
    column_index = columns.view(-1, 1, 1) + torch.arange(width).view(1, 1, -1)
    batch_index = torch.arange(len(images)).view(-1, 1, 1)
    return padded.permute(0, 2, 3, 1)[batch_index, row_index, column_index].permute(0, 3, 1, 2)


def cut_out(images: torch.Tensor, side: int, generator: torch.Generator) -> None:
    """Set a square around a random pixel of each normalised image (N, C, H, W) to 0, the mean; borders may cut it."""
    height, width = images.shape[2:]
    top = torch.randint(height, (len(images), 1), generator=generator) - side // 2
    left = torch.randint(width, (len(images), 1), generator=generator) - side // 2
    rows = (torch.arange(height) >= top) & (torch.arange(height) < top + side)
    columns = (torch.arange(width) >= left) & (torch.arange(width) < left + side)
    images.masked_fill_((rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), 0.0)
