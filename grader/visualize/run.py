"""Make the pictures of one submission."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch

from grader import datasets
from grader.assignment import Assignment
from grader.datasets import normalise
from grader.judge.context import load_weights
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.language import gettext
from grader.report import frame_line
from grader.student import CheckFailed, Student, StudentError
from grader.student.outcomes import MissingName, WorkerLost
from grader.submission import Submission
from grader.visualize import draw, look

SECONDS = 600.0  # for all that is asked of the student's code


class PictureError(Exception):
    """There is nothing to draw; the message says what is missing or wrong."""


def visualize(
    assignment: Assignment,
    submission: Submission,
    workers: Workers,
    out: Path,
    *,
    data: Path | None = None,
    count: int = 1_000,
    announce: Callable[[str], None] = lambda text: None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[list[Path], list[str]]:
    """Draw what assignment.toml's [pictures] names, into ``out``: the files written, and remarks about them.

    Args:
        count: images to classify, where there are reference weights.

    Raises:
        PictureError: the assignment has no network to draw, or the student's code cannot be run.
        DataError: the data asked for cannot be used.
        AssignmentError: the checkpoint is missing or damaged.
    """
    settings = assignment.settings
    builds = settings.pictured
    if not builds:
        raise PictureError(
            gettext("{name} has no network to draw: its assignment.toml names none in [pictures].").format(
                name=assignment.name
            )
        )
    dataset = datasets.for_assignment(assignment, data)
    image = dataset.images[:1]
    x = normalise(image)
    if settings.pictures is not None and settings.pictures.size:
        x = torch.nn.functional.interpolate(x, size=(settings.pictures.size,) * 2, mode="bilinear")
    checkpoint = assignment.checkpoint_path
    weights = load_weights(checkpoint) if checkpoint is not None else None
    out.mkdir(parents=True, exist_ok=True)
    limits = settings.limits
    workers.memory_mb = limits.memory_mb
    remarks: list[str] = []
    networks: dict[str, list[look.Box]] = {}
    written: list[Path] = []
    with closing(Session(workers, submission.files, import_seconds=limits.import_seconds)) as session:
        student = Student(session)
        try:
            for number, build in enumerate(builds):
                announce(gettext("Drawing {build}()").format(build=build))
                session.begin(SECONDS)
                model, fits, said = look.with_weights(getattr(student, build)(), f"{build}()", weights)
                steps, stopped = model.trace(x.contiguous(), outputs=number == 0)
                if stopped:
                    raise PictureError(
                        gettext("{build}() cannot be run on a {shape} batch: {stopped}").format(
                            build=build, shape=tuple(x.shape), stopped=stopped
                        )
                    )
                networks[build] = look.boxes(steps, model.layers())
                if number:
                    continue
                remarks.append(said)
                maps = look.feature_maps(steps)
                if maps:
                    draw.feature_maps(image[0], maps, out / "feature_maps.png")
                    written.append(out / "feature_maps.png")
                found = look.filters(model)
                if found is not None:
                    draw.filters(*found, out / "filters.png")
                    written.append(out / "filters.png")
                if fits:
                    seen = look.predict(
                        model, dataset, count, lambda done, total: progress(gettext("images"), done, total)
                    )
                    draw.confusion(seen, out / "confusion.png")
                    written.append(out / "confusion.png")
                    if draw.misclassified(seen, out / "misclassified.png"):
                        written.append(out / "misclassified.png")
                    else:
                        remarks.append(gettext("No image is misclassified."))
        except (StudentError, CheckFailed, MissingName, WorkerLost) as error:
            frames = error.frames if isinstance(error, StudentError) and error.status == "error" else []
            where = f" ({frame_line(str(frames[-1]))})" if frames else ""
            raise PictureError(f"{error.message}{where}") from None
    if any(networks.values()):
        draw.architecture(networks, out / "architecture.svg")
        written.insert(0, out / "architecture.svg")
    return written, remarks
