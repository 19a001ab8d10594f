"""Is B as good as A, within a margin? Two one-sided tests, and the interval that belongs to them.

Pure functions; a difference is always B − A, and it and the margin are fractions. That a test of
no difference finds nothing does not show that two runs are alike. These tests turn the question
round: they start from "B is worse by the margin or more", and from "better by the margin or more",
and what rejects both shows that the true difference lies between (TOST: Schuirmann, J.
Pharmacokinet. Biopharm. 15 (1987) 657). At a level of 5 % each this is the same as a 90 % interval
within ± the margin. Swapping the runs mirrors every answer exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import fsum, sqrt
from statistics import fmean

from harness.stats.distributions import normal_tail, t_quantile, t_tail
from harness.stats.unpaired import Counts

TAIL = 0.05
"""The level of each one-sided test."""
Z90 = 1.6448536269514722
"""The normal quantile that leaves 5 % above it."""
FAR = 8.0
"""Beyond so many standard errors a p-value is not told apart any more: it is below 1e-15."""

Limits = Callable[[float], tuple[float, float]]
"""The lower and the upper limit of a difference, at so many normal standard errors, 0 or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """How B − A lies to a margin: two one-sided tests, and the 90 % interval."""

    margin: float
    """The margin, as a fraction: 0.01 is one percentage point."""
    low: float
    """The lower end of the 90 % interval."""
    high: float
    """The upper end."""
    p_not_worse: float
    """The one-sided p-value of "B is worse by the margin or more"."""
    p_not_better: float
    """The one-sided p-value of "B is better by the margin or more"."""
    method: str

    @property
    def p_same(self) -> float:
        """The p-value of "they differ by the margin or more": the larger of the two."""
        return max(self.p_not_worse, self.p_not_better)

    def mirrored(self) -> Equivalence:
        """Return the same of A − B.

        >>> tango(4, 1, 50, margin=0.1).mirrored() == tango(1, 4, 50, margin=0.1)
        True
        """
        return replace(
            self,
            low=0.0 - self.high,
            high=0.0 - self.low,
            p_not_worse=self.p_not_better,
            p_not_better=self.p_not_worse,
        )


# --- one sample a problem -------------------------------------------------------------------


def tango(fixed: int, broken: int, problems: int, *, margin: float) -> Equivalence:
    """Test a margin on two runs that gave one sample to each of the same problems.

    Both tests are Tango's score tests, of which McNemar's is the case of no margin (Tango, Stat.
    Med. 17 (1998) 891): z = (fixed − broken − N Δ) / √(N (2 q + Δ (1 − Δ))) for a true difference
    Δ, where q, the share of broken problems, is what is most likely under Δ. They hold with few
    changed problems, and with none.

    >>> found = tango(22, 20, 1319, margin=0.01)
    >>> round(found.p_not_worse, 5), round(found.p_not_better, 5)
    (0.01261, 0.04771)
    >>> round(100 * found.low, 3), round(100 * found.high, 3)
    (-0.676, 0.988)
    """
    low, high = tango_interval(fixed, broken, problems, z=Z90)
    return Equivalence(
        margin=_checked(margin),
        low=low,
        high=high,
        p_not_worse=normal_tail(_tango_z(fixed, broken, problems, -margin)),
        p_not_better=normal_tail(_tango_z(broken, fixed, problems, -margin)),
        method="Tango's score",
    )


def tango_interval(
    fixed: int, broken: int, problems: int, *, z: float = 1.959963984540054
) -> tuple[float, float]:
    """Return Tango's score interval of a difference of paired proportions, by default of 95 %.

    It holds the differences that the score test of ``tango`` does not reject at ± z.

    >>> low, high = tango_interval(40, 20, 160)
    >>> round(low, 5), round(high, 5)
    (0.03086, 0.21806)
    """
    if min(fixed, broken) < 0 or fixed + broken > problems:
        raise ValueError(f"{fixed} fixed and {broken} broken of {problems} problems")
    low = _tango_low(fixed, broken, problems, z)
    return low, 0.0 - _tango_low(broken, fixed, problems, z)


