"""grader.training.pace: the time left is right after a resume and across stages of different cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.training.pace import ENOUGH, WINDOW, Pace
from grader.training.recipe import Stage


class Machine:
    """A clock that steps move on, each by the seconds it takes."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def do(self, pace: Pace, seconds: float, steps: int = 1) -> None:
        for _ in range(steps):
            self.now += seconds
            pace.step()


def test_costs_of_stages() -> None:
    assert Stage(1, (0.1, 0.1)).cost == 4 * Stage(1, (0.1, 0.1), width=0.5).cost
    assert Stage(1, (0.1, 0.1)).cost == 16 * Stage(1, (0.1, 0.1), width=0.5, size=16).cost


def test_nothing_is_known_before_two_steps() -> None:
    machine = Machine()
    pace = Pace([5], [1.0], clock=machine)
    assert pace.seconds_left() is None
    machine.do(pace, 60.0)  # the first warms up: it is no measure of the others
    assert pace.seconds_left() is None
    machine.do(pace, 2.0)
    assert pace.seconds_left() == pytest.approx(3 * 2.0)


stages = st.lists(st.tuples(st.integers(1, 40), st.sampled_from([1 / 16, 1 / 4, 1.0])), min_size=1, max_size=5)


@given(stages, st.data())
def test_exact_where_the_costs_are_true(stages: list[tuple[int, float]], data: st.DataObject) -> None:
    """From the second step of this run to the last one, wherever it was resumed."""
    steps, costs = [steps for steps, _ in stages], [cost for _, cost in stages]
    each = [cost * 3.0 for steps, cost in stages for _ in range(steps)]
    first = data.draw(st.integers(0, len(each)), label="done by earlier runs")
    machine = Machine()
    pace = Pace(steps, costs, first, machine)
    for done in range(first, len(each)):
        machine.do(pace, each[done])
        if done > first:
            assert pace.seconds_left() == pytest.approx(sum(each[done + 1 :]))


def test_after_a_resume_only_steps_since_then_count() -> None:
    machine = Machine()
    first = Pace([100, 50], [1.0, 4.0], clock=machine)
    machine.do(first, 1.0, steps=40)
    assert first.seconds_left() == pytest.approx(60 + 50 * 4)
    machine.now += 3600  # an hour later, on a machine half as fast
    resumed = Pace([100, 50], [1.0, 4.0], 40, machine)
    assert resumed.seconds_left() is None
    machine.do(resumed, 2.0, steps=10)
    assert resumed.seconds_left() == pytest.approx(2 * (50 + 50 * 4))


def test_a_stage_that_costs_more_than_guessed_corrects_the_guess() -> None:
    machine = Machine()
    pace = Pace([50, 50, 50], [1.0, 4.0, 4.0], clock=machine)
    machine.do(pace, 1.0, steps=50)
    assert pace.seconds_left() == pytest.approx(400)  # what the second and third stage cost is a guess
    machine.do(pace, 30.0)  # its first step is slow, and too little to go by
    assert pace.seconds_left() == pytest.approx(99 * 4)
    machine.do(pace, 6.0, steps=49)  # 50 % more than guessed; so will be the third, which costs the same
    expected = (30 + 49 * 6) / 50
    assert pace.seconds_left() == pytest.approx(50 * expected)


def test_stages_of_the_same_cost_share_their_pace() -> None:
    machine = Machine()
    pace = Pace([30, 30], [1.0, 1.0], clock=machine)
    machine.do(pace, 1.0, steps=31)
    machine.do(pace, 5.0)
    assert pace.seconds_left() == pytest.approx(28 * (30 * 1 + 5) / 31)


def test_it_follows_a_machine_that_becomes_busy() -> None:
    machine = Machine()
    pace = Pace([1000], [1.0], clock=machine)
    machine.do(pace, 1.0, steps=500)
    machine.do(pace, 3.0, steps=WINDOW)
    assert pace.seconds_left() == pytest.approx(400 * 3)


def test_a_new_stage_goes_by_the_old_one_until_enough_steps_are_timed() -> None:
    machine = Machine()
    pace = Pace([20, 100], [1.0, 4.0], clock=machine)
    machine.do(pace, 1.0, steps=20)
    machine.do(pace, 8.0, steps=ENOUGH - 1)
    assert pace.seconds_left() == pytest.approx((100 - ENOUGH + 1) * 4)
    machine.do(pace, 8.0)
    assert pace.seconds_left() == pytest.approx((100 - ENOUGH) * 8)


def test_nothing_is_left_at_the_end() -> None:
    machine = Machine()
    pace = Pace([2, 1], [1.0, 4.0], clock=machine)
    machine.do(pace, 1.0, steps=3)
    assert pace.seconds_left() == 0
    with pytest.raises(IndexError):
        pace.step()
