"""grader.sequential: few images, honest errors, exact at the end. ``pytest -s`` prints the tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.sequential import SequentialTest, needed_correct

Bools = npt.NDArray[np.bool_]
FORMS = ("agreeing", "disagreeing", "unpaired")


def draw(rng: np.random.Generator, form: str, total: int, student: int, reference: int) -> tuple[Bools, Bools | None]:
    """Correctness on ``total`` images in random order: ``student`` correct ones, and ``reference`` correct ones."""
    order = rng.permutation(total)
    if form == "agreeing":  # the smaller of the two sets lies within the larger one
        return order < student, order < reference
    return order < student, None if form == "unpaired" else rng.permutation(total) < reference


def run(
    student: Bools, reference: Bools | None, threshold: float, alpha: float = 1e-6, batch: int | None = 128
) -> SequentialTest:
    """A test on these images in batches until it decides; ``batch`` None: half of what is left, again and again.

    (Counting overrides bets, and is certain only near the end: short batches there let wrong bets be seen.)
    """
    test = SequentialTest(len(student), threshold, None if reference is None else int(reference.sum()), alpha)
    while test.decision is None and test.seen < test.total:
        part = slice(test.seen, test.seen + (batch or max(1, (test.total - test.seen) // 2)))
        test.update(student[part], None if reference is None else reference[part])
    return test


def run_all(
    student: Bools, reference: Bools | None, threshold: float, alpha: float = 1e-6, batch: int = 128
) -> SequentialTest:
    """A test on all images, decided or not."""
    test = SequentialTest(len(student), threshold, None if reference is None else int(reference.sum()), alpha)
    for start in range(0, test.total, batch):
        part = slice(start, start + batch)
        test.update(student[part], None if reference is None else reference[part])
    return test


def test_no_wrong_decision_from_far_below_to_far_above() -> None:
    total, repetitions = 10_000, 10
    rng = np.random.default_rng(85)
    print(f"\nimages used of {total:,}: median (max) over {repetitions} orders; threshold 85 %, reference 88.5 %")
    print(f"{'accuracy':>9}" + "".join(f"{form:>17}" for form in FORMS))
    for correct in (6000, 7500, 8000, 8300, 8450, 8499, 8500, 8550, 8700, 9000, 9300):
        row = f"{correct / 100:>7.2f} %"
        for form in FORMS:
            tests = [run(*draw(rng, form, total, correct, 8850), threshold=0.85) for _ in range(repetitions)]
            assert {t.decision for t in tests} == {"reached" if correct >= 8500 else "not_reached"}
            used = [t.decided_at or 0 for t in tests]
            row += f"{int(np.median(used)):>9,} ({max(used):,})".rjust(17)
        print(row)


@pytest.mark.parametrize(("reference", "most_images"), [(8600, 1500), (9200, 230)])
def test_an_agreeing_model_is_decided_soon(reference: int, most_images: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        test = run(*draw(rng, "agreeing", 10_000, reference, reference), threshold=0.85)
        assert test.decision == "reached"
        assert (test.decided_at or 10_000) <= most_images


def peek_naively(student: Bools, needed: int, z: float) -> bool:
    """Whether a z-test (with the finite population's correction) repeated at every image ever decides wrongly first."""
    total, seen = len(student), np.arange(1, len(student))
    mean = np.cumsum(student)[:-1] / seen
    p = (needed - 0.5) / total
    error = np.sqrt(p * (1 - p) / seen * (total - seen) / (total - 1))
    decided = np.abs(mean - p)[20:] > z * error[20:]  # 20 images are waited for: generous to the naive method
    return bool(decided.any() and (mean[20:][decided.argmax()] > p) != (int(student.sum()) >= needed))


def test_errors_at_the_boundary_are_as_rare_as_promised() -> None:
    total, needed, alpha, repetitions = 300, 240, 0.025, 500
    rng = np.random.default_rng(2)
    bound = alpha + 3 * math.sqrt(alpha * (1 - alpha) / repetitions)
    print(f"\nwrong decisions at the boundary, alpha {alpha}: promised at most {alpha}, allowed here {bound:.4f}")
    for correct, form in itertools.product((needed - 1, needed), FORMS):
        right = "reached" if correct >= needed else "not_reached"
        draws = [draw(rng, form, total, correct, 255) for _ in range(repetitions)]
        wrong = np.mean([run(*both, threshold=0.8, alpha=alpha, batch=None).decision != right for both in draws])
        naive = np.mean([peek_naively(student, needed, z=1.96) for student, _ in draws])
        print(f"  {correct} of {total}, {form:<11} {wrong:.4f}   repeated z-tests of the same level {naive:.4f}")
        assert wrong <= bound
        assert naive > 3 * bound  # so this test does tell a broken method


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.9])
def test_errors_over_all_orders(threshold: float) -> None:
    """Exactly, not by chance: of all orders of a few images, at most alpha lead to a wrong decision."""
    total, alpha = 9, 0.3
    needed = needed_correct(total, threshold)
    wrong_anywhere = 0
    for correct in range(total + 1):
        right = "reached" if correct >= needed else "not_reached"
        orders = list(itertools.combinations(range(total), correct))
        wrong = 0
        for order in orders:
            student = np.isin(np.arange(total), order)
            wrong += run(student, None, threshold, alpha, batch=1).decision != right
        assert wrong <= alpha * len(orders)
        wrong_anywhere += wrong
    assert wrong_anywhere  # alpha is large enough for the bound to be tried


