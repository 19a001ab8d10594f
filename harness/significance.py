"""Two runs compared: how large the difference is, and whether chance explains it.

Pure functions; a difference is always B − A, as a fraction. The problem is the unit of chance:
samples of one problem are never counted as if they were further problems. Swapping the runs
negates every answer exactly, and the order of problems or benchmarks changes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, repeat
from math import atan, comb, cos, erfc, exp, fsum, lgamma, pi, prod, sin, sqrt, tan
from statistics import NormalDist, fmean

import numpy as np
from numpy.typing import NDArray

from harness.metrics import Z95, mean_interval, standard_error, wilson
from harness.record import Interval

TIE = 1e-9
"""Closer than this, two accuracies differ by rounding only (16 samples against 7: 1/112)."""
ENUMERATED = 2**16
"""Up to so many outcomes of sign flips are counted one by one instead of being drawn."""
FEW = 10
"""Fewer draws than these do not tell how small a p-value is; the normal tail does."""
CLUSTERED = "normal, unpaired, a problem's samples counted once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far B is above A, as fractions, with its 95 % interval and a two-sided test."""

    difference: float
    low: float
    high: float
    standard_error: float
    """Never 0: where the data show no spread it is that of the interval."""
    p_value: float
    """Of the hypothesis that A and B do equally well."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What is known of one side if only its counts are: no verdict of any single problem."""

    problems: int
    samples: int
    accuracy: float
    """Mean over problems of the share of their samples that are correct."""

    def __post_init__(self) -> None:
        if not (1 <= self.problems <= self.samples and 0 <= self.accuracy <= 1):
            raise ValueError(f"no counts of a benchmark: {self}")

    @property
    def single(self) -> bool:
        """Whether every problem has one sample."""
        return self.samples == self.problems

    @property
    def correct(self) -> int:
        """How many samples are correct."""
        return round(self.accuracy * self.samples)


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


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t with a whole number of degrees of freedom.

    Newton's method on Student's own finite series for P(|T| < t) in θ = atan(t / √ν)
    (Abramowitz and Stegun, 26.7.3 and 26.7.4). It is concave in θ, with the slope
    2 Γ((ν + 1)/2) / (√π Γ(ν/2)) cos^(ν − 1) θ, and a normal quantile is the smaller one, so
    that each step from there falls short of the root and none is beyond it.

    >>> round(t_quantile(0.975, 1), 4), round(t_quantile(0.975, 29), 4)
    (12.7062, 2.0452)
    """
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError(f"no quantile {probability} of Student's t with {freedom} degrees")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    slope = 2 / sqrt(pi) * exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2))
    angle = atan(NormalDist().inv_cdf(probability) / sqrt(freedom))
    for _ in range(60):
        missing = 2 * probability - 1 - _t_within(angle, freedom)
        step = missing / (slope * cos(angle) ** (freedom - 1))
        angle += step
        if step < 1e-15:
            break
    return sqrt(freedom) * tan(angle)


def _t_within(angle: float, freedom: int) -> float:
    """Return P(|T| < √ν tan(angle))."""
    odd, cosine = freedom % 2, cos(angle)
    term, total, square = cosine if odd else 1.0, 0.0, cosine**2
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= (k - 1) / k * square
    total *= sin(angle)
    return 2 / pi * (angle + total) if odd else total


def unpaired(a: Tally, b: Tally) -> Difference:
    """Compare two runs of which only the counts are known.

    One sample a problem: Fisher's exact test, two-sided by summing the probability of
    every table as improbable as this one or more (Fisher, J. R. Stat. Soc. 98 (1935) 39),
    in whole numbers, so that ties are ties; and Newcombe's hybrid score interval
    (method 10: Stat. Med. 17 (1998) 873), made of each side's Wilson limits l and u:
    low = D − √((p_B − l_B)² + (u_A − p_A)²), high = D + √((u_B − p_B)² + (p_A − l_A)²).

    Several samples: how they cluster is not known. An accuracy p over N problems has at
    most the variance p(1 − p)/N, which it has if all samples of a problem agree; so a
    problem counts once, in Wilson's limits and in a z test with the pooled variance.

    >>> a = Tally(problems=500, samples=500, accuracy=78 / 500)
    >>> found = unpaired(a, Tally(problems=500, samples=500, accuracy=119 / 500))
    >>> round(found.low, 4), round(found.high, 4), round(found.p_value, 4)
    (0.0327, 0.1309, 0.0014)
    """
    interval = _newcombe(a, b)
    if a.single and b.single:
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


def _newcombe(a: Tally, b: Tally) -> Interval:
    interval_a, interval_b = _wilson(a), _wilson(b)
    difference = b.accuracy - a.accuracy
    below = _hypotenuse(b.accuracy - interval_b.low, interval_a.high - a.accuracy)
    above = _hypotenuse(interval_b.high - b.accuracy, a.accuracy - interval_a.low)
    return Interval(low=max(-1.0, difference - below), high=min(1.0, difference + above))


def _wilson(tally: Tally) -> Interval:
    right = tally.correct if tally.single else tally.accuracy * tally.problems
    return wilson(right, tally.problems)


def _half_width(interval: Interval) -> float:
    """Return the standard error that a normal interval of this width would have."""
    return (interval.high - interval.low) / (2 * Z95)


def _hypotenuse(one: float, other: float) -> float:
    return sqrt(one**2 + other**2)


def _variance(tally: Tally) -> float:
    """Return the unbiased estimate of an accuracy's variance, all of a problem's samples alike."""
    return tally.accuracy * (1 - tally.accuracy) / max(1, tally.problems - 1)


def _fisher(right_a: int, problems_a: int, right_b: int, problems_b: int) -> float:
    right = right_a + right_b
    first, last = max(0, right - problems_b), min(right, problems_a)
    weight = comb(problems_a, first) * comb(problems_b, right - first)
    weights = []
    for k in range(first, last + 1):
        weights.append(weight)
        weight = weight * (problems_a - k) * (right - k) // (k + 1)
        weight //= problems_b - right + k + 1
    observed = weights[right_a - first]
    return sum(weight for weight in weights if weight <= observed) / sum(weights)


def _pooled_z(a: Tally, b: Tally) -> float:
    problems = a.problems + b.problems
    share = (a.accuracy * a.problems + b.accuracy * b.problems) / problems
    error = sqrt(max(0.0, share * (1 - share)) * (1 / a.problems + 1 / b.problems))
    return two_sided(b.accuracy - a.accuracy, error)


def two_sided(difference: float, error: float) -> float:
    """Return the two-sided normal p-value 2 (1 − Φ(|difference| / error)).

    No difference is no evidence, however small its error.

    >>> round(two_sided(0.0196, 0.01), 3), two_sided(0.0, 0.0)
    (0.05, 1.0)
    """
    return erfc(abs(difference) / error / sqrt(2)) if difference and error else 1.0


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


def average_unpaired(pairs: Mapping[str, tuple[Tally, Tally]]) -> Difference:
    """Compare two runs by the plain mean over benchmarks, from A's and B's counts.

    The interval combines the benchmarks' intervals of ``unpaired`` by MOVER (Zou and
    Donner, Stat. Med. 27 (2008) 1693). The test is normal, with the standard error
    √(Σ p(1 − p)/(N − 1)) / B over benchmarks and sides, N in problems; where that is 0, the
    interval's half-width over 1.96.

    >>> half, more = (Tally(problems=100, samples=100, accuracy=p) for p in (0.5, 0.7))
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
        test="normal, unpaired" if all(a.single and b.single for a, b in ordered) else CLUSTERED,
        interval_method="MOVER over Newcombe intervals",
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
