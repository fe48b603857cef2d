"""``grader visualize``: pictures of a network and of what it sees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from grader import assignment, submission
from grader.cli import assignments
from grader.cli.common import OK, exit_after, say, stoppable
from grader.cli.progress import Bar
from grader.language import gettext

HELP = "\n\n".join(
    [
        gettext("Draw your network, and what it sees."),
        gettext(
            "Its architecture, the first convolution's filters, the feature maps of one image; where the assignment "
            "has reference weights, also the confusion matrix and the misclassified images."
        ),
        "\b\ngrader visualize vgg16\ngrader visualize vgg16 -s ~/vgg16.py --data ../cifar10 --out ~/pictures",
    ]
)


def visualize(
    name: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help=gettext("Which one."))],
    path: Annotated[
        Path | None,
        typer.Option(
            "--submission",
            "-s",
            metavar="PATH",
            help=gettext("The file, or its folder; by default the stub in assignments/."),
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help=gettext('As for check: a folder, an archive, "download", or "digits".')),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=gettext('Where the pictures go; by default "pictures" beside the file.')),
    ] = None,
    images: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=10_000, help=gettext("How many are classified for the confusion matrix.")),
    ] = 1_000,
) -> None:
    """Draw one submission: `HELP`."""

    def work() -> int:
        root = assignment.find_root()
        chosen = assignments.load(name, root)
        handed_in = submission.read(chosen, path)
        target = (handed_in.path.parent / "pictures") if out is None else out.expanduser()
        with stoppable(), Bar(sys.stderr.isatty(), say) as bar:
            bar.announce(gettext("Starting"))
            from grader.judge.workers import Workers
            from grader.visualize.run import visualize as run

            with Workers(preload=chosen.settings.preload) as workers:
                written, remarks = run(
                    chosen,
                    handed_in,
                    workers,
                    target,
                    data=data,
                    count=images,
                    announce=bar.announce,
                    progress=bar.update,
                )
        for each in written:
            say(str(each))
        for remark in remarks:
            say(remark)
        return OK

    exit_after(work)