@pytest.mark.parametrize("correct_elsewhere", [0, 1, 2, 3])
def test_errors_over_all_orders_of_a_part(correct_elsewhere: int) -> None:
    """As above, of images some of which never come; whether these are correct is not known."""
    total, elsewhere, alpha = 10, 3, 0.3
    coming, wrong_anywhere = total - elsewhere, 0
    for needed, correct in itertools.product(range(1, total + 1), range(coming + 1)):
        right = "reached" if correct + correct_elsewhere >= needed else "not_reached"
        orders = list(itertools.combinations(range(coming), correct))
        wrong = 0
        for order in orders:
            test = SequentialTest(total, needed / total, alpha=alpha, elsewhere=elsewhere)
            for number in range(coming):
                test.update(np.array([number in order]))
                if test.decision:
                    wrong += test.decision != right
                    break
        assert wrong <= alpha * len(orders)
        wrong_anywhere += wrong
    assert wrong_anywhere


@pytest.mark.parametrize("kinds", ["++==--", "+++=--", "+===-x", "++==xx", "==---x"])
def test_errors_over_all_orders_paired(kinds: str) -> None:
    """As above, with a reference; + student alone correct, - reference alone, = both, x neither."""
    alpha, total = 0.35, len(kinds)
    orders = set(itertools.permutations(kinds))
    correct = sum(kind in "+=" for kind in kinds)
    for needed in range(1, total + 1):
        right = "reached" if correct >= needed else "not_reached"
        wrong = 0
        for order in orders:
            student, reference = (np.array([kind in good for kind in order]) for good in ("+=", "-="))
            wrong += run(student, reference, needed / total, alpha, batch=1).decision != right
        assert wrong <= alpha * len(orders)


@pytest.mark.parametrize("form", FORMS)
def test_the_interval_holds_the_truth_at_every_look(form: str) -> None:
    total, alpha, repetitions = 200, 0.05, 100
    rng = np.random.default_rng(3)
    missed, widths = 0, []
    for _ in range(repetitions):
        student, reference = draw(rng, form, total, int(rng.integers(total + 1)), 170)
        test = SequentialTest(total, 0.8, None if reference is None else 170, alpha)
        held = True
        for start in range(0, total, 50):
            part = slice(start, start + 50)
            test.update(student[part], None if reference is None else reference[part])
            low, high = test.interval
            assert test.correct / total <= low <= high <= (test.correct + total - test.seen) / total
            held &= low <= student.mean() <= high
            if start == 50:
                widths.append(high - low)
        assert test.interval == (student.mean(), student.mean())
        missed += not held
    print(
        f"\ninterval, {form}: missed {missed / repetitions:.3f} (alpha {alpha}), median width {np.median(widths):.3f}"
    )
    assert missed / repetitions <= 2 * alpha + 3 * math.sqrt(2 * alpha * (1 - 2 * alpha) / repetitions)  # two ends
    assert np.median(widths) < 0.4  # counting alone: 0.5


@st.composite
def cases(draw: Callable[..., object]) -> tuple[Bools, Bools | None, float, float]:
    """Any correctness in any order, not only the random ones: (student, reference, threshold, alpha)."""
    total = draw(st.integers(1, 60))
    bools = st.lists(st.booleans(), min_size=total, max_size=total).map(np.array)  # type: ignore[arg-type]
    threshold = draw(st.floats(0.01, 1))
    return draw(bools), draw(st.none() | bools), threshold, draw(st.sampled_from([1e-6, 0.05, 0.9]))  # type: ignore


@given(cases(), st.integers(1, 61))
@settings(max_examples=100, deadline=None)
def test_with_all_images_seen_the_count_decides(case: tuple[Bools, Bools | None, float, float], batch: int) -> None:
    student, reference, threshold, alpha = case
    test = run_all(student, reference, threshold, alpha, batch)
    assert (test.decision == "reached") == (student.sum() >= test.needed)
    assert test.interval == (student.mean(), student.mean())
    assert (test.seen, test.correct) == (len(student), student.sum())


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_order_does_not_change_the_final_decision(case, random) -> None:  # type: ignore[no-untyped-def]
    student, reference, threshold, alpha = case
    order = random.sample(range(len(student)), len(student))
    reordered = student[order], None if reference is None else reference[order]
    assert run_all(*reordered, threshold, alpha).decision == run_all(student, reference, threshold, alpha).decision


