"""How small a difference a comparison could show, and what would show a smaller one.

Of single samples, paired or not, the power is that of the very test that is made, over all its
outcomes. Of several samples, and of averages, it is that of a normal test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil, fsum, log, log1p, sqrt
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.stats.intervals import standard_error as error_of_mean
from harness.stats.paired import TIE
from harness.stats.unpaired import Counts

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def detectable_clustered(
    differences: Sequence[float], *, level: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest true difference of paired runs with several samples a problem.

    It is `minimum_detectable` of `planning_error`; ``differences`` as there. But 1 where no
    difference could be shown: of N problems the sign-flip test's mid-p is never below 2⁻ᴺ.
    Where the problems are few and their differences small, it is cautious: of 30 problems with 16
    samples the power at this difference is near 100 %; of 100 with 4, 83 % (by simulation).

    >>> detectable_clustered([0.5, 0.25, 0.0, 0.25]), round(detectable_clustered([0.0] * 98), 3)
    (1.0, 0.04)
    """
    if 2.0 ** -len(differences) >= level:
        return 1.0
    return min(1.0, minimum_detectable(planning_error(differences), level=level, power=power))


# --- without pairs: two binomial counts -----------------------------------------------------

EXACT = 2000
"""Up to so many problems a side the power is summed over all outcomes; above, it is normal."""

NEGLIGIBLE = 5.5
"""Outcomes farther from the middle, in standard deviations, are left out: 4 in 100 million."""


class Side(NamedTuple):
    """One side of a comparison that is planned: how many problems, and the true accuracy."""

    problems: int
    accuracy: float


def power_of_counts(a: Side, b: Side, *, level: float = 0.05, fisher: bool = True) -> float:
    """Return the probability that the test of two counts finds p < level, of one sample a problem.

    The test is Fisher's exact one, two-sided, or with ``fisher=False`` the z test with the pooled
    variance, as `unpaired` makes them. Up to `EXACT` problems a side, the probabilities of all
    outcomes with p < level are summed. Above it is Φ((D − c − z SE₀) / SE₁): SE₀ has the pooled
    variance, SE₁² = Σ p(1 − p)/n, and c = (1/n_A + 1/n_B)/2 corrects Fisher's test for continuity
    (Casagrande, Pike and Smith, Biometrics 34 (1978) 483; for unequal numbers Fleiss, Tytun and
    Ury, Biometrics 36 (1980) 343). There it is within 0.015 of the sum.

    >>> round(power_of_counts(Side(30, 1 / 32), Side(30, 1 / 32 + 0.118), level=0.05 / 7), 3)
    0.03
    """
    if max(a.problems, b.problems) > EXACT:
        return _normal_power(a, b, level=level, fisher=fisher)
    (first_a, chances_a), (first_b, chances_b) = _binomial(a), _binomial(b)
    rows = first_a + np.arange(len(chances_a))[:, None]
    columns = first_b + np.arange(len(chances_b))
    if fisher:
        found = _fisher_finds(rows, columns, a.problems, b.problems, level)
    else:
        share = (rows + columns) / (a.problems + b.problems)
        error = np.sqrt(share * (1 - share) * (1 / a.problems + 1 / b.problems))
        distance = np.abs(columns / b.problems - rows / a.problems)
        found = distance > NormalDist().inv_cdf(1 - level / 2) * error + TIE
    return float(chances_a @ found @ chances_b)


def _binomial(side: Side) -> tuple[int, NDArray[np.float64]]:
    """Return the probabilities of the numbers of right problems that matter, and the first one."""
    n, p = side.problems, min(max(side.accuracy, 1e-12), 1 - 1e-12)
    reach = NEGLIGIBLE * sqrt(n * p * (1 - p)) + 6  # a skewed tail of small numbers is longer
    first, last = max(0, int(n * p - reach)), min(n, ceil(n * p + reach))
    k = np.arange(first, last + 1)
    return first, np.exp(_log_ways(n)[k] + k * log(p) + (n - k) * log1p(-p))


