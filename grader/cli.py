"""The command line: ``grader check``, ``grader stubs``, ``grader train``.

Exit codes: 0 full points (or all well), 1 not, 2 something could not be graded (what was given cannot be used, or the
grader or an assignment is at fault: a sentence says which), 130 stopped by Ctrl-C (128 + its number by another signal).

torch, pytest and hypothesis take seconds to import. So they are imported within functions: a mistyped name is answered
at once, and the process that will run student code imports torch while this one does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from grader import __version__, assignment, report, stubs, submission
from grader.assignment import Assignment, AssignmentError
from grader.result import Result
from grader.stubs import StubError
from grader.submission import Submission, SubmissionError
from grader.training.recipe import RecipeError, TrainingError

OK, NOT_FULL, NOT_GRADED, STOPPED = 0, 1, 2, 130
STDOUT = "-"

app = typer.Typer(
    help="Grade PyTorch architecture assignments. Start with: grader check",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the command ``grader`` and of ``python -m grader``."""
    app(args=with_json_target(sys.argv[1:]), prog_name="grader")


def with_json_target(arguments: list[str]) -> list[str]:
    """``--json`` may stand alone, which neither typer nor getopt know: then it gets the value "-".

    >>> with_json_target(["check", "--json", "--exact"])
    ['check', '--json', '-', '--exact']
    >>> with_json_target(["check", "--json", "results.json"])
    ['check', '--json', 'results.json']
    """
    found: list[str] = []
    for index, argument in enumerate(arguments):
        found.append(argument)
        if argument == "--json":
            following = arguments[index + 1] if index + 1 < len(arguments) else "--"
            if (following.startswith("-") and following != STDOUT) or following in _known_names():
                found.append(STDOUT)
    return found


def _known_names() -> list[str]:
    try:
        return assignment.names(assignment.find_root())
    except AssignmentError:
        return []


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"torch-grader {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="ASSIGNMENT", help="Which assignments, as --list names them; all by default."),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "--submission", "-s", metavar="PATH", help="The file, or its folder; by default the stub in assignments/."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help='CIFAR-10: a folder, an archive, or "download"; or "digits". By default GRADER_DATA, ./data, digits.',
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Measure accuracy on every image.")] = False,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="[FILE]",
            help="Write the result as JSON to FILE; without FILE, print it and nothing else.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=2**32 - 1,
            help="Of the checks' random choices; by default made from the file.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Seconds for the import and for each check (not for those with a limit of their own)."
        ),
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the assignments and stop.")] = False,
) -> None:
    """Grade your file and say what to do next.

    \b
    grader check                               every assignment, your file in assignments/
    grader check vgg16                         one of them
    grader check vgg16 -s ~/vgg16.py           a file elsewhere
    grader check vgg16 --data ../cifar10       on CIFAR-10 instead of the embedded digits
    grader check vgg16 --json result.json      for other programs: Gradescope's results.json

    \b
    Exit code: 0 full points, 1 not, 2 could not grade (a sentence says why).
    """
    if timeout is not None and timeout <= 0:
        raise typer.BadParameter("It must be more than 0.", param_hint="--timeout")

    def work() -> int:
        root = assignment.find_root()
        if list_them:
            return _list(root)
        chosen = names or ([_guess(path, root)] if path is not None else _all(root))
        target = None if json in (None, STDOUT) else _writable(Path(str(json)))
        jobs, worst = _jobs(chosen, root, path, timeout)
        quiet = json == STDOUT
        results, status = _grade(jobs, quiet, data=data, exact=exact, seed=seed) if jobs else ([], OK)
        if len(results) > 1 and not quiet:
            report.show_overview(results, _console())
        if json is not None and results:
            _write_json(results if len(chosen) > 1 else results[0], target)
        return max(worst, status, OK if all(map(report.is_full, results)) else NOT_FULL)

    _exit_after(work)


