"""``grader train``: train the reference checkpoint of an assignment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from grader import assignment
from grader.cli.common import OK, STOPPED, complain, exit_after, say, stoppable
from grader.cli.progress import Bar


def train(
    name: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Which one.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="CIFAR-10 or MNIST, as for check; by default GRADER_DATA or ./data."),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="N", min=0.001, help="In all, instead of the recipe's; every stage in proportion."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many train together; by default one for each core.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where checkpoint, plot and model card go; by default the assignment."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where an unfinished run is kept; by default in your cache folder."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run that was stopped.")] = False,
) -> None:
    """For instructors: train the reference checkpoint of an assignment, as its recipe.toml says.

    It can be stopped with Ctrl-C at any time; with --resume the same command goes on from there.

    \b
    grader train vgg16 --data ../cifar10
    grader train vgg16 --data ../cifar10 --resume
    """

    def work() -> int:
        root = assignment.find_root()
        chosen = assignment.load(name, root)
        stopped = ""
        with stoppable(), Bar(sys.stderr.isatty(), say) as bar:
            bar.announce("Loading torch and the images")
            from grader.training.loop import Interrupted
            from grader.training.train import train as run

            try:
                run(
                    chosen,
                    data,
                    bar.say,
                    bar.update,
                    epochs=epochs,
                    processes=processes,
                    out=out,
                    state=state,
                    resume=resume,
                )
            except Interrupted as error:
                stopped = f"{error} Use --resume."
        if stopped:
            complain(stopped)
        return STOPPED if stopped else OK

    exit_after(work)
