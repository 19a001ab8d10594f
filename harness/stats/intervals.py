"""Confidence intervals. Every formula has its source and an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import NormalDist, fmean


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
    """Return the 95 % interval of a mean over problems, each with several samples.

    Normal, with the ``standard_error`` of which the problem is the unit. With fewer
    than two problems, or with no spread at all, Wilson's interval over the problems
    stands in.

    >>> interval = clustered([1.0, 0.5, 0.0, 0.5])
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.1, 0.9)
    """
    mean, half = fmean(means) if means else 0.0, Z95 * standard_error(means)
    if half == 0:
        return wilson(round(mean * len(means)), len(means))
    return Interval(low=max(0.0, mean - half), high=min(1.0, mean + half))


def accuracy_interval(means: Sequence[float], *, samples: int) -> Interval:
    """Return the 95 % interval of an accuracy over problems, ``samples`` of them together.

    Wilson's where every problem has one sample, else that of ``clustered``.

    >>> accuracy_interval([1.0, 0.0, 0.0], samples=3) == wilson(1, 3)
    True
    """
    single = samples == len(means)
    return wilson(round(fsum(means)), samples) if single else clustered(means)


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