@app.command("stubs")
def cut_stubs(
    name: Annotated[
        str | None, typer.Argument(metavar="ASSIGNMENT", help="Which one; by default all that have a solution here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Keep no copy of what is overwritten.")] = False,
    only_check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a stub is out of step with its solution.")
    ] = False,
) -> None:
    """For instructors: cut the students' stubs from the solutions.

    What is between ### BEGIN SOLUTION and ### END SOLUTION becomes "raise NotImplementedError()". A file that is there
    already and differs is kept beside the stub, with .bak after its name.

    \b
    grader stubs              all of them
    grader stubs vgg16        one
    grader stubs --check      are they in step with the solutions?
    """

    def work() -> int:
        root = assignment.find_root()
        names = [name] if name else [each for each in _all(root) if (root / "solutions" / each).is_dir()]
        if not names:
            raise AssignmentError(f"There are no solutions in {root / 'solutions'}, so no stubs can be cut.")
        chosen = [assignment.load(each, root) for each in names]
        status = OK
        for stub in [stub for each in chosen for stub in stubs.stubs(each)]:  # all are read before one is written
            shown = report.short_path(str(stub.path))
            if stub.in_step:
                _say(f"{shown} is in step with its solution.")
            elif only_check:
                status = NOT_FULL
                _say(f"{shown} is {'out of step with its solution' if stub.path.exists() else 'missing'}.")
            else:
                kept = stubs.write(stub, force=force)
                _say(f"{shown} written." + (f" What was there is now {kept.name}." if kept else ""))
        if status:
            _say("Cut them anew with: grader stubs")
        return status

    _exit_after(work)


@app.command()
def train(
    name: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Which one.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="CIFAR-10, as for check; by default GRADER_DATA or ./data."),
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
        from grader.training.loop import Interrupted
        from grader.training.train import train as run

        try:
            run(chosen, data, _say, epochs=epochs, processes=processes, out=out, state=state, resume=resume)
        except Interrupted as stopped:
            _complain(f"{stopped} Use --resume.")
            return STOPPED
        return OK

    _exit_after(work)


# What to grade


def _all(root: Path) -> list[str]:
    found = assignment.names(root)
    if not found:
        raise AssignmentError(f"There is no assignment in {root / 'assignments'} (a folder with an assignment.toml).")
    return found


def _list(root: Path) -> int:
    found = _all(root)
    width = max(map(len, found))
    for name in found:
        settings = assignment.load(name, root).settings
        _say(f"{name:<{width}}  {settings.title} ({settings.points:g} points, {', '.join(settings.files)})")
    return OK


def _guess(path: Path, root: Path) -> str:
    """The assignment whose file, or files, ``path`` is."""
    path = path.expanduser()
    if not path.exists():
        raise SubmissionError(f"There is no {path}. Give the file to grade, or the folder it is in.")
    files: dict[str, list[str]] = {}
    for name in _all(root):
        with contextlib.suppress(AssignmentError):  # someone else's; it is said when that one is asked for
            files[name] = assignment.load(name, root).settings.files
    if path.is_dir():
        fitting = [name for name, wanted in files.items() if all((path / file).is_file() for file in wanted)]
    else:
        fitting = [name for name, wanted in files.items() if wanted == [path.name]]
    if len(fitting) == 1:
        return fitting[0]
    what = f"fits {' and '.join(fitting)}" if fitting else f"fits none of {', '.join(files)} by its name"
    raise SubmissionError(
        f"{path} {what}. Name the assignment, as in: grader check {(fitting or list(files))[0]} --submission {path}"
    )


def _jobs(
    names: list[str], root: Path, path: Path | None, timeout: float | None
) -> tuple[list[tuple[Assignment, Submission]], int]:
    """What is to be graded; what cannot be is complained of, and the worst of it is the second part."""
    jobs, worst = [], OK
    for name in dict.fromkeys(names):
        try:
            chosen = assignment.load(name, root)
            if timeout is not None:
                limits = msgspec.structs.replace(chosen.settings.limits, import_seconds=timeout, check_seconds=timeout)
                chosen = replace(chosen, settings=msgspec.structs.replace(chosen.settings, limits=limits))
            jobs.append((chosen, submission.read(chosen, path)))
        except (AssignmentError, SubmissionError) as error:
            worst = max(worst, _explain(error))
    return jobs, worst


# Grading


def _grade(jobs: list[tuple[Assignment, Submission]], quiet: bool, **options: Any) -> tuple[list[Result], int]:
    """Grade all ``jobs`` with one set of workers, showing each report as it comes; the worst that went wrong, too."""
    from grader.judge.workers import Workers, WorkerStartError

    results: list[Result] = []
    worst = OK
    with _stoppable(), Workers() as workers:  # from here on, it imports torch
        for chosen, handed_in in jobs:
            try:
                with _Progress(not quiet and sys.stderr.isatty()) as progress, contextlib.redirect_stdout(sys.stderr):
                    from grader.datasets import DataError
                    from grader.judge.grade import grade

                    result = grade(
                        chosen, handed_in, workers, announce=progress.announce, progress=progress.step, **options
                    )
            except (WorkerStartError, DataError):
                raise  # the next one would fare no better
            except Exception as error:
                worst = max(worst, _explain(error, chosen.name))
                continue
            results.append(result)
            if not quiet:
                report.show(result, _console())
                if len(jobs) > 1:
                    _say("")
    return results, worst


