"""Accuracy and its doubt. Pure functions; every formula with its source and an example."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean

from harness.record import Interval

Z95 = NormalDist().inv_cdf(0.975)


def wilson(correct: int, total: int) -> Interval:
    """Return Wilson's 95 % score interval of a proportion.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209. Unlike the normal interval it
    does not collapse at none or all correct, and holds for small totals.

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
        low=0.0 if correct == 0 else centre - half, high=1.0 if correct == total else centre + half
    )


def clustered(means: Sequence[float]) -> Interval:
    """Return the 95 % interval of a mean over problems, each with several samples.

    The problem is the unit: the standard error is that of the per-problem means
    (Miller, "Adding Error Bars to Evals", arXiv 2411.00640, eq. 1), in which the
    spread of the samples is already contained. With fewer than two problems, or
    with no spread at all, Wilson's interval over the problems stands in.

    >>> interval = clustered([1.0, 0.5, 0.0, 0.5])
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.1, 0.9)
    """
    count, mean = len(means), fmean(means) if means else 0.0
    variance = sum((m - mean) ** 2 for m in means) / (count - 1) if count > 1 else 0.0
    if variance == 0:
        return wilson(round(mean * count), count)
    half = Z95 * sqrt(variance / count)
    return Interval(low=max(0.0, mean - half), high=min(1.0, mean + half))


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
