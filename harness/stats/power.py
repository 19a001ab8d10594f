"""How small a difference a comparison could show, and what would show a smaller one."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, fsum, sqrt
from statistics import NormalDist, fmean
from typing import NamedTuple

from harness.stats.intervals import standard_error as error_of_mean
from harness.stats.paired import TIE


def minimum_detectable(standard_error: float, *, level: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true difference that a comparison finds with this power.

    (z of 1 − level/2, plus z of power) × SE (Miller, arXiv 2411.00640, on power): by
    default 2.8 standard errors.

    >>> round(minimum_detectable(0.01), 4)
    0.028
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)) * standard_error


def planning_error(differences: Sequence[float]) -> float:
    """Return the standard error of a mean difference to plan with, of at least one problem.

    ``differences`` holds each problem's accuracy in B minus that in A. Where hardly any problem
    differs, their spread says little about that of further problems, and is near 0 or 0. So two
    imagined problems are added, of differences 1 and −1, as in Bonett and Price's interval (J.
    Educ. Behav. Stat. 37 (2012) 479), whose S this is: √(((Σ d² + 2) / (N + 2) − D²) / (N + 2)),
    D = Σ d / (N + 2). Where these would lower it, it is the usual sd(d) / √N.

    >>> none, one = [0.0] * 30, [1 / 16] + [0.0] * 29
    >>> round(planning_error(none), 4), round(planning_error(one), 4)
    (0.0442, 0.0442)
    """
    count = len(differences) + 2
    mean = fsum(differences) / count
    variance = ((fsum(d * d for d in differences) + 2) / count - mean**2) / count
    return max(sqrt(variance), error_of_mean(differences))


def problems_needed(
    difference: float,
    standard_error: float,
    problems: int,
    *,
    level: float = 0.05,
    power: float = 0.8,
) -> int | None:
    """Return how many problems of this kind would show a true difference of this size.

    The standard error falls with the root of the number of problems: N (minimum_detectable /
    difference)², rounded up (Miller, arXiv 2411.00640, on power); None if there is no
    difference to show.

    >>> problems_needed(0.02, 0.01, 500)
    982
    """
    if not difference:
        return None
    ratio = minimum_detectable(standard_error, level=level, power=power) / abs(difference)
    return max(1, ceil(problems * ratio**2))


def samples_needed(
    a: Sequence[float],
    b: Sequence[float],
    *,
    samples_a: int,
    samples_b: int,
    level: float = 0.05,
    power: float = 0.8,
) -> int | None:
    """Return how many samples a problem, on both sides, would show the observed difference.

    ``a`` and ``b`` hold the accuracies of the same problems in both runs, of so many
    samples each. A problem's difference varies by what problems differ in, which more
    samples do not change, and by chance: Var(d) = between + w_A/n_A + w_B/n_B, where
    w = mean of p(1 − p) n/(n − 1) is the variance of a single sample (Miller, arXiv
    2411.00640, on resampling). Sought is the smallest n at which minimum_detectable(√((between +
    (w_A + w_B)/n) / N)) is within the difference. Of a side with one sample a problem w
    cannot be estimated; it is taken to be the other's. None if both have one, if no
    number of samples suffices, or if there is no difference or only one problem.

    >>> a, b = [0.0, 0.5, 0.25, 1.0] * 5, [0.5, 0.5, 0.75, 0.75] * 5
    >>> samples_needed(a, b, samples_a=4, samples_b=4)
    5
    """
    differences = [after - before for before, after in zip(a, b, strict=True)]
    difference = fmean(differences) if differences else 0.0
    if len(differences) < 2 or abs(difference) < TIE:
        return None
    known = [_within(means, n) for means, n in ((a, samples_a), (b, samples_b)) if n > 1]
    if not known:
        return None
    within_a, within_b = known[0], known[-1]
    count = len(differences)
    variance = count * error_of_mean(differences) ** 2
    between = max(0.0, variance - within_a / samples_a - within_b / samples_b)
    allowed = count * (abs(difference) / minimum_detectable(1.0, level=level, power=power)) ** 2
    if between >= allowed:
        return None
    return max(1, ceil((within_a + within_b) / (allowed - between)))


def _within(means: Sequence[float], samples: int) -> float:
    return fmean(p * (1 - p) for p in means) * samples / (samples - 1)


class Shares(NamedTuple):
    """How the variance of a single sample's correctness splits, for two runs of one benchmark."""

    by_problem: float
    """The part that lies between problems; the rest is chance in sampling."""
    correlation: float
    """How far the two runs' true accuracies on single problems are correlated."""


ASSUMED = Shares(by_problem=0.5, correlation=0.5)
"""What is assumed where no two runs tell."""


def shares(
    a: Sequence[float], b: Sequence[float], *, samples_a: Sequence[int], samples_b: Sequence[int]
) -> Shares | None:
    """Estimate from two runs' accuracies on the same problems how a sample's variance splits.

    With v = p(1 − p) the variance of a sample at the accuracy p over all problems, and w as in
    ``samples_needed``, 1 − w/v lies between problems; it is averaged over the runs with several
    samples a problem, and assumed to be one half if both have one. The covariance of the two runs'
    accuracies has no part from sampling, so the correlation is that covariance over √(v_A v_B) and
    over the part between problems (Miller, arXiv 2411.00640, §3 and §5). Both are moved towards
    one half as if four problems more had it, since few problems tell little.

    None for fewer than two problems, or if a run has none or all of them right.

    >>> found = shares([1, 1, 0, 0] * 50, [1, 1, 0, 1] * 50, samples_a=[1] * 200,
    ...                samples_b=[1] * 200)
    >>> round(found.by_problem, 3), round(found.correlation, 3)
    (0.579, 0.99)
    """
    variances = [p * (1 - p) for p in (fmean(a), fmean(b))] if len(a) > 1 else [0.0]
    if min(variances) < TIE:
        return None
    known = [
        1 - min(1.0, within / variance)
        for means, samples, variance in zip((a, b), (samples_a, samples_b), variances, strict=True)
        if (within := _within_unequal(means, samples)) is not None
    ]
    middle_a, middle_b, count = fmean(a), fmean(b), len(a)
    products = [(x - middle_a) * (y - middle_b) for x, y in zip(a, b, strict=True)]
    shared = max(0.0, fsum(products) / (count - 1) / sqrt(variances[0] * variances[1]))
    by_problem = fmean(known) if known else max(ASSUMED.by_problem, min(1.0, shared))
    correlation = min(1.0, shared / by_problem) if by_problem else 0.0
    return Shares(*((part * count + 2) / (count + 4) for part in (by_problem, correlation)))


def _within_unequal(means: Sequence[float], samples: Sequence[int]) -> float | None:
    """Return the variance of a single sample within its problem; None if no problem has two."""
    found = [p * (1 - p) * n / (n - 1) for p, n in zip(means, samples, strict=True) if n > 1]
    return fmean(found) if found else None


LEVEL = 0.05
"""The level of the tests; Holm's correction keeps it over several benchmarks."""


POWER = 0.8
"""The power to which the smallest detectable differences are computed."""
