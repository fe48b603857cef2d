"""What all commands share: exit codes, what is printed and where, being stopped, and errors as sentences.

Exit codes: 0 full points (or all well), 1 not, 2 something could not be graded (what was given cannot be used, or the
grader or an assignment is at fault: a sentence says which), 130 stopped by Ctrl-C (128 + its number by another signal;
141 where whoever read standard output has gone, as `head` does).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator

import typer
from rich.console import Console

from grader import report
from grader.language import gettext

OK, NOT_FULL, NOT_GRADED, STOPPED, UNREAD = 0, 1, 2, 130, 141
# Exceptions whose message is all that a person needs: by module, since those are imported when a command needs them.
SENTENCES = {
    "grader.assignment": ["AssignmentError"],
    "grader.submission": ["SubmissionError"],
    "grader.stubs": ["StubError"],
    "grader.datasets": ["DataError"],
    "grader.intake": ["IntakeError"],
    "grader.judge.sandbox": ["SandboxError"],
    "grader.class_run.store": ["StoreError"],
    "grader.class_run.executors": ["SchedulerError"],
    "grader.class_run.judging": ["OtherChecksError"],
    "grader.nbgrader_course": ["CourseError"],
    "grader.visualize.run": ["PictureError"],
    "grader.training.recipe": ["RecipeError", "TrainingError"],
}


# Printing


def console() -> Console:
    """For reports on standard output."""
    return Console(highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    """Print ``text`` on standard output."""
    typer.echo(report.encodable(report.plain(text), sys.stdout.encoding or "utf-8"))


def complain(text: str) -> None:
    """Print ``text`` on standard error."""
    typer.echo(report.encodable(report.plain(text), sys.stderr.encoding or "utf-8"), err=True)


# Being stopped


class Stopped(KeyboardInterrupt):
    """A signal asked to stop; its number is the argument."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
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


# What went wrong


def exit_after(work: Callable[[], int]) -> None:
    """Do ``work`` and exit with the code that it returns, or that stands for what it raises."""
    try:
        status = work()
    except KeyboardInterrupt as stopped:
        complain(gettext("Stopped."))
        status = 128 + stopped.args[0] if isinstance(stopped, Stopped) else STOPPED
    except Exception as error:
        status = UNREAD if isinstance(error, BrokenPipeError) and _unread() else explain(error)
    raise typer.Exit(status)


def _unread() -> bool:
    """Whether nobody reads standard output any more; what is left to print there is then thrown away."""
    if not hasattr(select, "poll"):  # Windows, where there is no such pipe either
        return False
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # an error, or a hang-up
    if not output.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def explain(error: Exception, name: str = "") -> int:
    """One sentence about ``error`` on standard error; returns the exit code. A traceback goes into a file.

    Args:
        name: of the assignment, where one was being graded.
    """
    text = str(error)
    if any(_is(error, module, kind) for module, kinds in SENTENCES.items() for kind in kinds):
        complain(text)
        return NOT_GRADED
    first_line = text.splitlines()[0] if text else ""
    if _is(error, "grader.judge.plugin", "BrokenCheck"):
        summary = gettext("The checks of {name} do not work: {first_line}").format(name=name, first_line=first_line)
    elif _is(error, "grader.judge.workers", "WorkerStartError"):
        summary = text
    else:
        summary = f"{type(error).__name__}: {first_line}"
    whole = "".join(traceback.format_exception(error))
    complain(
        gettext("{summary}\nThis is not your file's fault. Tell your instructor{kept}.").format(
            summary=summary, kept=_kept(whole)
        )
    )
    if os.environ.get("GRADER_DEBUG") == "1":
        complain(whole)
    return NOT_GRADED


def _is(error: Exception, module: str, kind: str) -> bool:
    """Whether ``error`` is a ``kind`` of ``module``; where that is not imported, it did not raise either."""
    return module in sys.modules and isinstance(error, getattr(sys.modules[module], kind, ()))


def _kept(whole: str) -> str:
    """Where the traceback was saved, as the end of a sentence."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="torch-grader-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(whole)
    except OSError:
        return gettext("; GRADER_DEBUG=1 shows the details")
    return gettext("; the details are in {name}").format(name=file.name)