@given(cases(), st.integers(1, 61))
@settings(max_examples=100, deadline=None)
def test_batches_do_not_matter(case: tuple[Bools, Bools | None, float, float], batch: int) -> None:
    whole = run_all(*case, batch=len(case[0]))
    parts = run_all(*case, batch=batch)
    assert (whole.decision, whole.decided_at) == (parts.decision, parts.decided_at)


@given(cases(), st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_counting_decides_and_bounds(case: tuple[Bools, Bools | None, float, float], seen: int) -> None:
    student, reference, threshold, alpha = case
    test = SequentialTest(len(student), threshold, None if reference is None else int(reference.sum()), alpha)
    test.update(student[:seen], None if reference is None else reference[:seen])
    most = test.correct + test.total - test.seen
    if test.correct >= test.needed:
        assert test.decision == "reached"
    if most < test.needed:
        assert test.decision == "not_reached"
    low, high = test.interval
    assert test.correct / test.total <= low <= high <= most / test.total


@given(cases())
@settings(max_examples=60, deadline=None)
def test_interval_and_decision_agree(case: tuple[Bools, Bools | None, float, float]) -> None:
    student, reference, threshold, alpha = case
    test = SequentialTest(len(student), threshold, None if reference is None else int(reference.sum()), alpha)
    for i in range(0, len(student), 5):
        test.update(student[i : i + 5], None if reference is None else reference[i : i + 5])
        low, high = (round(end * test.total) for end in test.interval)
        assert not (test.decision == "reached" and high < test.needed)
        assert not (test.decision == "not_reached" and low >= test.needed)
        if test.decision is None:
            assert low < test.needed <= high


@pytest.mark.parametrize(
    ("total", "threshold", "needed"),
    [
        (10_000, 0.85, 8500),
        (10_000, 0.8501, 8501),
        (10_000, 0.85005, 8501),
        (100, 0.07, 7),
        (450, 1, 450),
        (3, 1e-9, 1),
    ],
)
def test_needed_is_not_rounded(total: int, threshold: float, needed: int) -> None:
    assert SequentialTest(total, threshold).needed == needed_correct(total, np.float64(threshold)) == needed


def test_a_wrong_bet_gives_way_to_the_count() -> None:
    student = np.arange(1000) < 600  # far from random: all correct images come first
    test = SequentialTest(1000, 0.85, alpha=1e-6)
    decisions = []
    for part in (slice(400), slice(400, 750), slice(750, 751)):
        test.update(student[part])
        decisions.append(test.decision)
    assert decisions == ["reached", "reached", "not_reached"]  # it stays while counting allows it, 600 + 250


def test_nothing_seen_and_nothing_new() -> None:
    test = SequentialTest(100, 0.5)
    test.update(np.empty(0, dtype=bool))
    assert (test.decision, test.decided_at, test.seen, test.correct, test.interval) == (None, None, 0, 0, (0.0, 1.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total": 0}, "total is 0; there must be at least one image."),
        ({"threshold": 0.0}, "threshold is 0.0; it must be above 0"),
        ({"threshold": 85}, "threshold is 85; it must be above 0 and at most 1"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"reference_correct": 11}, "reference_correct is 11; it must lie between 0 and total"),
        ({"elsewhere": 11}, "elsewhere is 11; it must lie between 0 and total"),
        ({"elsewhere": 2, "reference_correct": 8}, "elsewhere is 2; .* 0 with a reference"),
        ({"all_in": 1.0}, "all_in is 1.0"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SequentialTest(**{"total": 10, "threshold": 0.5, **arguments})  # type: ignore[arg-type]


YES = np.ones(4, dtype=bool)


@pytest.mark.parametrize(
    ("reference_correct", "batch", "message"),
    [
        (None, (np.ones(11, dtype=bool),), "11 images after 0 seen are more than the 10 there are"),
        (None, (np.ones(4),), "student_correct is float64"),
        (None, (YES[None],), r"student_correct is bool of shape \(1, 4\)"),
        (None, (YES, YES), "made without reference_correct"),
        (8, (YES,), "made with reference_correct"),
        (8, (YES, YES[:3]), r"of shape \(3,\); student_correct is bool of shape \(4,\)"),
        (8, (YES, np.ones(4)), "reference_correct is float64"),
        (3, (YES, YES), "The reference has 4 correct and 6 images to come, but 3 in all"),
        (7, (YES, ~YES), "The reference has 0 correct and 6 images to come"),
    ],
)
def test_batches_that_do_not_fit(reference_correct: int | None, batch: tuple[Bools, ...], message: str) -> None:
    test = SequentialTest(10, 0.5, reference_correct)
    with pytest.raises(ValueError, match=message):
        test.update(*batch)
    assert test.seen == 0
