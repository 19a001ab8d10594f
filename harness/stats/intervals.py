"""Confidence intervals. Every formula has its source and an example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, pi, sqrt
from statistics import NormalDist, fmean

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95 % confidence interval of an accuracy, as fractions."""

    low: float
    """The lower end."""
    high: float
    """The upper end."""


Z95 = NormalDist().inv_cdf(0.975)


def wilson(correct: float, total: int) -> Interval:
    """Return Wilson's 95 % score interval of a proportion.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209. Unlike the normal interval it
    does not collapse at none or all correct, and holds for small totals.
    ``correct`` need not be whole: of a mean accuracy it is accuracy × problems.

    >>> interval = wilson(8, 40)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.105, 0.3476)
    """
    if total == 0:
        return Interval(low=0.0, high=1.0)
    share, square = correct / total, Z95 * Z95
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = Z95 * sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    return Interval(
        low=0.0 if correct == 0 else max(0.0, centre - half),
        high=1.0 if correct == total else min(1.0, centre + half),
    )


def standard_error(means: Sequence[float]) -> float:
    """Return the standard error of a mean over problems, clustered by problem.

    √(Σ (m − mean)² / (N − 1) / N) (Miller, "Adding Error Bars to Evals", arXiv
    2411.00640, eq. 1): the spread of a problem's samples is contained in that of the
    means. 0 of fewer than two.

    >>> round(standard_error([1.0, 0.5, 0.0, 0.5]), 4)
    0.2041
    """
    if len(means) < 2:
        return 0.0
    mean = fmean(means)
    return sqrt(fsum((m - mean) ** 2 for m in means) / (len(means) - 1) / len(means))


def clustered(means: Sequence[float]) -> Interval:
    """Return the 95 % interval of a mean over problems of values between 0 and 1.

    The values may be accuracies over several samples, or chances such as pass@k. Nothing is
    assumed of how they are distributed between 0 and 1.

    The interval is that of the Bayesian bootstrap (Rubin, Ann. Stat. 9 (1981) 130), which gives the
    problems random weights that add up to 1, after two half problems were added: one that is
    always wrong and one that is always right (a Dirichlet process as the prior: Ferguson, Ann.
    Stat. 1 (1973) 209; Hjort, arXiv 2605.11677). Its ends are the quantiles at 2.5 % and 97.5 % of
    the mean with such weights, and are moved to the estimate if they would leave it out. If every
    value is 0 or 1, it is Jeffreys's interval of a proportion (Brown, Cai and DasGupta, Stat. Sci.
    16 (2001) 101).

    A higher value never lowers either end, since no weight is negative. The order of the values
    does not matter, and 1 − values have the mirrored interval.

    >>> interval = clustered([1.0, 0.5, 0.0, 0.5])
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.191, 0.809)
    >>> none, one = clustered([0.0] * 30), clustered([0.0] * 29 + [1 / 16])
    >>> round(none.high, 3), round(one.high, 3)
    (0.08, 0.082)
    """
    if not means:
        return Interval(low=0.0, high=1.0)
    low = _lower_end(means)
    return Interval(low=low, high=1.0 - _lower_end([1.0 - value for value in means]))


