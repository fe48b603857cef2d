"""Make the pictures of one submission."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import torch

from grader import datasets
from grader.assignment import Assignment, Pictures
from grader.datasets import Dataset, normalise
from grader.judge.context import load_weights
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.language import gettext
from grader.report import frame_line
from grader.student import CheckFailed, Remote, Student, StudentError, call
from grader.student.outcomes import MissingName, WorkerLost
from grader.student.remote import expression
from grader.submission import Submission
from grader.visualize import charts, draw, look

SECONDS = 600.0  # for each thing that is asked of the student's code


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
    """Draw what assignment.toml's [pictures] and pictures.py name, into ``out``: the files written, and remarks.

    What cannot be drawn is a remark where something else can.

    Args:
        count: images to classify, where there are reference weights.

    Raises:
        PictureError: the assignment has nothing to draw, or the student's code cannot be run.
        DataError: the data asked for cannot be used.
        AssignmentError: the checkpoint is missing or damaged.
    """
    settings, pictures = assignment.settings, charts.of(assignment)
    if not settings.pictured and not pictures:
        raise PictureError(
            gettext(
                "{name} has no network to draw: its assignment.toml names none in [pictures], and it has no {file}."
            ).format(name=assignment.name, file=charts.FILE)
        )
    dataset = datasets.for_assignment(assignment, data)
    checkpoint = assignment.checkpoint_path
    weights = load_weights(checkpoint) if checkpoint is not None else None
    out.mkdir(parents=True, exist_ok=True)
    limits = settings.limits
    workers.memory_mb = limits.memory_mb
    artist = _Artist(assignment, dataset, weights, out)
    failed: dict[str, str] = {}
    opened = Session(workers, submission.files, import_seconds=limits.import_seconds, withheld=settings.withheld)
    with closing(opened) as session:
        student = Student(session)
        for build in settings.pictured:
            announce(gettext("Drawing {name}").format(name=build))
            with _noting(failed, build):
                session.begin(SECONDS)
                first = not artist.networks
                model = artist.network(student, build)
                if first and model is not None:
                    artist.sights(model, count, lambda done, total: progress(gettext("images"), done, total))
        artist.architecture()
        for name, picture in pictures.items():
            announce(gettext("Drawing {name}").format(name=name))
            with _noting(failed, f"{name}.svg"):
                session.begin(SECONDS)
                draw.charts(picture(student), artist.to(f"{name}.svg"))
    if not artist.written:
        raise PictureError(next(iter(failed.values())))
    missing = [gettext("{name} is not drawn: {why}").format(name=name, why=why) for name, why in failed.items()]
    return artist.written, artist.remarks + missing


@contextmanager
def _noting(failed: dict[str, str], name: str) -> Iterator[None]:
    """What is wrong with the student's code is put into ``failed``."""
    try:
        yield
    except (StudentError, CheckFailed, MissingName, WorkerLost) as error:
        frames = error.frames if isinstance(error, StudentError) and error.status == "error" else []
        failed[name] = error.message + (f" ({frame_line(str(frames[-1]))})" if frames else "")


class _Artist:
    """Draws an assignment's networks, and of the first one also what it sees."""

    def __init__(
        self, assignment: Assignment, dataset: Dataset, weights: dict[str, torch.Tensor] | None, out: Path
    ) -> None:
        self.dataset, self.weights, self.out = dataset, weights, out
        self.pictures = assignment.settings.pictures or Pictures(assignment.settings.pictured)
        self.written: list[Path] = []
        self.remarks: list[str] = []
        self.has_reference_weights = False  # the first network
        self.networks: dict[str, list[look.Box]] = {}

    def to(self, name: str) -> Path:
        """Where the picture ``name`` goes; from now on it counts as written."""
        self.written.append(self.out / name)
        return self.written[-1]

    def input(self) -> torch.Tensor:
        """What the networks are run on: one image, or random numbers of the shape that [pictures] says."""
        if self.pictures.shape is not None:
            return torch.randn(1, *self.pictures.shape, generator=torch.Generator().manual_seed(0))
        x = normalise(self.dataset.images[:1])
        if self.pictures.size:
            x = torch.nn.functional.interpolate(x, size=(self.pictures.size,) * 2, mode="bilinear")
        return x.contiguous()

    def network(self, student: Student, build: str) -> Remote | None:
        """Find the boxes of one network, draw feature maps if it is the first; the model, if it can see more."""
        x, first, pictures = self.input(), not self.networks, self.pictures
        name = f"{build}({', '.join(map(expression, pictures.arguments))})"
        made = call(getattr(student, build), *pictures.arguments, seed=0).result
        if pictures.forward is not None:
            if not isinstance(made, Remote):
                raise CheckFailed(
                    gettext("{name} gives a {kind}; a network is expected.").format(name=name, kind=type(made).__name__)
                )
            self.networks[build] = look.boxes(*look.operations(student, made, pictures.forward, x))
            if first and pictures.maps is not None:
                found = getattr(student, pictures.maps)(made, x)
                self.feature_maps(look.given_maps(found, f"{pictures.maps}({build.lower()}, image)"))
            return None
        model, fits, said = look.with_weights(made, name, self.weights)
        steps, stopped = model.trace(x, outputs=first, inputs=pictures.shape is not None)
        if stopped:
            raise CheckFailed(
                gettext("{name} cannot be run on a {shape} batch: {stopped}").format(
                    name=name, shape=tuple(x.shape), stopped=stopped
                )
            )
        layers = model.layers()
        if columns := look.branches(steps, layers):
            draw.branches(name, look.ends(steps[-1]), columns, self.to("architecture.svg"))
            return None
        self.networks[build] = look.boxes(steps, layers)
        if first:
            self.remarks.append(said)
            self.has_reference_weights = fits
            self.feature_maps(look.feature_maps(steps))
        return model

    def feature_maps(self, maps: list[tuple[str, torch.Tensor]]) -> None:
        """Draw them, if there are any."""
        if maps:
            draw.feature_maps(self.dataset.images[0], maps, self.to("feature_maps.png"))

    def sights(self, model: Remote, count: int, progress: Callable[[int, int], None]) -> None:
        """Draw the filters; with the reference weights in it also what it makes of ``count`` images."""
        found = look.filters(model)
        if found is not None:
            draw.filters(*found, self.to("filters.png"))
        if self.has_reference_weights:
            seen = look.predict(model, self.dataset, count, progress)
            draw.confusion(seen, self.to("confusion.png"))
            if not draw.misclassified(seen, self.out / "misclassified.png"):
                self.remarks.append(gettext("No image is misclassified."))
            else:
                self.to("misclassified.png")

    def architecture(self) -> None:
        """Draw the networks found, side by side."""
        if any(self.networks.values()):
            draw.architecture(self.networks, self.to("architecture.svg"))
