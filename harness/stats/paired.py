"""Two runs on the same problems: how far apart they are, and whether chance explains it.

Pure functions; a difference is always B − A, as a fraction. The problem is the unit of chance:
samples of one problem are never counted as if they were further problems. Swapping the runs
negates every answer exactly, and the order of problems or benchmarks changes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate, repeat
from math import fsum, prod, sqrt
from statistics import NormalDist, fmean

import numpy as np
from numpy.typing import NDArray

from harness.stats.distributions import t_quantile, two_sided
from harness.stats.intervals import Z95, Interval, mean_interval, standard_error

TIE = 1e-9
"""Closer than this, two accuracies differ by rounding only (16 samples against 7: 1/112)."""
ENUMERATED = 2**16
"""Up to so many outcomes of sign flips are counted one by one instead of being drawn."""
FEW = 10
"""Fewer draws than these do not tell how small a p-value is; the normal tail does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far B is above A, as fractions, with its 95 % interval and a two-sided test."""

    difference: float
    low: float
    high: float
    standard_error: float
    """Never 0: where the data show no spread it is that of the interval."""
    p_value: float
    """The two-sided p-value of the hypothesis that A and B do equally well."""
    test: str
    interval_method: str

    def mirrored(self) -> Difference:
        """Return the same comparison as A − B.

        >>> paired_single(4, 1, 50).mirrored() == paired_single(1, 4, 50)
        True
        """
        # 0 − x, since the negative of 0.0 would be printed as -0.0.
        return replace(
            self, difference=0.0 - self.difference, low=0.0 - self.high, high=0.0 - self.low
        )


def paired_single(fixed: int, broken: int, problems: int) -> Difference:
    """Compare two runs that gave one sample to each of the same problems.

    ``fixed`` problems are wrong in A and right in B, ``broken`` ones the reverse; the
    difference is (fixed − broken) / problems.

    Test: exact McNemar. Were both runs equally good, each of the fixed + broken problems
    would have fallen either way with probability 1/2: p is twice the smaller binomial
    tail, at most 1 (McNemar, Psychometrika 12 (1947) 153).

    Interval: with one imagined problem more on either side, D = (fixed − broken) / (N + 2)
    and S² = ((fixed + broken + 2) / (N + 2) − D²) / (N + 2): D ± 1.96 S (Bonett and Price,
    J. Educ. Behav. Stat. 37 (2012) 479, recommended by Fagerland, Lydersen and Laake,
    Stat. Med. 33 (2014) 2850, whose example of 21 patients this is).

    >>> found = paired_single(1, 7, 21)
    >>> round(found.difference, 3), round(found.low, 3), round(found.high, 3)
    (-0.286, -0.508, -0.013)
    >>> round(found.p_value, 4)
    0.0703
    """
    if min(fixed, broken) < 0 or fixed + broken > problems:
        raise ValueError(f"{fixed} fixed and {broken} broken of {problems} problems")
    discordant = fixed + broken
    # Each binomial coefficient from the one before: thousands of large ones are slow to make anew.
    ways = accumulate(
        range(min(fixed, broken)), lambda way, i: way * (discordant - i) // (i + 1), initial=1
    )
    tail = sum(ways)
    return _bonett_price(
        fixed - broken,
        discordant,
        problems,
        p_value=min(1.0, 2 * tail / 2**discordant),
        test="exact McNemar",
    )


def _bonett_price(
    total: float, squares: float, problems: int, *, p_value: float, test: str
) -> Difference:
    """Return the adjusted Wald interval, from the differences' sum and sum of squares.

    Adding one to both discordant counts is adding a problem of difference 1 and one of
    −1, which makes sense for any differences between −1 and 1.
    """
    mean = total / (problems + 2)
    error = sqrt(((squares + 2) / (problems + 2) - mean**2) / (problems + 2))
    return Difference(
        difference=total / problems if problems else 0.0,
        low=max(-1.0, mean - Z95 * error),
        high=min(1.0, mean + Z95 * error),
        standard_error=error,
        p_value=p_value,
        test=test,
        interval_method="Bonett-Price",
    )


def paired_means(differences: Sequence[float], *, seed: int = 0, draws: int = 20_000) -> Difference:
    """Compare two runs on the same problems where a problem may have several samples.

    ``differences`` holds each problem's accuracy in B minus that in A, d_i. The mean's
    standard error is sd(d_i) / √N, clustered by problem (Miller, "Adding Error Bars to
    Evals", arXiv 2411.00640), its interval mean ± t SE with Student's t of N − 1
    degrees of freedom. Without any spread, or with one problem, Bonett and Price's
    interval stands in (see ``paired_single``).

    Test: were A and B equally good on every problem, each d_i would be as likely as −d_i.
    p is the share of all sign flips whose |mean| reaches the observed one (Fisher, The
    Design of Experiments (1935), §21): counted, or, if the distinct outcomes are too many,
    estimated from seeded draws as (1 + reached) / (1 + draws) (Phipson and Smyth, Stat.
    Appl. Genet. Mol. Biol. 9 (2010) 39); too small for these, it is that of a normal sum of
    variance Σ d². Of single samples it is McNemar's p.

    >>> found = paired_means([0.5, 0.25, 0.0, 0.25, 0.5, -0.25])
    >>> round(found.difference, 4), round(found.standard_error, 4)
    (0.2083, 0.1193)
    >>> round(found.low, 4), round(found.high, 4), found.p_value
    (-0.0984, 0.515, 0.25)
    """
    count = len(differences)
    test = "sign-flip permutation, clustered by problem"
    p_value = _sign_flips(differences, seed=seed, draws=draws)
    if _alike(differences):
        squares = fsum(d * d for d in differences)
        return _bonett_price(fsum(differences), squares, count, p_value=p_value, test=test)
    mean, error = fmean(differences), standard_error(differences)
    half = t_quantile(0.975, count - 1) * error
    return Difference(
        difference=mean,
        low=max(-1.0, mean - half),
        high=min(1.0, mean + half),
        standard_error=error,
        p_value=p_value,
        test=test,
        interval_method="Student's t, clustered by problem",
    )


def _alike(values: Sequence[float]) -> bool:
    return not values or max(values) - min(values) < TIE


def _sign_flips(differences: Sequence[float], *, seed: int, draws: int) -> float:
    """Return the two-sided p-value of the sum under random signs.

    The signs of m equal magnitudes add up to 2 Binomial(m, 1/2) − m, so that the work
    depends on how many distinct magnitudes there are, not on how many problems.
    """
    magnitudes, counts = np.unique(np.abs(differences).round(12), return_counts=True)
    groups = [(float(d), int(m)) for d, m in zip(magnitudes, counts, strict=True) if d]
    # Sums that are equal on paper differ by rounding: relative to the largest sum possible.
    reached = abs(fsum(differences)) - 1e-8 * fsum(d * m for d, m in groups)
    if prod(m + 1 for _, m in groups) <= ENUMERATED:
        sums, shares = np.zeros(1), np.ones(1)
        for magnitude, count in groups:
            steps = magnitude * np.arange(-count, count + 1, 2)
            sums = np.add.outer(sums, steps).ravel()
            shares = np.multiply.outer(shares, _half_binomial(count)).ravel()
        return min(1.0, float(shares[np.abs(sums) >= reached].sum()))
    generator = np.random.default_rng(seed)
    sums = np.zeros(draws)
    for magnitude, count in groups:
        sums += magnitude * (2 * heads(generator, count, draws) - count)
    extreme = int((np.abs(sums) >= reached).sum())
    if extreme < FEW:
        return two_sided(fsum(differences), sqrt(fsum(d * d * m for d, m in groups)))
    return (1 + extreme) / (1 + draws)


def heads(generator: np.random.Generator, tosses: int, draws: int) -> NDArray[np.int64]:
    """Return draws of Binomial(tosses, 1/2): the ones among so many random bits.

    Several times as fast as the generator's own, which has to suit any probability.
    """
    words, rest = divmod(tosses, 64)
    bits = generator.integers(2**64, size=(words + 1, draws), dtype=np.uint64)
    bits[-1] &= np.uint64(2**rest - 1)
    ones: NDArray[np.int64] = np.bitwise_count(bits).sum(axis=0, dtype=np.int64)
    return ones


def _half_binomial(count: int) -> NDArray[np.float64]:
    numbers = accumulate(range(count), lambda c, k: c * (count - k) // (k + 1), initial=1)
    return np.array([number / 2**count for number in numbers])


def average_paired(
    differences: Mapping[str, Sequence[float]], *, seed: int = 0, draws: int = 10_000
) -> Difference:
    """Compare two runs by the plain mean over benchmarks, on the same problems.

    ``differences`` holds, for each benchmark, each problem's accuracy in B minus that in
    A; the average's difference is the mean of the benchmarks' means. Of the n problems of
    each benchmark, n − 1 are drawn with replacement, which makes the bootstrap's variance
    s²/n, unbiased (Rao and Wu, J. Am. Stat. Assoc. 83 (1988) 231; of 30 problems the usual
    one is 3 % too small). The standard error is √(Σ s²/n) / B in closed form.

    The interval is cut off at the share of draws, not 2.5 % but Φ(−t), that allows for s²
    being an estimate (Hesterberg, Am. Stat. 69 (2015) 371): t is Student's, of Satterthwaite's
    degrees of freedom (Biometrics Bull. 2 (1946) 110), since two small benchmarks can make
    up most of Σ s²/n. A benchmark without spread adds none; if none has any, Bonett and
    Price's intervals are combined by MOVER. p is that of ``average_flips``, which holds
    however few problems differ.

    >>> pairs = {"one": [1, 0, 0, 1, 0, 0, 1, 0], "two": [0, 1, -1, 0, 1, 0, 0, 0]}
    >>> found = average_paired(pairs)
    >>> round(found.difference, 3), round(found.standard_error, 3)
    (0.25, 0.146)
    >>> round(found.low, 1), round(found.high, 1), round(found.p_value, 3)
    (-0.1, 0.6, 0.219)
    """
    if not differences or not all(differences.values()):
        raise ValueError("an average needs benchmarks, and each of them problems")
    # Draws are not symmetric: computed in one of the two directions, whichever was asked.
    strata = [sorted(map(float, differences[name])) for name in sorted(differences)]
    mirror = [[0.0 - value for value in reversed(stratum)] for stratum in strata]
    found = _average_paired(
        min(strata, mirror), p_value=average_flips(differences, seed=seed), seed=seed, draws=draws
    )
    if strata == mirror:
        half = (found.high - found.low) / 2
        return replace(found, difference=0.0, low=-half, high=half)
    return found if strata < mirror else found.mirrored()


def average_flips(
    differences: Mapping[str, Sequence[float]], *, seed: int = 0, draws: int = 20_000
) -> float:
    """Return the p-value of the average's difference under random signs of all problems.

    The test of ``paired_means``, on what each problem adds to the average: d / n / B of a
    benchmark of n problems, one of B.

    >>> average_flips({"one": [1, 1, 0], "two": [1, 0, -1, 0]})
    0.375
    """
    shares = [
        value / len(differences[name]) / len(differences)
        for name in sorted(differences)
        for value in differences[name]
    ]
    return _sign_flips(shares, seed=seed, draws=draws)


def _average_paired(
    strata: Sequence[Sequence[float]], *, p_value: float, seed: int, draws: int
) -> Difference:
    if all(map(_alike, strata)):
        return _average_alike(strata, p_value=p_value)
    generators = np.random.default_rng(seed).spawn(len(strata))
    with ThreadPoolExecutor() as threads:  # numpy draws without holding the interpreter
        drawn = threads.map(_resampled_means, strata, generators, repeat(draws))
        means = np.mean(list(drawn), axis=0)
    variances = [standard_error(stratum) ** 2 for stratum in strata]
    freedom = _freedom(variances, [len(stratum) for stratum in strata])
    beyond = NormalDist().cdf(-t_quantile(0.975, freedom))
    low, high = np.quantile(means, [beyond, 1 - beyond], method="weibull")
    return Difference(
        difference=fmean(map(fmean, strata)),
        low=float(low),
        high=float(high),
        standard_error=sqrt(fsum(variances)) / len(strata),
        p_value=p_value,
        test="sign-flip permutation over all problems",
        interval_method="stratified paired bootstrap",
    )


def _freedom(variances: Sequence[float], sizes: Sequence[int]) -> int:
    """Return Satterthwaite's degrees of freedom of a sum, rounded down."""
    parts = [v**2 / (size - 1) for v, size in zip(variances, sizes, strict=True) if v]
    return int(fsum(variances) ** 2 / fsum(parts) + TIE)


def _resampled_means(
    values: Sequence[float], generator: np.random.Generator, draws: int
) -> NDArray[np.float64]:
    """Return means of n − 1 of the n values; how often each distinct one comes is drawn."""
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    size, sums = max(1, len(values) - 1), np.zeros(draws)
    # Added up value by value: a matrix product may round differently from call to call.
    drawn = generator.multinomial(size, counts / len(values), draws)
    for index, value in enumerate(distinct):
        sums += drawn[:, index] * value
    return sums / size


def _average_alike(strata: Sequence[Sequence[float]], *, p_value: float) -> Difference:
    parts = [paired_means(stratum) for stratum in strata]
    values = [part.difference for part in parts]
    interval = mean_interval(values, [Interval(low=part.low, high=part.high) for part in parts])
    return Difference(
        difference=fmean(values),
        low=interval.low,
        high=interval.high,
        standard_error=sqrt(fsum(part.standard_error**2 for part in parts)) / len(parts),
        p_value=p_value,
        test="sign-flip permutation over all problems",
        interval_method="MOVER over Bonett-Price intervals",
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in the given order.

    The k-th smallest of m is multiplied by m − k + 1, and none is below a smaller one's:
    whichever hypotheses are true, the chance that any of them is rejected stays below the
    level (Holm, Scand. J. Stat. 6 (1979) 65).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted
