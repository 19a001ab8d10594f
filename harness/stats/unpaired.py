"""Two runs compared of which only the counts are known: a published table's, say.

Pure functions, as in `harness.stats.paired`: a difference is B − A, as a fraction, and swapping
the runs negates every answer exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, perm, sqrt
from statistics import fmean

import numpy as np

from harness.stats.distributions import two_sided
from harness.stats.intervals import Z95, Interval, mean_interval, wilson
from harness.stats.paired import Difference

CLUSTERED = "normal, unpaired, a problem's samples counted once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What is known of one side if only its counts are: no verdict of any single problem."""

    problems: int
    samples: int
    accuracy: float
    """Mean over problems of the share of their samples that are correct."""
    whole: bool = True
    """Whether a whole number of correct samples has this accuracy, as far as it is known."""

    def __post_init__(self) -> None:
        if not (1 <= self.problems <= self.samples and 0 <= self.accuracy <= 1):
            raise ValueError(f"no counts of a benchmark: {self}")

    @property
    def single(self) -> bool:
        """Whether every problem has one sample."""
        return self.samples == self.problems

    @property
    def countable(self) -> bool:
        """Whether it is known how many problems are right."""
        return self.single and self.whole

    @property
    def correct(self) -> int:
        """How many samples are correct."""
        return round(self.accuracy * self.samples)


def unpaired(a: Counts, b: Counts) -> Difference:
    """Compare two runs of which only the counts are known.

    One sample a problem: Fisher's exact test, two-sided by summing the probability of
    every table as improbable as this one or more (Fisher, J. R. Stat. Soc. 98 (1935) 39),
    ties decided in whole numbers; and Newcombe's hybrid score interval
    (method 10: Stat. Med. 17 (1998) 873), made of each side's Wilson limits l and u:
    low = D − √((p_B − l_B)² + (u_A − p_A)²), high = D + √((u_B − p_B)² + (p_A − l_A)²).

    Several samples: how they cluster is not known. An accuracy p over N problems has at
    most the variance p(1 − p)/N, which it has if all samples of a problem agree; so a
    problem counts once, in Wilson's limits and in a z test with the pooled variance. The same
    holds of an accuracy that no whole number of samples has: it is no count that could be tested.

    >>> a = Counts(problems=500, samples=500, accuracy=78 / 500)
    >>> found = unpaired(a, Counts(problems=500, samples=500, accuracy=119 / 500))
    >>> round(found.low, 4), round(found.high, 4), round(found.p_value, 4)
    (0.0327, 0.1309, 0.0014)
    """
    interval = _newcombe(a, b)
    if a.countable and b.countable:
        p_value = _fisher(a.correct, a.problems, b.correct, b.problems)
        test = "Fisher's exact, unpaired"
    else:
        p_value = _pooled_z(a, b)
        test = CLUSTERED
    return Difference(
        difference=b.accuracy - a.accuracy,
        low=interval.low,
        high=interval.high,
        standard_error=sqrt(_variance(a) + _variance(b)) or _half_width(interval),
        p_value=p_value,
        test=test,
        interval_method="Newcombe",
    )


def _newcombe(a: Counts, b: Counts) -> Interval:
    interval_a, interval_b = _wilson(a), _wilson(b)
    difference = b.accuracy - a.accuracy
    below = _hypotenuse(b.accuracy - interval_b.low, interval_a.high - a.accuracy)
    above = _hypotenuse(interval_b.high - b.accuracy, a.accuracy - interval_a.low)
    return Interval(low=max(-1.0, difference - below), high=min(1.0, difference + above))


def _wilson(counts: Counts) -> Interval:
    return wilson(counts.accuracy * counts.problems, counts.problems)


def _half_width(interval: Interval) -> float:
    """Return the standard error that a normal interval of this width would have."""
    return (interval.high - interval.low) / (2 * Z95)


def _hypotenuse(one: float, other: float) -> float:
    return sqrt(one**2 + other**2)


def _variance(counts: Counts) -> float:
    """Return the unbiased estimate of an accuracy's variance, all of a problem's samples alike."""
    return counts.accuracy * (1 - counts.accuracy) / max(1, counts.problems - 1)


def _fisher(right_a: int, problems_a: int, right_b: int, problems_b: int) -> float:
    """Return the two-sided p-value of a table.

    The probabilities of all tables with these sums are relative to the most probable one: each is
    that of its neighbour times a fraction.

    >>> round(_fisher(3, 10, 7, 10), 6)
    0.178895
    """
    if (problems_b, right_b) < (problems_a, right_a):  # the same rounding, whichever is A
        return _fisher(right_b, problems_b, right_a, problems_a)
    right = right_a + right_b
    first, last = max(0, right - problems_b), min(right, problems_a)
    k = np.arange(first, last, dtype=float)  # of the step from k to k + 1
    rises = (problems_a - k) * (right - k) / ((k + 1) * (problems_b - right + k + 1))
    mode = int((rises > 1).sum())
    below = np.cumprod(1 / rises[:mode][::-1])[::-1]
    weights = np.concatenate([below, [1.0], np.cumprod(rises[mode:])])
    observed = weights[right_a - first]
    if observed == 0:  # less probable than any float above 0
        return 0.0
    reached = weights < observed
    # Tables that look equally probable may be so, or differ by rounding only.
    for index in np.flatnonzero(np.abs(weights - observed) <= 1e-9 * observed):
        reached[index] = _at_most_as_probable(
            first + int(index), right_a, right, problems_a, problems_b
        )
    return min(1.0, float(weights[reached].sum() / weights.sum()))


def _at_most_as_probable(k: int, than: int, right: int, problems_a: int, problems_b: int) -> bool:
    """Compare two tables' probabilities in whole numbers: k right in A, and ``than``."""
    low, high = sorted((k, than))
    steps = high - low
    rise = perm(problems_a - low, steps) * perm(right - low, steps)
    fall = perm(high, steps) * perm(problems_b - right + high, steps)
    # The table of ``high`` is rise / fall times as probable as that of ``low``.
    return rise <= fall if k == high else fall <= rise


def _pooled_z(a: Counts, b: Counts) -> float:
    problems = a.problems + b.problems
    share = (a.accuracy * a.problems + b.accuracy * b.problems) / problems
    error = sqrt(max(0.0, share * (1 - share)) * (1 / a.problems + 1 / b.problems))
    return two_sided(b.accuracy - a.accuracy, error)


def average_unpaired(pairs: Mapping[str, tuple[Counts, Counts]]) -> Difference:
    """Compare two runs by the plain mean over benchmarks, from A's and B's counts.

    The interval combines the benchmarks' intervals of ``unpaired`` by MOVER (Zou and
    Donner, Stat. Med. 27 (2008) 1693). The test is normal, with the standard error
    √(Σ p(1 − p)/(N − 1)) / B over benchmarks and sides, N in problems; where that is 0, the
    interval's half-width over 1.96.

    >>> half, more = (Counts(problems=100, samples=100, accuracy=p) for p in (0.5, 0.7))
    >>> found = average_unpaired({"one": (half, more), "two": (half, half)})
    >>> round(found.difference, 3), round(found.standard_error, 4), round(found.p_value, 4)
    (0.1, 0.0492, 0.0423)
    """
    if not pairs:
        raise ValueError("an average needs benchmarks")
    ordered = [pairs[name] for name in sorted(pairs)]
    values = [b.accuracy - a.accuracy for a, b in ordered]
    difference = fmean(values)
    interval = mean_interval(values, [_newcombe(a, b) for a, b in ordered])
    variance = fsum(_variance(side) for pair in ordered for side in pair)
    error = sqrt(variance) / len(ordered) or _half_width(interval)
    return Difference(
        difference=difference,
        low=interval.low,
        high=interval.high,
        standard_error=error,
        p_value=two_sided(difference, error),
        test="normal, unpaired"
        if all(a.countable and b.countable for a, b in ordered)
        else CLUSTERED,
        interval_method="MOVER over Newcombe intervals",
    )
