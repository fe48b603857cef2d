"""``grader check``: grade one's own file, or the submission of one student."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grader import assignment, report, submission
from grader.assignment import Assignment, AssignmentError
from grader.cli import assignments, json_option
from grader.cli.common import NOT_FULL, NOT_GRADED, OK, complain, console, exit_after, explain, say, stoppable
from grader.cli.progress import Progress, starting
from grader.language import gettext
from grader.result import Result
from grader.submission import Submission, SubmissionError

if TYPE_CHECKING:
    from grader.judge.workers import Workers

# "\b" alone in a line: the lines after it are not filled.
HELP = "\n\n\b\n".join(
    [
        gettext("Grade your file and say what to do next."),
        gettext("""\
grader check                               whatever you have started in assignments/; the rest is listed
grader check vgg16                         one of them
grader check vgg16 -s ~/vgg16.py           a file elsewhere
grader check vgg16 --data ../cifar10       on CIFAR-10 instead of the embedded digits
grader check vgg16 --json result.json      for other programs: Gradescope's results.json"""),
        gettext("Exit code: 0 full points, 1 not, 2 could not grade (a sentence says why)."),
    ]
)


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ASSIGNMENT", help=gettext("Which, as --list names them; by default all you have started.")
        ),
    ] = None,
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
        typer.Option(
            metavar="PATH",
            help=gettext(
                'CIFAR-10, MNIST: a folder, an archive, or "download"; or "digits". Else GRADER_DATA, ./data, digits.'
            ),
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help=gettext("Measure accuracy on every image."))] = False,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="[FILE]",
            help=gettext("Write the result as JSON to FILE; without FILE, print it and nothing else."),
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=2**32 - 1,
            help=gettext("Of the checks' random choices; by default the same for every submission."),
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help=gettext("Seconds for the import and for each check (not for those with a limit of their own)."),
        ),
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help=gettext("List the assignments and stop."))] = False,
) -> None:
    """Grade one or more assignments: `HELP`."""
    if timeout is not None and timeout <= 0:
        raise typer.BadParameter(gettext("It must be more than 0."), param_hint="--timeout")

    def work() -> int:
        root = assignment.find_root()
        if list_them:
            return _list(root)
        chosen = names or ([assignments.guess(path, root)] if path is not None else assignments.all_names(root))
        target = json_option.target_of(json)
        jobs, worst = _jobs(chosen, root, path, timeout)
        quiet = json == json_option.STDOUT
        only_started = not names and len(jobs) > 1
        results, status = _grade(jobs, quiet, only_started, data=data, exact=exact, seed=seed) if jobs else ([], OK)
        if len(results) > 1 and not quiet:
            report.show_overview(results, console())
            if only_started and not any(map(report.is_started, results)):
                first = jobs[0][0]
                file = first.workplace / first.settings.files[0]
                say(
                    gettext("\nNothing is started yet. Open {file} and the README.md beside it, then type:").format(
                        file=file
                    )
                )
                say(gettext("make check A={name}  (or: grader check {name})").format(name=first.name))
        if json is not None and results:
            json_option.write(results if len(chosen) > 1 else results[0], target)
        return max(worst, status, OK if all(map(report.is_full, results)) else NOT_FULL)

    exit_after(work)


def _list(root: Path) -> int:
    found = assignments.all_names(root)
    width = max(map(len, found))
    for name in found:
        listed = assignment.load(name, root)
        settings = listed.settings
        about = gettext("{title} ({points:g} points, {files})")
        files = ", ".join(settings.files)
        say(f"{name:<{width}}  {about.format(title=listed.title, points=settings.points, files=files)}")
    return OK


def _jobs(
    names: list[str], root: Path, path: Path | None, timeout: float | None
) -> tuple[list[tuple[Assignment, Submission]], int]:
    """What is to be graded; what cannot be is complained of, and the worst of it is the second part."""
    jobs, worst = [], OK
    for name in dict.fromkeys(names):
        try:
            chosen = assignments.load(name, root, timeout)
            jobs.append((chosen, _handed_in(chosen, path)))
        except (AssignmentError, SubmissionError) as error:
            worst = max(worst, explain(error))
    return jobs, worst


def _handed_in(chosen: Assignment, path: Path | None) -> Submission:
    """What is at ``path``, or where students work; of a file and its notebook the file, unless it is still the stub."""
    where = chosen.workplace if path is None else path.expanduser()
    if not (where / chosen.settings.files[0]).with_suffix(".ipynb").is_file():
        return submission.read(chosen, path)
    from grader.intake import collect_named

    (handin,) = collect_named({where.resolve().name: where}, chosen)
    if handin.submission is None:
        raise SubmissionError(handin.problem)
    for note in handin.notes:
        complain(note)
    return replace(handin.submission, path=where.resolve().parent / handin.submission.path)


def _grade(
    jobs: list[tuple[Assignment, Submission]], quiet: bool, only_started: bool, **options: Any
) -> tuple[list[Result], int]:
    """Grade all ``jobs`` with one set of workers, showing each report as it comes; the worst that went wrong, too.

    Of what a student has not started there is no report with ``only_started``.
    """
    from grader.judge.workers import WorkerStartError

    results: list[Result] = []
    worst = OK
    said: set[str] = set()
    shown = not quiet and sys.stderr.isatty()
    preload = [name for chosen, _ in jobs for name in chosen.settings.preload]
    with stoppable(), _workers(preload, shown) as workers:
        for chosen, handed_in in jobs:
            try:
                with Progress(shown) as progress, contextlib.redirect_stdout(sys.stderr):
                    from grader.datasets import DataError
                    from grader.judge.grade import grade

                    result = grade(
                        chosen,
                        handed_in,
                        workers,
                        diagnosis=True,
                        announce=progress.announce,
                        progress=progress.step,
                        **options,
                    )
            except WorkerStartError:
                raise  # the next one would fare no better
            except DataError as error:  # the next one may be for other data
                worst = max(worst, NOT_GRADED if str(error) in said else explain(error))
                said.add(str(error))
                continue
            except Exception as error:
                worst = max(worst, explain(error, chosen.name))
                continue
            results.append(result)
            if not quiet and (report.is_started(result) or not only_started):
                report.show(result, console())
                if len(jobs) > 1:
                    say("")
    return results, worst


def _workers(preload: list[str], shown: bool) -> Workers:
    """Those of one run: what starts them is a fork of this process, once torch is there."""
    from grader.judge.workers import Workers, can_fork

    if can_fork():
        gc.disable()  # most of what is imported stays
        with starting(shown):
            import torch  # noqa: F401

            for name in preload:
                if name.partition(".")[0] == "torch":  # of others, workers have something else
                    importlib.import_module(name)
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # in the end, libraries complain of what has not been collected
    return Workers(preload=preload, of_this=True)