def _lower_end(means: Sequence[float]) -> float:
    mean = min(1.0, fmean(means))
    values, counts = np.unique([*means, 0.0, 1.0], return_counts=True)
    masses = counts.astype(float)
    masses[[0, -1]] -= 0.5

    def beyond(point: float) -> float:
        return (_weighted_mean_below(point, values, masses) if point else 0.0) - TAIL

    # The quantile is sought below the mean only: where it is above, the mean is the end.
    if mean == 0 or beyond(mean) <= 0:
        return mean
    # By Cantelli's inequality no more than the tail is so many standard deviations below.
    total = masses.sum()
    centre = masses @ values / total
    deviation = sqrt(masses @ (values - centre) ** 2 / total / (total + 1))
    lowest = max(0.0, centre - sqrt(1 / TAIL - 1) * deviation)
    return _root(beyond, float(lowest), mean)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that rises from below 0 to above 0 is 0.

    Regula falsi, "Illinois": the end that stays twice counts half (Dowell and Jarratt, BIT 11
    (1971) 168). `scipy.optimize` takes longer to import than `table` may take.

    >>> round(_root(lambda x: x * x - 2, 1.0, 2.0), 12)
    1.414213562373
    """
    below, above = rising(low), rising(high)
    side = 0
    while high - low > 1e-13:
        middle = (low * above - high * below) / (above - below)
        if not low < middle < high:  # the two are as close as floats allow
            break
        value = rising(middle)
        if abs(value) < _EXACT:
            return middle
        if value < 0:
            low, below = middle, value
            above /= 2 if side == -1 else 1
            side = -1
        else:
            high, above = middle, value
            below /= 2 if side == 1 else 1
            side = 1
    return (low + high) / 2


def _weighted_mean_below(
    point: float, values: NDArray[np.float64], masses: NDArray[np.float64]
) -> float:
    """Return the probability that Σ w v is below a point, the weights w being Dirichlet(masses).

    Such weights are independent gamma variables over their sum, so Σ w v is below the point if
    Σ g (v − point) is below 0, with g of the gamma distribution with these masses as shapes. That
    probability is ½ − 1/π ∫ sin(θ(u)) / (u ρ(u)) du with θ = Σ m arctan(λ u), λ = v − point, and
    log ρ = ½ Σ m log(1 + λ² u²) (Imhof, Biometrika 48 (1961) 419, eq. 3.2). In x = log u the
    integrand is analytic in a strip around the real line, so that the sum over points at equal
    distances converges exponentially (Trefethen and Weideman, SIAM Rev. 56 (2014) 385). The
    distance is short where θ turns fast.

    >>> two = np.array([0.0, 1.0])
    >>> round(_weighted_mean_below(0.3, two, np.array([1.0, 2.0])), 10)  # Beta(2, 1): 0.3²
    0.09
    """
    distances = values - point
    scale = sqrt(masses @ distances**2)
    last, turning = 0.0, 0.0
    while last < _FARTHEST:
        scaled = distances * (np.exp(last) / scale)
        if masses @ np.log1p(scaled**2) / 2 > _NEGLIGIBLE:
            break
        turning = max(turning, abs(masses @ (scaled / (1 + scaled**2))))
        last += 0.5
    step = 2 * pi / (50 + 1.2 * turning)
    products = np.outer(distances, np.exp(np.arange(_FIRST, last, step)) / scale)
    heights = np.exp(-(masses @ np.log1p(products**2)) / 2) * np.sin(masses @ np.arctan(products))
    # Before the first point the integrand is proportional to u: the rest is a geometric series.
    rest = heights[0] / np.expm1(step)
    return float(0.5 - step * (heights.sum() + rest) / pi)


_EXACT = 1e-13
"""A probability this close to the one sought is that one."""
TAIL = 0.025
"""What a 95 % interval leaves out on either side."""
_FIRST = -10.0
"""Where the sum begins, in logarithms: before it the integrand is proportional to u."""
_NEGLIGIBLE = 28.0
"""The sum ends where the integrand is below e⁻²⁸."""
_FARTHEST = 100.0


def accuracy_interval(means: Sequence[float], *, samples: int) -> Interval:
    """Return the 95 % interval of an accuracy over problems, ``samples`` of them together.

    Wilson's where every problem has one sample, else that of ``clustered``; `interval_method`
    names it.

    >>> accuracy_interval([1.0, 0.0, 0.0], samples=3) == wilson(1, 3)
    True
    """
    return wilson(fsum(means), samples) if samples == len(means) else clustered(means)


def interval_method(*, problems: int, samples: int) -> str:
    """Return the name of the method of ``accuracy_interval``, as a run's record has it.

    >>> interval_method(problems=30, samples=30), interval_method(problems=30, samples=480)
    ('wilson', 'Bayesian bootstrap, clustered by problem')
    """
    return "wilson" if samples == problems else CLUSTERED


CLUSTERED = "Bayesian bootstrap, clustered by problem"
"""The name of the method of ``clustered``."""


def mean_interval(values: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """Return the 95 % interval of the plain mean of independent accuracies.

    MOVER ("method of variance estimates recovery"): Zou and Donner, Stat. Med. 27
    (2008) 1693; it keeps the asymmetry of each benchmark's own interval.

    >>> pair = [Interval(low=0.1, high=0.4), Interval(low=0.4, high=0.7)]
    >>> interval = mean_interval([0.2, 0.6], pair)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.2882, 0.5118)
    """
    mean, count = fmean(values), len(values)
    pairs = list(zip(values, intervals, strict=True))
    below = sqrt(sum((value - interval.low) ** 2 for value, interval in pairs)) / count
    above = sqrt(sum((interval.high - value) ** 2 for value, interval in pairs)) / count
    return Interval(low=mean - below, high=mean + above)
