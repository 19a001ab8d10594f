"""How small a difference a comparison could show, and what would show a smaller one."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import NormalDist, fmean

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


LEVEL = 0.05
"""The level of the tests; Holm's correction keeps it over several benchmarks."""


POWER = 0.8
"""The power to which the smallest detectable differences are computed."""
