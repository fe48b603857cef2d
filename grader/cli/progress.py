"""What is going on and how much of it is left, on standard error."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console, RenderableType

from grader import report
from grader.language import gettext

LINE_EVERY = 20.0  # seconds between two lines where there is no terminal to draw a bar on


@contextlib.contextmanager
def starting(shown: bool) -> Iterator[None]:
    """Say so on standard error while Python and torch start, if ``shown``; without a thread: a fork may follow."""
    if not shown:
        yield
        return
    from rich.live import Live
    from rich.text import Text

    text = Text(gettext("starting Python and torch"))
    with Live(text, console=Console(stderr=True), transient=True, auto_refresh=False, redirect_stdout=False):
        yield


class Progress:
    """The checks of one submission, in one or two lines on standard error that are gone when it ends.

    Nothing unless ``shown``.
    """

    def __init__(self, shown: bool) -> None:
        self._shown = shown

    def __enter__(self) -> Progress:
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
        self._check = self._checks.add_task(gettext("starting Python and torch"), total=None)
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


@dataclass
class _Now:
    """What a bar shows: ``text`` above ``done`` of ``total``, and when it will be over, by the bar's clock."""

    text: str
    what: str = ""
    done: int = 0
    total: int = 0
    end: float | None = None

    def count(self) -> str:
        return f"{self.what} {self.done:,}/{self.total:,}"


class Bar:
    """A long piece of work: a bar with the time left on standard error, or a line now and then.

    Args:
        shown: whether standard error is a terminal. The bar is gone when the work ends. Elsewhere `say` is told a line
            every `LINE_EVERY` seconds.
        say: prints a line.
        clock: seconds from any point.
        console: where the bar is drawn; by default standard error.
    """

    def __init__(
        self,
        shown: bool,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        console: Console | None = None,
    ) -> None:
        self._shown, self._say, self._clock, self._console = shown, say, clock, console
        self._now = _Now("")
        self._begun = clock(), 0  # when what is being counted was first heard of, and how much was done already
        self._last_line = clock()  # or that time, until there is a line

    def __enter__(self) -> Bar:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def announce(self, text: str) -> None:
        """``text`` is going on; nobody knows how long."""
        self._now = _Now(text)

    def update(self, what: str, done: int, total: int, text: str = "", seconds_left: float | None = None) -> None:
        """``done`` of ``total`` are done: of the steps, say, where ``what`` is "step"; ``text`` says more.

        Without ``seconds_left`` those that are left are taken to need as long as those done since the first call.
        """
        now = self._clock()
        if (what, total) != (self._now.what, self._now.total) or done < self._now.done:
            self._begun, self._last_line = (now, done), now
        begun, before = self._begun
        if seconds_left is None and done > before:
            seconds_left = (now - begun) / (done - before) * (total - done)
        self._now = _Now(text, what, done, total, None if seconds_left is None else now + seconds_left)
        if not self._shown and now - self._last_line >= LINE_EVERY:
            self._last_line = now
            left = (
                "" if seconds_left is None else gettext("about {duration} left").format(duration=duration(seconds_left))
            )
            self._say("  ".join(filter(None, [self._now.count(), text, left])))

    def say(self, text: str) -> None:
        """Print a line, above the bar where one is drawn."""
        self._stop()
        self._say(text)
        self._start()

    def _start(self) -> None:
        if not self._shown:
            return
        from rich.live import Live

        # A new one each time: one that is started again clears the lines above it, where `say` has just written.
        self._live = Live(
            get_renderable=self._render,
            console=self._console or Console(stderr=True),
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,  # what is printed goes through `say`
        )
        self._live.start()

    def _stop(self) -> None:
        if self._shown:
            self._live.stop()

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self._now
        text = Text(report.plain(now.text), no_wrap=True, overflow="ellipsis")
        if not now.total:
            return Group(text, ProgressBar(pulse=True, width=30))
        left = "" if now.end is None else gettext("{duration} left").format(duration=duration(now.end - self._clock()))
        line = Table.grid(padding=(0, 1))
        line.add_row(ProgressBar(total=now.total, completed=min(now.done, now.total), width=30), now.count(), left)
        return Group(text, line)


def duration(seconds: float) -> str:
    """``seconds`` in the words of someone who waits.

    >>> duration(44.6), duration(600), duration(5 * 3600 + 19 * 60 + 50)
    ('45 s', '10 min', '5 h 20 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return gettext("{seconds} s").format(seconds=whole)
    minutes = round(seconds / 60)
    if minutes < 60:
        return gettext("{minutes} min").format(minutes=minutes)
    return gettext("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