def _log_ways(n: int) -> NDArray[np.float64]:
    """Return log C(n, k) of k = 0, 1, … n."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    ways: NDArray[np.float64] = logs[n] - logs - logs[::-1]
    return ways


def _fisher_finds(
    rows: NDArray[np.int_], columns: NDArray[np.int_], n_a: int, n_b: int, level: float
) -> NDArray[np.bool_]:
    """Return of each table, right in A by right in B, whether Fisher's p is below the level.

    All tables with the same number of right answers are compared with each other: found are those
    whose probability is below that of the most improbable one whose p reaches the level.
    """
    n = n_a + n_b
    sums = np.arange(rows[0, 0] + columns[0], rows[-1, 0] + columns[-1] + 1)[:, None]
    # k right in A is C(n_A, k) C(n_B, right − k) / C(n, right); impossible numbers are far outside.
    reach = ceil(NEGLIGIBLE * sqrt(n_a * n_b / n) / 2) + 6
    ways_a, ways_b = (
        np.pad(_log_ways(side), 2 * reach + 1, constant_values=-np.inf) for side in (n_a, n_b)
    )
    ways = _log_ways(n)
    k = sums * n_a // n + np.arange(-reach, reach + 1)
    logs = ways_a[k + 2 * reach + 1] + ways_b[sums - k + 2 * reach + 1] - ways[sums]
    ordered = np.sort(np.exp(logs), axis=1)
    reaches = (np.cumsum(ordered, axis=1) >= level).argmax(axis=1)
    kept = np.log(np.take_along_axis(ordered, reaches[:, None], axis=1)[:, 0]) + ways[sums[:, 0]]
    tables = _log_ways(n_a)[rows] + _log_ways(n_b)[columns]
    # Equally probable tables may differ by rounding.
    found: NDArray[np.bool_] = tables < kept[rows + columns - sums[0, 0]] - 1e-7
    return found


def _normal_power(a: Side, b: Side, *, level: float, fisher: bool) -> float:
    share = (a.problems * a.accuracy + b.problems * b.accuracy) / (a.problems + b.problems)
    inverse = 1 / a.problems + 1 / b.problems
    variance = fsum(p * (1 - p) / n for n, p in (a, b))
    normal = NormalDist()
    above = abs(b.accuracy - a.accuracy) - fisher * inverse / 2
    above -= normal.inv_cdf(1 - level / 2) * sqrt(share * (1 - share) * inverse)
    return normal.cdf(above / sqrt(variance)) if variance else float(above > 0)


def detectable_counts(a: Counts, b: Counts, *, level: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true difference that the test of two counts finds with this power.

    `power_of_counts` is asked. The weaker side is supposed to have the accuracy (right + 1) /
    (problems + 2) in truth, since none right of few does not mean that none ever would be, and the
    stronger one D more. Or the stronger side has that accuracy, and the weaker one D less. The
    answer is the larger D: of both ways, the one that is harder to show. A way that leaves 0 to 1
    before the power is reached is left out; 1 if both do. Of several samples, a problem counts
    once, as in the test.

    >>> none, one = (Counts(problems=30, samples=30, accuracy=right / 30) for right in (0, 1))
    >>> round(detectable_counts(none, one, level=0.05 / 7), 3)
    0.372
    """
    fisher = a.countable and b.countable
    found = []
    for room, sides in _ways(a, b):

        def chance(d: float, sides: Apart = sides) -> float:
            return power_of_counts(*sides(d), level=level, fisher=fisher)

        def guess(d: float, sides: Apart = sides) -> float:
            return _normal_power(*sides(d), level=level, fisher=fisher)

        found.append(_smallest(chance, guess, room, power))
    return max((d for d in found if d is not None), default=1.0)


def problems_needed_counts(
    a: Counts, b: Counts, *, level: float = 0.05, power: float = 0.8
) -> int | None:
    """Return how many problems on each side would show a true difference as large as observed.

    Accuracies and power as in `detectable_counts`. None if there is no difference, or none of this
    size from either accuracy.

    >>> none, one = (Counts(problems=30, samples=30, accuracy=right / 30) for right in (0, 3))
    >>> problems_needed_counts(none, one)
    128
    """
    difference = abs(b.accuracy - a.accuracy)
    if difference < TIE:
        return None
    fisher = a.countable and b.countable
    found = []
    for room, sides in _ways(a, b):
        if difference <= room:
            low, high = (side.accuracy for side in sides(difference))

            def chance(n: int, low: float = low, high: float = high) -> float:
                return power_of_counts(Side(n, low), Side(n, high), level=level, fisher=fisher)

            found.append(_fewest(chance, power))
    return None if not found or None in found else max(n for n in found if n is not None)


