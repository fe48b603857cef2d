"""grader.cli.progress: what a terminal shows of a long piece of work, and what is printed where there is none."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from grader.cli.progress import LINE_EVERY, Bar


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_line_now_and_then() -> None:
    said: list[str] = []
    clock = Clock()
    with Bar(False, said.append, clock) as bar:
        bar.announce("Loading")
        clock.now += 1000.0  # however long that takes
        for done in range(101):
            bar.update("step", done, 1200, "loss 0.312", seconds_left=60.0 * done)
            clock.now += 1.0
        bar.say("Saved.")
    assert LINE_EVERY == 20
    assert said[:2] == [
        "step 20/1,200  loss 0.312  about 20 min left",
        "step 40/1,200  loss 0.312  about 40 min left",
    ]
    assert said[4:] == ["step 100/1,200  loss 0.312  about 1 h 40 min left", "Saved."]


def test_its_own_estimate_starts_anew_with_other_work() -> None:
    said: list[str] = []
    clock = Clock()
    with Bar(False, said.append, clock) as bar:
        for what, before, seconds in (("student", 0, 30.0), ("image", 60, 300.0), ("image", 10, 60.0)):
            bar.update(what, before, 100)  # how much is done already says nothing of the pace
            clock.now += seconds
            bar.update(what, before + 10, 100)
    assert said == [
        "student 10/100  about 4 min left",
        "image 70/100  about 15 min left",
        "image 20/100  about 8 min left",
    ]


def terminal(output: StringIO, width: int = 80) -> Console:
    return Console(file=output, force_terminal=True, width=width, height=24, color_system=None, legacy_windows=False)


def test_on_a_terminal_a_bar_that_is_gone_at_the_end() -> None:
    clock = Clock()
    output = StringIO()
    with Bar(True, lambda text: print(text, file=output), clock, terminal(output)) as bar:
        bar.announce("Loading [b]torch[/b] \x1b[31m")
        bar.say("Continuing at step 5.")
        bar.update("step", 300, 1200, "stage 2 of 3, loss 0.312", seconds_left=5400.0)
        clock.now += 1800.0  # a step takes long: the time left goes on falling
        bar.say("Still there.")
    before, _, after = output.getvalue().partition("Continuing at step 5.\n")
    assert "Loading [b]torch[/b]" in before
    assert "\x1b[31m" not in before
    assert before.endswith("\x1b[2K")  # what was drawn is cleared
    during, _, last = after.partition("Still there.\n")
    assert not during.startswith(("\x1b[1A", "\x1b[?25l\r\x1b[2K\x1b[1A"))  # what was said is not
    assert "stage 2 of 3, loss 0.312\n" in during
    assert "step 300/1,200 1 h 0 min left\n" in during
    assert last.endswith("\x1b[2K")


def test_a_narrow_terminal_gets_two_lines_all_the_same() -> None:
    output = StringIO()
    with Bar(True, print, Clock(), terminal(output, width=70)) as bar:
        bar.update("image", 1, 100_000, "long " * 40, seconds_left=36_000.0)
    last = output.getvalue().rpartition("long long")[2]
    assert last.count("\n") == 2
    assert "image 1/100,000 10 h 0 min left\n" in last
