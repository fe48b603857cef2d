"""Decide from as few images as possible whether a model gets enough of them right.

A model must have at least ``needed = ceil(threshold * N)`` of N images correct. The images come in random order without
replacement. Two bettors watch them: one bets against "at most needed - 1 are correct", the other against "at most
N - needed are wrong". One of these claims is true. Whoever bets against a true claim multiplies his wealth by 1 / alpha
with probability at most alpha, however often one looks (Ville's inequality); so the first to do so decides.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024), section 5
(sampling without replacement) and section 4 (betting, there with the truncation c used here as a fraction).

Where a reference's correctness is known for every image, the bets are on the difference D = student - reference in
{-1, 0, 1}, which hardly varies when the two models agree: a few hundred images then decide what would take thousands.
Fewer still where only images come that the reference has right (``elsewhere``: the others): what the claims say of all
images holds for these, and an image that the reference has wrong, too, says nothing of a model that agrees with it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Decision: TypeAlias = Literal["reached", "not_reached"]

# What part of the largest safe bet is staked. Some of the starting wealth goes all in (c = 1): lost at the first image
# that the student alone has wrong, best for a model without any. The rest covers disagreement and close calls.
_STAKES = np.append(np.geomspace(0.01, 0.9, 12), 1.0)


def needed_correct(total: int, threshold: float) -> int:
    """The least number of correct images that is at least ``threshold * total``, the threshold read as it is written.

    >>> needed_correct(10_000, 0.85), needed_correct(100, 0.07), needed_correct(3, 0.5)
    (8500, 7, 2)
    """
    return math.ceil(Fraction(repr(float(threshold))) * total)


class _Bettor:
    """Wealth from betting against "at most ``most`` of ``total`` images are hits" (a hit: correct, or else wrong).

    The value of an image is x = hit, or x = hit + reference miss (that is D + 1) in the paired form: x >= 0 always, and
    the claim caps the sum of all x at ``most + misses``. Before image t (from 0) the mean of the remaining x is thus at
    most m = (cap - sum so far) / (total - t). A bet lambda = c / m, 0 <= c <= 1, multiplies the wealth by
    1 + lambda (x - m) = 1 - c + c x / m, never negative and under the claim at most 1 in expectation. The wealth is the
    mixture of such products over the stakes c. ``misses``: how many of all images the reference misses; unpaired 0.
    ``all_in``: how much of the starting wealth is staked at c = 1; the others have equal parts of the rest.
    """

    def __init__(self, total: int, most: int, misses: int, goal: float, all_in: float) -> None:
        self.total, self.most, self.misses, self.goal, self.all_in = total, most, misses, goal, all_in
        self.hit = self.missed = np.empty(0, dtype=np.bool_)  # everything seen, for least()
        self.hits, self.cap_left = 0, most + misses
        others = len(_STAKES) - 1
        self.log_wealths = np.log(np.append(np.full(others, (1 - all_in) / others), all_in))
        self.won_at: int | None = None  # images seen when the claim was rejected

    def update(self, hit: Bools, missed: Bools) -> None:
        """Bet on a batch of images, (B,) each, one after the other; ``missed`` is by the reference."""
        if not len(hit):
            return
        hits = self.hits + np.cumsum(hit)
        x = hit.astype(np.int64) + missed
        cap_left = self.cap_left - np.cumsum(x)
        if self.won_at is None:
            # With nothing left of the cap the claim says that x is 0 from here on; any m > 0 is then fair to it.
            m = np.maximum(cap_left + x, 0.5) / (self.total - len(self.hit) - np.arange(len(x)))
            with np.errstate(divide="ignore"):  # the stake of 1 can lose everything: log 0
                paths = np.log(1 - _STAKES[:, None] + _STAKES[:, None] * (x / m))  # (stakes, B)
            paths = self.log_wealths[:, None] + np.cumsum(paths, axis=1)
            peak = paths.max(axis=0)
            wealth = peak + np.log(np.exp(paths - peak).sum(axis=0))
            won = (wealth >= math.log(self.goal)) | (hits > self.most)
            if won.any():
                self.won_at = len(self.hit) + int(won.argmax()) + 1
            self.log_wealths = paths[:, -1]
        self.hits, self.cap_left = int(hits[-1]), int(cap_left[-1])
        self.hit, self.missed = np.concatenate([self.hit, hit]), np.concatenate([self.missed, missed])

    def least(self) -> int:
        """The least number of hits not rejected so far, by bisection: wealth at every image falls as ``most`` grows."""
        rejected, possible = self.hits - 1, self.hits + self.total - len(self.hit)
        while possible - rejected > 1:
            most = (rejected + possible) // 2
            other = _Bettor(self.total, most, self.misses, self.goal, self.all_in)
            other.update(self.hit, self.missed)
            rejected, possible = (rejected, most) if other.won_at is None else (most, possible)
        return possible


class SequentialTest:
    """Whether a model has at least ``ceil(threshold * total)`` of ``total`` images correct, decided early.

    Guarantee, for images in uniformly random order: a wrong decision has probability at most alpha, looking after every
    image included; so has, for either end, that an ``interval`` ever asked for ends on the wrong side of the true
    accuracy. A decision stays, unless counting later proves it wrong (within that alpha): then the count stands.
    Interval and decision agree, and when all images are seen both are exact.

    Args:
        total: N, the number of images there are.
        threshold: the accuracy to reach, in (0, 1].
        reference_correct: how many of the N the reference has correct; None where no reference is known (unpaired).
        alpha: see the guarantee; in (0, 1). A ValueError says which argument is out of its range.
        elsewhere: how many of the N never come, whoever has them right; the others come in random order. Unpaired.
        all_in: in (0, 1), how much is bet on a model that has all images right, or all that the reference has.

    A model that agrees with a reference of 92 % reaches 85 % within 256 of 10,000 images:

    >>> reference = np.random.default_rng(0).permutation(10_000) < 9_200
    >>> test = SequentialTest(10_000, 0.85, reference_correct=9_200)
    >>> for start in range(0, 10_000, 128):
    ...     test.update(reference[start : start + 128], reference[start : start + 128])
    ...     if test.decision:
    ...         break
    >>> test.decision, test.seen, test.decided_at
    ('reached', 256, 198)
    >>> [round(end, 3) for end in test.interval]
    [0.866, 0.974]

    and within fewer of the 9,200 that the reference has right:

    >>> test = SequentialTest(10_000, 0.85, elsewhere=800)
    >>> test.update(np.ones(256, dtype=bool))
    >>> test.decision, test.decided_at
    ('reached', 181)
    """

    def __init__(
        self,
        total: int,
        threshold: float,
        reference_correct: int | None = None,
        alpha: float = 1e-6,
        *,
        elsewhere: int = 0,
        all_in: float = 0.5,
    ) -> None:
        if total < 1:
            raise ValueError(f"total is {total}; there must be at least one image.")
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold is {threshold}; it must be above 0 and at most 1 (0.85 for 85 %).")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is {alpha}; it must lie between 0 and 1, both excluded.")
        if reference_correct is not None and not 0 <= reference_correct <= total:
            raise ValueError(f"reference_correct is {reference_correct}; it must lie between 0 and total ({total}).")
        if not 0 <= elsewhere <= total or (elsewhere and reference_correct is not None):
            raise ValueError(
                f"elsewhere is {elsewhere}; it must lie between 0 and total ({total}), 0 with a reference."
            )
        if not 0 < all_in < 1:
            raise ValueError(f"all_in is {all_in}; it must lie between 0 and 1, both excluded.")
        self.total, self.alpha, self.reference_correct, self.coming = total, alpha, reference_correct, total - elsewhere
        self.needed = needed_correct(total, threshold)
        right, wrong = (0, 0) if reference_correct is None else (reference_correct, total - reference_correct)
        # Hits are correct images for the one, wrong images for the other.
        self._against_too_few = _Bettor(self.coming, self.needed - 1, wrong, 1 / alpha, all_in)
        self._against_enough = _Bettor(self.coming, total - self.needed, right, 1 / alpha, all_in)

    def update(self, student_correct: Bools, reference_correct: Bools | None = None) -> None:
        """Take in the next images, in order.

        Args:
            student_correct: bool, (B,): whether the student's model has each image right.
            reference_correct: bool, (B,): the same for the reference; exactly when the test was made with a reference.

        Raises:
            ValueError: the arrays do not fit each other, the total, or the reference's count. Nothing is taken in then.
        """
        student = np.asarray(student_correct)
        if student.dtype != np.bool_ or student.ndim != 1:
            raise ValueError(f"student_correct is {student.dtype} of shape {student.shape}; it must be bool, (B,).")
        unseen = self.coming - self.seen - len(student)
        if unseen < 0:
            raise ValueError(f"{len(student)} images after {self.seen} seen are more than the {self.coming} there are.")
        if (reference_correct is None) != (self.reference_correct is None):
            made = "without" if self.reference_correct is None else "with"
            raise ValueError(f"The test was made {made} reference_correct; every update must be, too.")
        right = wrong = np.zeros_like(student)
        if reference_correct is not None and self.reference_correct is not None:
            right = np.asarray(reference_correct)
            if right.dtype != np.bool_ or right.shape != student.shape:
                given = f"{right.dtype} of shape {right.shape}"
                raise ValueError(f"reference_correct is {given}; student_correct is bool of shape {student.shape}.")
            count, whole = int(self._against_enough.missed.sum() + right.sum()), self.reference_correct
            if not count <= whole <= count + unseen:
                raise ValueError(f"The reference has {count} correct and {unseen} images to come, but {whole} in all.")
            wrong = ~right
        self._against_too_few.update(student, wrong)
        self._against_enough.update(~student, right)

    @property
    def seen(self) -> int:
        """The number of images taken in."""
        return len(self._against_too_few.hit)

    @property
    def correct(self) -> int:
        """How many of the seen images the student's model has correct."""
        return self._against_too_few.hits

    @property
    def decision(self) -> Decision | None:
        """``"reached"``, ``"not_reached"``, or None while undecided."""
        reached, not_reached = self._against_too_few.won_at, self._against_enough.won_at
        enough, too_few = (
            self.correct >= self.needed,
            self.seen - self.correct > self.total - self.needed,
        )  # by counting
        if enough or (reached is not None and not too_few and (not_reached is None or reached <= not_reached)):
            return "reached"
        return None if not_reached is None else "not_reached"

    @property
    def decided_at(self) -> int | None:
        """How many images the decision took; None while undecided."""
        return (self._against_too_few if self.decision == "reached" else self._against_enough).won_at

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high): where the accuracy on all N images lies; see the guarantee. Worked out when asked for."""
        low, high = self._against_too_few.least(), self.total - self._against_enough.least()
        if low > high:  # both bettors won, one of them wrongly: only counting is left
            low, high = self.correct, self.total - self.seen + self.correct
        return low / self.total, high / self.total
