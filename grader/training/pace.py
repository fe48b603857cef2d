"""How long a training run still takes, its stages being of different cost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

WINDOW = 100  # steps whose mean is the pace: long enough to include a save, short enough to follow a busier machine
ENOUGH = 10  # steps of a new cost before the pace is theirs: the first ones allocate memory and choose kernels


class Pace:
    """Times the steps as they are done and says how long the others take.

    A step of a stage that has not begun takes as much longer than those timed as its cost is higher. Only steps done
    since this object was made count: a resumed run may be on another machine, or on a busier one.

    Args:
        steps: of each stage.
        costs: of a step of each stage, in any unit.
        done: steps that earlier runs have done.

    One step takes 2 s; of the first stage three are left, and the two of the second cost four times as much:

    >>> seconds = iter([10.0, 12.0])
    >>> pace = Pace(steps=[5, 2], costs=[1, 4], clock=lambda: next(seconds))
    >>> pace.step(), pace.step()
    (None, None)
    >>> pace.seconds_left()
    22.0
    """

    def __init__(
        self,
        steps: Sequence[int],
        costs: Sequence[float],
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps, self._costs, self._done, self._clock = list(steps), list(costs), done, clock
        self._last: float | None = None
        self._timed: deque[float] = deque(maxlen=WINDOW)  # seconds per unit of cost, of steps that cost the same
        self._timed_cost = 0.0
        self._before: float | None = None  # the pace at the cost before that

    def step(self) -> None:
        """One more step is done."""
        now = self._clock()
        cost = self._cost_of(self._done)
        self._done += 1
        if self._last is not None:  # the first step is not timed: the program warms up
            if cost != self._timed_cost:
                self._before = self._pace()
                self._timed.clear()
                self._timed_cost = cost
            self._timed.append((now - self._last) / cost)
        self._last = now

    def seconds_left(self) -> float | None:
        """How long the remaining steps take; None before two steps are done."""
        pace = self._pace()
        if pace is None:
            return None
        left, first = 0.0, 0
        for steps, cost in zip(self._steps, self._costs, strict=True):
            left += cost * (steps - min(max(self._done - first, 0), steps))
            first += steps
        return left * pace

    def _pace(self) -> float | None:
        if self._before is not None and len(self._timed) < ENOUGH:
            return self._before
        return sum(self._timed) / len(self._timed) if self._timed else None

    def _cost_of(self, step: int) -> float:
        for steps, cost in zip(self._steps, self._costs, strict=True):
            if step < steps:
                return cost
            step -= steps
        raise IndexError("all steps are done already")