def planning_error_counts(a: Counts, b: Counts, difference: float = 0.0) -> float:
    """Return the standard error of a difference of counts to plan with: √(Σ p(1 − p)/n).

    The accuracies are as far apart as ``difference``, in the way of `detectable_counts` that has
    the larger error; a problem counts once.

    >>> none = Counts(problems=30, samples=30, accuracy=0.0)
    >>> round(planning_error_counts(none, none), 4)
    0.0449
    """
    ways = [sides(difference) for _, sides in _ways(a, b)]
    return sqrt(max(fsum(p * (1 - p) / n for n, p in sides) for sides in ways))


def planning_error_pairs(fixed: int, broken: int, problems: int, difference: float) -> float:
    """Return the standard error of a difference of pairs to plan with: √((2 q + D − D²)/N).

    q is the share of the rarer change, as in `detectable_pairs`.

    >>> round(planning_error_pairs(1, 1, 98, 0.0), 4)
    0.0202
    """
    changed = min(1.0, 2 * _rarer(fixed, broken, problems) + difference)
    return sqrt(max(changed - difference**2, 0.0) / problems)


def detectable_average(
    error: Callable[[float], float],
    *,
    flipped: int | None = None,
    level: float = 0.05,
    power: float = 0.8,
) -> float:
    """Return the smallest true difference of an average that a normal test finds with this power.

    ``error`` gives the standard error where the true difference is so large: accuracies and
    changes that are rare today vary more once there are more of them. ``flipped`` is the number of
    problems of a sign-flip test, which may be too few, as in `detectable_clustered`.

    >>> round(detectable_average(lambda d: 0.01), 4)
    0.028
    """
    if flipped is not None and 2.0**-flipped >= level:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        shown = minimum_detectable(error(middle), level=level, power=power) <= middle
        low, high = (low, middle) if shown else (middle, high)
    return high if high < 1 - 1e-5 else 1.0


def _shrunk(counts: Counts) -> Side:
    n = counts.problems
    return Side(n, (counts.accuracy * n + 1) / (n + 2))


Apart = Callable[[float], tuple[Side, Side]]
"""Gives both sides of so large a difference."""


def _ways(a: Counts, b: Counts) -> Iterator[tuple[float, Apart]]:
    """Yield how far two accuracies can be apart, and the sides that are so far apart."""
    ordered = sorted((a, b), key=lambda side: (side.accuracy, side.problems))
    weak, strong = map(_shrunk, ordered)
    yield (
        1 - weak.accuracy,
        lambda d: (weak, strong._replace(accuracy=min(1.0, weak.accuracy + d))),
    )
    yield (
        strong.accuracy,
        lambda d: (weak._replace(accuracy=max(0.0, strong.accuracy - d)), strong),
    )


# --- one sample a problem, in pairs -----------------------------------------------------------