class Stopped(KeyboardInterrupt):
    """A signal asked to stop; its number is the argument."""


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal raise `Stopped`, the first of them only: tidying up is not interrupted."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]

    def stop(number: int, _: object) -> None:
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    previous = {number: signal.signal(number, stop) for number in handled}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Progress:
    """What is going on, in one or two lines on standard error that are gone when it ends; nothing unless ``shown``."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown

    def __enter__(self) -> _Progress:
        if not self._shown:
            return self
        from rich.console import Group
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.table import Column

        console = Console(stderr=True)
        title = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="crop"))
        spinner = SpinnerColumn("dots" if console.encoding.startswith("utf") else "line")
        self._checks = Progress(spinner, MofNCompleteColumn(), title, console=console)
        self._steps = Progress(
            TextColumn("  {task.description}", markup=False),
            BarColumn(30),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._check = self._checks.add_task("starting Python and torch", total=None)
        self._step = ("", self._steps.add_task("", visible=False))
        self._live = Live(
            Group(self._checks, self._steps),
            console=console,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=False,
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._live.stop()

    def announce(self, title: str, done: int, total: int) -> None:
        """The next check is ``title``."""
        if self._shown:
            self._checks.update(self._check, description=report.plain(title), completed=done, total=total)
            self._steps.update(self._step[1], visible=False)
            self._step = ("", self._step[1])

    def step(self, what: str, done: int, total: int) -> None:
        """A long step of that check."""
        if not self._shown:
            return
        if self._step[0] != what:
            self._steps.remove_task(self._step[1])
            self._step = (what, self._steps.add_task(what, total=total))
        self._steps.update(self._step[1], completed=min(done, total), total=total)


def _writable(target: Path) -> Path:
    """``target``, where a result can be written to: better said before the grading than after it."""
    target = target.expanduser()
    if target.is_dir() or not target.parent.is_dir():
        why = "it is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        raise SubmissionError(f"The result cannot be written to {target}: {why}. Give --json the name of a file.")
    return target


def _write_json(what: Result | list[Result], target: Path | None) -> None:
    content = msgspec.json.format(msgspec.json.encode(what), indent=2) + b"\n"
    if target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    try:
        target.write_bytes(content)
    except OSError as error:
        raise SubmissionError(f"The result cannot be written to {target}: {error.strerror}.") from None


# What went wrong


def _exit_after(work: Callable[[], int]) -> None:
    """Do ``work`` and exit with the code that it returns, or that stands for what it raises."""
    try:
        status = work()
    except KeyboardInterrupt as stopped:
        _complain("Stopped.")
        status = 128 + stopped.args[0] if isinstance(stopped, Stopped) else STOPPED
    except Exception as error:
        status = _explain(error)
    raise typer.Exit(status)


def _explain(error: Exception, name: str = "") -> int:
    """One sentence about ``error`` on standard error; returns the exit code. A traceback goes into a file."""
    bad_input: list[type[Exception]] = [AssignmentError, SubmissionError, StubError, RecipeError, TrainingError]
    # Where these modules are not imported, they did not raise either.
    if "grader.datasets" in sys.modules:
        from grader.datasets import DataError

        bad_input.append(DataError)
    if isinstance(error, tuple(bad_input)):
        _complain(str(error))
        return NOT_GRADED
    text = str(error)
    summary = f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
    if "grader.judge.plugin" in sys.modules:
        from grader.judge.plugin import BrokenCheck

        if isinstance(error, BrokenCheck):
            summary = f"The checks of {name} do not work: {text.splitlines()[0]}"
    if "grader.judge.workers" in sys.modules:
        from grader.judge.workers import WorkerStartError

        if isinstance(error, WorkerStartError):
            summary = text
    whole = "".join(traceback.format_exception(error))
    _complain(f"{summary}\nThis is not your file's fault. Tell your instructor{_kept(whole)}.")
    if os.environ.get("GRADER_DEBUG") == "1":
        _complain(whole)
    return NOT_GRADED


def _kept(whole: str) -> str:
    """Where the traceback was saved, as the end of a sentence."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="torch-grader-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(whole)
    except OSError:
        return "; GRADER_DEBUG=1 shows the details"
    return f"; the details are in {file.name}"


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _say(text: str) -> None:
    typer.echo(report.encodable(report.plain(text), sys.stdout.encoding or "utf-8"))


def _complain(text: str) -> None:
    typer.echo(report.encodable(report.plain(text), sys.stderr.encoding or "utf-8"), err=True)