def _tango_low(fixed: int, broken: int, problems: int, z: float) -> float:
    from scipy.optimize import brentq

    observed = (fixed - broken) / problems if problems else 0.0
    if not problems or observed == -1:
        return -1.0
    if z <= 0:
        return observed

    def beyond(delta: float) -> float:
        return _tango_z(fixed, broken, problems, delta) - z

    # At Δ = −1 nothing varies: the statistic is infinite.
    return float(brentq(beyond, -1.0 + 1e-12, observed, xtol=1e-12))


def _tango_z(fixed: int, broken: int, problems: int, delta: float) -> float:
    """Return the score statistic of "the true difference is delta"."""
    # The likelihood's maximum under Δ is the larger root of a quadratic in q (Tango, eq. 7).
    linear = (2 * problems - fixed + broken) * delta - fixed - broken
    constant = -broken * delta * (1 - delta)
    root = sqrt(max(0.0, linear**2 - 8 * problems * constant))
    share = max(0.0, -delta, (root - linear) / (4 * problems))
    variance = problems * (2 * share + delta * (1 - delta))
    distance = fixed - broken - problems * delta
    if variance <= 0:
        return 0.0 if not distance else (FAR if distance > 0 else -FAR)
    return distance / sqrt(variance)


# --- several samples a problem --------------------------------------------------------------


def clustered(differences: Sequence[float], *, margin: float) -> Equivalence:
    """Test a margin on two runs on the same problems, of which each may have several samples.

    ``differences`` holds each problem's accuracy in B minus that in A. The tests are Student's t
    with the problem as the unit (Miller, "Adding Error Bars to Evals", arXiv 2411.00640), each
    with one imagined problem more, which speaks against the claim as strongly as a problem can:
    one of −1 where B shall not be worse, and one of +1 where it shall not be better. Without it t
    would call runs the same that changed little on the few problems at hand but much on problems
    that are rare (see docs/statistics.md for the shares).

    >>> found = clustered([0.25, 0.0, -0.25, 0.0] * 200, margin=0.02)
    >>> round(found.p_not_worse, 4), round(100 * found.low, 2), round(100 * found.high, 2)
    (0.0017, -1.17, 1.17)
    """
    low, high = t_limits(differences)(Z90)
    return Equivalence(
        margin=_checked(margin),
        low=low,
        high=high,
        p_not_worse=_t_tail(differences, margin),
        p_not_better=_t_tail([0.0 - d for d in differences], margin),
        method="Student's t, clustered by problem",
    )


def _t_tail(differences: Sequence[float], margin: float) -> float:
    mean, error = _with_one_against(differences)
    if not error:
        return 0.0 if mean > -margin else 1.0
    return t_tail((mean + margin) / error, len(differences))


def t_limits(differences: Sequence[float]) -> Limits:
    """Return the limits of a mean difference that belong to the tests of ``clustered``."""
    low, high = _with_one_against(differences), _with_one_against([0.0 - d for d in differences])

    def limits(z: float) -> tuple[float, float]:
        t = 0.0 - t_quantile(normal_tail(z), len(differences))
        return max(-1.0, low[0] - t * low[1]), min(1.0, 0.0 - (high[0] - t * high[1]))

    return limits


def _with_one_against(differences: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error with a problem of −1 added."""
    values = [*differences, -1.0]
    mean = fmean(values)
    squares = fsum((value - mean) ** 2 for value in values)
    return mean, sqrt(squares / len(differences) / len(values)) if differences else 1.0


# --- published counts -----------------------------------------------------------------------


def of_counts(a: Counts, b: Counts, *, margin: float) -> Equivalence:
    """Test a margin on two runs of which only the counts are known.

    The p-values are those at which Newcombe's hybrid score interval (method 10: Stat. Med. 17
    (1998) 873) reaches the margin. Of several samples a problem counts once, since how its samples
    cluster is not known.

    >>> a = Counts(problems=1319, samples=1319, accuracy=0.5)
    >>> found = of_counts(a, a, margin=0.04)
    >>> round(found.p_not_worse, 4), round(found.low, 4)
    (0.0198, -0.032)
    """
    found = inverted(newcombe_limits(a, b), b.accuracy - a.accuracy, margin=margin)
    return replace(found, method="Newcombe, unpaired")


def newcombe_limits(a: Counts, b: Counts) -> Limits:
    """Return Newcombe's limits of the difference of two independent proportions."""

    def limits(z: float) -> tuple[float, float]:
        low_a, high_a = _wilson(a, z)
        low_b, high_b = _wilson(b, z)
        difference = b.accuracy - a.accuracy
        below = sqrt((b.accuracy - low_b) ** 2 + (high_a - a.accuracy) ** 2)
        above = sqrt((high_b - b.accuracy) ** 2 + (a.accuracy - low_a) ** 2)
        return max(-1.0, difference - below), min(1.0, difference + above)

    return limits