def power_of_pairs(broken: float, fixed: float, problems: int, *, level: float = 0.05) -> float:
    """Return the probability that McNemar's mid-p is below the level, of such true shares.

    ``broken`` and ``fixed`` are shares of all problems. The number that changed is binomial, and
    so is that of the fixed ones among them. Up to `EXACT` problems all outcomes are summed; above,
    it is Φ((D √N − z √ψ) / √(ψ − D²)), where ψ = fixed + broken and D = fixed − broken
    (Connor, Biometrics 43 (1987) 207).

    >>> round(power_of_pairs(0.05, 0.206, 30, level=0.05 / 7), 3)
    0.096
    """
    from scipy.special import bdtr

    changed = min(1.0, broken + fixed)
    z = NormalDist().inv_cdf(1 - level / 2)
    if problems > EXACT:
        return _normal_power_of_pairs(broken, fixed, problems, level=level)
    first, chances = _binomial(Side(problems, changed))
    m = first + np.arange(len(chances))
    # The test finds what has at most ``last`` problems on one side: near the normal test's limit.
    guesses = np.floor((m - z * np.sqrt(m)) / 2) + np.arange(-3, 4)[:, None]
    guesses = np.minimum(guesses, np.ceil(m / 2) - 1)

    def tail(k: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        return np.where(k >= 0, bdtr(np.maximum(k, 0), m, share), 0.0)

    mid_p = tail(guesses, 0.5) + tail(guesses - 1, 0.5)
    last = np.where(mid_p < level, guesses, -1).max(axis=0)
    found = tail(last, broken / changed) + tail(last, fixed / changed)
    return float(chances @ found)


def _normal_power_of_pairs(broken: float, fixed: float, problems: int, *, level: float) -> float:
    normal, changed, difference = NormalDist(), broken + fixed, abs(fixed - broken)
    spread = sqrt(max(changed - difference**2, TIE))
    above = difference * sqrt(problems) - normal.inv_cdf(1 - level / 2) * sqrt(changed)
    return normal.cdf(above / spread)


def detectable_pairs(
    fixed: int, broken: int, problems: int, *, level: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest true difference that McNemar's mid-p finds with this power.

    `power_of_pairs` is asked. The rarer change is supposed to happen to the share q = (min(fixed,
    broken) + 1) / (problems + 2) in truth, since none seen of few does not mean that there is
    none, and the other to q + D. 1 if no D up to 1 − 2 q has this power.

    >>> round(detectable_pairs(4, 2, 30, level=0.05 / 7), 3), detectable_pairs(1, 0, 3)
    (0.504, 1.0)
    """
    rate = _rarer(fixed, broken, problems)
    found = _smallest(
        lambda d: power_of_pairs(rate, rate + d, problems, level=level),
        lambda d: _normal_power_of_pairs(rate, rate + d, problems, level=level),
        1 - 2 * rate,
        power,
    )
    return 1.0 if found is None else found


def problems_needed_pairs(
    fixed: int, broken: int, problems: int, *, level: float = 0.05, power: float = 0.8
) -> int | None:
    """Return how many problems would show a true difference as large as the observed one.

    Shares and power as in `detectable_pairs`. None if there is no difference, or none of this size
    beside the rarer change.

    >>> problems_needed_pairs(4, 2, 30)
    445
    """
    rate, difference = _rarer(fixed, broken, problems), abs(fixed - broken) / problems
    if not difference or 2 * rate + difference > 1:
        return None
    return _fewest(lambda n: power_of_pairs(rate, rate + difference, n, level=level), power)


def _rarer(fixed: int, broken: int, problems: int) -> float:
    return (min(fixed, broken) + 1) / (problems + 2)


# --- the search -------------------------------------------------------------------------------


def _smallest(
    chance: Callable[[float], float], guess: Callable[[float], float], room: float, power: float
) -> float | None:
    """Return the smallest difference, up to ``room``, with this power; or None.

    To 0.01 points, or to 0.1 % of power. ``guess`` says cheaply what the power
    is about, so that the search begins near.
    """
    if room <= 0 or chance(room) < power:
        return None
    low, high = 0.0, room
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if guess(middle) >= power else (middle, high)
    near, step = high, 0.01
    low, high = max(0.0, near - step), min(room, near + step)
    while chance(low) >= power and low > 0:
        low, high, step = max(0.0, low - 2 * step), low, 2 * step
    while (top := chance(high)) < power:
        low, high, step = high, min(room, high + 2 * step), 2 * step
    bottom = chance(low)
    while high - low > 1e-4 and top - power > 1e-3:
        # Where the straight line between the ends has the power, but not at an end.
        share = min(0.9, max(0.1, (power - bottom) / (top - bottom)))
        middle = low + share * (high - low)
        if (found := chance(middle)) >= power:
            high, top = middle, found
        else:
            low, bottom = middle, found
    return high


def _fewest(chance: Callable[[int], float], power: float) -> int | None:
    """Return a number of problems with this power of which one less has not; None above 2³⁰."""
    high = 1
    while chance(high) < power:
        high *= 2
        if high > 2**30:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= power else (middle, high)
    return high


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
