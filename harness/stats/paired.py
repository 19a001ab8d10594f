"""Two runs on the same problems: how far apart they are, and whether chance explains it.

Pure functions; a difference is always B − A, as a fraction. The problem is the unit of chance:
samples of one problem are never counted as if they were further problems. Swapping the runs
negates every answer exactly, and the order of problems or benchmarks changes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import fsum, sqrt, ulp
from statistics import fmean
from typing import Self

from harness.stats.distributions import t_quantile
from harness.stats.intervals import Z95, Interval, mean_interval, standard_error
from harness.stats.permutation import PairedCounts, permutation_test

TIE = 1e-9
"""Closer than this, two accuracies differ by rounding only (16 samples against 7: 1/112)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How far B is above A, as fractions, with its 95 % interval."""

    difference: float
    low: float
    high: float
    standard_error: float
    """Never 0: where the data show no spread it is that of the interval."""
    interval_method: str

    def mirrored(self) -> Self:
        """Return the same comparison as A − B.

        >>> paired_single(4, 1, 50).mirrored() == paired_single(1, 4, 50)
        True
        """
        # 0 − x, since the negative of 0.0 would be printed as -0.0.
        return replace(
            self, difference=0.0 - self.difference, low=0.0 - self.high, high=0.0 - self.low
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Estimate):
    """How far B is above A, with its 95 % interval and a two-sided test."""

    p_value: float
    """The two-sided p-value of the hypothesis that A and B do equally well."""
    test: str

    @classmethod
    def tested(cls, estimate: Estimate, p_value: float, test: str) -> Difference:
        """Return an estimate together with its test."""
        values = {field.name: getattr(estimate, field.name) for field in fields(Estimate)}
        return cls(**values, p_value=p_value, test=test)


def paired_single(fixed: int, broken: int, problems: int) -> Difference:
    """Compare two runs that gave one sample to each of the same problems.

    ``fixed`` problems are wrong in A and right in B, ``broken`` ones the reverse; the
    difference is (fixed − broken) / problems.

    Test: McNemar's mid-p. Were both runs equally good, each of the fixed + broken problems
    would have fallen either way with probability 1/2: p is twice the smaller binomial tail, in
    which the observed outcome counts by half. Unlike the exact p, which counts it in full, it
    is not too large on average, and finds more (Fagerland, Lydersen and Laake, BMC Med. Res.
    Methodol. 13 (2013) 91, who recommend it and found no level above 5 %).

    Interval: with one imagined problem more on either side, D = (fixed − broken) / (N + 2)
    and S² = ((fixed + broken + 2) / (N + 2) − D²) / (N + 2): D ± 1.96 S (Bonett and Price,
    J. Educ. Behav. Stat. 37 (2012) 479, recommended by Fagerland, Lydersen and Laake,
    Stat. Med. 33 (2014) 2850, whose example of 21 patients this is).

    >>> found = paired_single(1, 7, 21)
    >>> round(found.difference, 3), round(found.low, 3), round(found.high, 3)
    (-0.286, -0.508, -0.013)
    >>> round(found.p_value, 4)  # the exact one is 0.0703
    0.0391
    """
    if min(fixed, broken) < 0 or fixed + broken > problems:
        raise ValueError(f"{fixed} fixed and {broken} broken of {problems} problems")
    discordant = fixed + broken
    # Each binomial coefficient from the one before: thousands of large ones are slow to make anew.
    observed, fewer = 1, 0
    for i in range(min(fixed, broken)):
        fewer += observed
        observed = observed * (discordant - i) // (i + 1)
    # Twice the tail, with half of what was observed; 1 where both are as many.
    numerator = 2 * fewer + observed if fixed != broken else 2**discordant
    p_value = max(numerator / 2**discordant, ulp(0.0))
    return Difference.tested(_bonett_price(fixed, broken, problems), p_value, "McNemar mid-p")


def _bonett_price(fixed: int, broken: int, problems: int) -> Estimate:
    discordant, mean = fixed + broken, (fixed - broken) / (problems + 2)
    error = sqrt(((discordant + 2) / (problems + 2) - mean**2) / (problems + 2))
    return Estimate(
        difference=(fixed - broken) / problems if problems else 0.0,
        low=max(-1.0, mean - Z95 * error),
        high=min(1.0, mean + Z95 * error),
        standard_error=error,
        interval_method="Bonett-Price",
    )


def paired_difference(counts: PairedCounts) -> Difference:
    """Compare two runs on the same problems, of one or of several samples each.

    With one sample a problem in both runs it is ``paired_single``. Else the estimate is that of
    ``paired_estimate``, and the test that of ``permutation_test``.

    >>> found = paired_difference(PairedCounts.of([(0, 2, 1, 2), (1, 4, 2, 4), (0, 1, 1, 1)] * 2))
    >>> round(found.difference, 4), round(found.standard_error, 4)
    (0.5833, 0.1394)
    >>> round(found.low, 4), round(found.high, 4), round(found.p_value, 4)
    (-0.1183, 0.9933, 0.0156)
    """
    if counts.single:
        return paired_single(*_changed(counts), len(counts))
    return Difference.tested(paired_estimate(counts), *permutation_test([counts]))


def _changed(counts: PairedCounts) -> tuple[int, int]:
    """Return how many problems are fixed, and how many broken, where each has one sample."""
    moves = (counts.correct_b - counts.correct_a).tolist()
    return moves.count(1), moves.count(-1)


def paired_estimate(counts: PairedCounts) -> Estimate:
    """Return the mean difference of two runs on the same problems, with its interval.

    With one sample a problem in both runs it is that of ``paired_single``. Else:

    The difference is the mean of the problems' differences d, each its accuracy in B minus that
    in A. Its standard error is sd(d) / √N, clustered by problem (Miller, "Adding Error Bars to
    Evals", arXiv 2411.00640); where that is 0 it is that of the interval.

    Interval: that of Student's t, of the N differences and of two imagined ones, +1 and −1:
    mean ± t sd / √(N + 2), all of N + 2 values, with N + 1 degrees of freedom. It does for
    several samples what Bonett and Price's does for one: that no problem of N changed much does
    not mean that none would have among others. Without the two, where a few problems in a hundred
    change altogether, 95 % intervals of 30 problems hold the truth in 77 % of cases.

    >>> found = paired_estimate(PairedCounts.of([(0, 16, 1, 16)] + [(0, 16, 0, 16)] * 29))
    >>> round(found.difference, 4), round(found.low, 4), round(found.high, 4)
    (0.0021, -0.0897, 0.0936)
    """
    if counts.single:
        return _bonett_price(*_changed(counts), len(counts))
    differences = counts.differences.tolist()
    imagined = [*differences, 1.0, -1.0]
    mean, error = fmean(imagined), standard_error(imagined)
    half = t_quantile(0.975, len(differences) + 1) * error
    spread = standard_error(differences)
    return Estimate(
        difference=fmean(differences),
        low=max(-1.0, mean - half),
        high=min(1.0, mean + half),
        standard_error=spread if spread > TIE else error,
        interval_method="Student's t with two imagined problems, clustered by problem",
    )


def average_paired(benchmarks: Mapping[str, PairedCounts]) -> Difference:
    """Compare two runs by the plain mean over benchmarks, on the same problems.

    The estimate is that of ``average_estimate``. The test is that of ``permutation_test`` over
    all problems, each weighted by what it adds to the average: 1 / n / B in a benchmark of n
    problems, one of B.

    >>> one = PairedCounts.of([(0, 1, 1, 1)] * 3 + [(0, 1, 0, 1)] * 5)
    >>> two = PairedCounts.of([(0, 1, 1, 1)] * 2 + [(1, 1, 0, 1), (1, 1, 1, 1)] * 2)
    >>> found = average_paired({"one": one, "two": two})
    >>> round(found.difference, 4), round(found.p_value, 4)
    (0.1875, 0.4063)
    """
    estimate = average_estimate(benchmarks)
    p_value, test = permutation_test([benchmarks[name] for name in sorted(benchmarks)])
    return Difference.tested(estimate, p_value, f"{test}, over all problems")


def average_estimate(benchmarks: Mapping[str, PairedCounts]) -> Estimate:
    """Return the difference of two averages over benchmarks, with its interval.

    The difference is the mean of the benchmarks' differences, and its standard error
    √(Σ SE²) / B. The interval combines those of ``paired_estimate`` by MOVER (Zou and Donner,
    Stat. Med. 27 (2008) 1693), so that of one benchmark it is that benchmark's.

    >>> one = PairedCounts.of([(0, 1, 1, 1)] * 3 + [(0, 1, 0, 1)] * 5)
    >>> found = average_estimate({"one": one, "two": one})
    >>> round(found.difference, 4), round(found.low, 4), round(found.high, 4)
    (0.375, 0.0413, 0.6026)
    """
    if not benchmarks or not all(map(len, benchmarks.values())):
        raise ValueError("an average needs benchmarks, and each of them problems")
    parts = [paired_estimate(benchmarks[name]) for name in sorted(benchmarks)]
    values = [part.difference for part in parts]
    interval = mean_interval(values, [Interval(low=part.low, high=part.high) for part in parts])
    return Estimate(
        difference=fmean(values),
        low=max(-1.0, interval.low),
        high=min(1.0, interval.high),
        standard_error=sqrt(fsum(part.standard_error**2 for part in parts)) / len(parts),
        interval_method="MOVER over the benchmarks' intervals",
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