def _wilson(counts: Counts, z: float) -> tuple[float, float]:
    share, total, square = counts.accuracy, counts.problems, z * z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = z * sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    return max(0.0, centre - half), min(1.0, centre + half)


# --- the average ----------------------------------------------------------------------------


def paired_limits(differences: Sequence[float], *, single: bool) -> Limits:
    """Return the limits of one benchmark: Tango's for single samples, else those of t."""
    if not single:
        return t_limits(differences)
    values = [round(value) for value in differences]
    fixed, broken = values.count(1), values.count(-1)
    return lambda z: tango_interval(fixed, broken, len(values), z=z)


def average(
    differences: Sequence[float], limits: Sequence[Limits], *, margin: float
) -> Equivalence:
    """Test a margin on the plain mean over benchmarks, by their differences and their limits.

    The limits are combined by MOVER (Zou and Donner, Stat. Med. 27 (2008) 1693), and the p-values
    are those at which the combined interval reaches the margin. So a benchmark on which nothing
    changed still adds what it cannot exclude.

    >>> pair = [paired_limits([0.0] * 500, single=True)] * 2
    >>> found = average([0.0, 0.0], pair, margin=0.01)
    >>> round(found.high, 5), round(found.p_same, 4)
    (0.00381, 0.0037)
    """
    mean, count = fmean(differences), len(differences)

    def combined(z: float) -> tuple[float, float]:
        parts = [limit(z) for limit in limits]
        pairs = list(zip(differences, parts, strict=True))
        below = sqrt(fsum((value - low) ** 2 for value, (low, _) in pairs)) / count
        above = sqrt(fsum((high - value) ** 2 for value, (_, high) in pairs)) / count
        return mean - below, mean + above

    return replace(inverted(combined, mean, margin=margin), method="MOVER over the benchmarks")


def inverted(limits: Limits, difference: float, *, margin: float) -> Equivalence:
    """Return the tests that belong to an interval: each p is the level at which it ends there.

    Raises:
        ValueError: the margin is not between 0 and 1.
    """
    _checked(margin)
    low, high = limits(Z90)
    return Equivalence(
        margin=margin,
        low=low,
        high=high,
        p_not_worse=_level(lambda z: limits(z)[0], lambda z: limits(z)[1], difference, -margin),
        p_not_better=_level(
            lambda z: 0.0 - limits(z)[1], lambda z: 0.0 - limits(z)[0], 0.0 - difference, -margin
        ),
        method="",
    )


def _level(
    low: Callable[[float], float], high: Callable[[float], float], middle: float, bound: float
) -> float:
    """Return the p-value of "at most the bound": the level at which the lower limit is there."""
    if middle > bound:
        return normal_tail(_crossing(lambda z: low(z) - bound))
    return 1 - normal_tail(_crossing(lambda z: bound - high(z)))


def _crossing(beyond: Callable[[float], float]) -> float:
    """Return z at which what is positive for small z becomes negative, or `FAR`."""
    from scipy.optimize import brentq

    if beyond(0.0) <= 0:
        return 0.0
    return FAR if beyond(FAR) >= 0 else float(brentq(beyond, 0.0, FAR, xtol=1e-10))


def _checked(margin: float) -> float:
    if not 0 < margin < 1:
        raise ValueError(f"a margin is a fraction between 0 and 1, and not {margin}")
    return margin
