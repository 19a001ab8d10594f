"""Many runs on the same problems: which differ, in what order, and how good is the best?

Pure functions on arrays with a row for each run or comparison and a column for each problem. The
problem is the unit of chance, and one sign vector is shared by all comparisons: it keeps how they
depend on each other. The order of the rows changes no answer. The order of the problems decides
which random sign a problem gets, so a caller puts them into an order that does not depend on the
runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, prod, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.stats.distributions import normal_tail, t_quantile
from harness.stats.intervals import Interval
from harness.stats.power import LEVEL

Floats = NDArray[np.float64]

ENUMERATED = 2**16
"""Up to so many outcomes are counted one by one instead of being drawn."""
DRAWS = 20_000
"""Draws of sign vectors where there are too many to try all."""
SPLITS = 1_000
"""Random splits into halves, each of which is used both ways."""
TIE = 1e-9
"""Statistics closer than this are equal on paper and differ by rounding."""
CELLS = 2**21
"""Numbers in the largest table that is made to draw or to split."""
HELD = 2**24
"""Numbers in the largest table of outcomes of pairs; for more pairs, fewer outcomes are drawn."""
LEAST_DRAWS = 999
"""Draws for however many pairs."""
TRIFLE = 1e-7
"""How much of a statistic is added to −log p, to order p-values that are equal."""
LEAST = 1e-300
"""What p is at least: of thousands of signs, one outcome's share is no number any more."""
EQUAL = 1e-10
"""Evidence closer than this is equal on paper and differs by rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedTests:
    """Comparisons that were tested together."""

    p_values: tuple[float, ...]
    """The two-sided p-value of each comparison alone."""
    adjusted: tuple[float, ...]
    """The same, corrected for the number of comparisons."""
    level: float
    """The level at which each comparison's interval is taken so that all hold together at 5 %."""
    exact: bool
    """Whether every sign vector was counted; otherwise they were drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedPairs:
    """All pairs of runs, tested together; each table has a row and a column for each run."""

    p_values: Floats
    adjusted: Floats
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The run with the highest average, and what is left of it where it did not choose itself."""

    rows: tuple[int, ...]
    """Which run it is; several if their averages are equal."""
    naive: float
    """Its average over all problems, which were also used to choose it."""
    corrected: float | None
    """The average, over many splits, of the run chosen on one half, on the other half. None if a
    benchmark has a single problem, which cannot be split."""
    chosen: float | None
    """The share of the halves on which it is chosen."""


def step_down(
    differences: ArrayLike, weights: ArrayLike, *, seed: int = 0, draws: int = DRAWS
) -> AdjustedTests:
    """Test several comparisons with the same base, and correct for their number.

    ``differences`` has a row for each comparison and a column for each problem: accuracy minus that
    of the base. A comparison's difference is Σ w d over the problems, with ``weights`` w. Its
    statistic is T = |Σ w d| / √Σ (w d)², which makes comparisons of unequal noise alike.

    One random sign a problem flips the differences of all comparisons on it. p is the share of the
    sign vectors under which T reaches the observed one. The correction is step-down max-T ("free
    step-down resampling": Westfall and Young, Resampling-Based Multiple Testing (1993), §2.6; Ge,
    Dudoit and Speed, Test 12 (2003) 1, box 2): with the comparisons in the order of their
    statistics, the k-th has the share of sign vectors under which the largest T of the k-th and all
    later ones reaches the k-th's, and none is below the one before it. The smallest p in place of
    the largest T would be wrong in 7 to 10 % of families of 20 to 100 equal runs, since what the
    base's luck does is shared by all comparisons and no sign vector undoes it.

    Each p-value alone is exact if the run and the base are equally good on every problem and gave
    it equally many samples. Jointly the signs keep the covariances of the differences, but not
    their third moments, so the corrected level is approximate (Romano and Wolf, J. Am. Stat. Assoc.
    100 (2005) 94); simulations hold it at 5 %. With at most 65,536 distinct outcomes all are
    counted, otherwise p is (1 + reached) / (1 + draws) of seeded draws (Phipson and Smyth, Stat.
    Appl. Genet. Mol. Biol. 9 (2010) 39).

    Raises:
        ValueError: there is no comparison or no problem, or the shapes do not fit.

    >>> first = [1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]
    >>> second = [1, 0, 1, 1, -1, 0, 1, 0, 1, 0, 0, 0, 1, 0]
    >>> third = [0, 1, -1, 0, 1, 0, 0, 1, 0, -1, 0, 0, 0, 1]
    >>> found = step_down([first, second, third], [1 / 14] * 14)
    >>> found.p_values
    (0.03125, 0.125, 0.6875)
    >>> [round(p, 5) for p in found.adjusted]
    [0.0752, 0.15039, 0.6875]
    """
    values = _weighted(differences, weights)
    found = _largest(values, seed=seed, draws=draws)
    return AdjustedTests(
        p_values=tuple(found.p_values.tolist()),
        adjusted=tuple(found.adjusted.tolist()),
        level=found.level,
        exact=found.exact,
    )


def all_pairs(
    accuracies: ArrayLike, weights: ArrayLike, *, seed: int = 0, draws: int = DRAWS
) -> AdjustedPairs:
    """Test every pair of runs, and correct for the number of pairs and of directions.

    ``accuracies`` has a row for each run. The p-values are those of `step_down`. The correction is
    by the smallest p in place of the largest T (min-p; Ge, Dudoit and Speed, box 3), where an equal
    p counts if its T is as large: statistics of pairs are not distributed alike, and one that hangs
    on a single problem can never be large, however clear it is. Which of a pair is the
    better one is a claim too, so both directions of each pair are in the family: a pair that was
    found to differ stays in it with its other direction (the one-sided step-down of Mogstad,
    Romano, Shaikh and Wilhelm, Rev. Econ. Stud. 91 (2024) 476, §3). Of two runs alone it is the
    two-sided test.

    >>> found = all_pairs([[1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]], [1 / 7] * 7)
    >>> found.p_values[0, 1], found.adjusted[1, 0]
    (np.float64(0.03125), np.float64(0.03125))
    """
    values = _weighted(accuracies, weights)
    values = values - values[:1]  # what all runs share at a problem cancels in every pair
    runs = len(values)
    first, second = np.triu_indices(runs, 1)
    p_values, adjusted = np.ones((runs, runs)), np.ones((runs, runs))
    if not len(first):
        return AdjustedPairs(p_values=p_values, adjusted=adjusted, exact=True)
    contrasts = np.eye(runs)[first] - np.eye(runs)[second]
    found = _smallest(values, contrasts, seed=seed, draws=draws)
    p_values[first, second] = p_values[second, first] = found.p_values
    adjusted[first, second] = adjusted[second, first] = found.adjusted
    return AdjustedPairs(p_values=p_values, adjusted=adjusted, exact=found.exact)


def rank_intervals(better: ArrayLike) -> list[tuple[int, int]]:
    """Return the best and the worst rank that each run may have; 1 is the best.

    ``better[i][j]`` says that run i was found better than run j. Run i's rank is at least 1 plus
    the number of runs found better, and at most the number of runs minus those found worse. If
    false findings among all pairs have a chance of at most 5 %, all the intervals hold all the true
    ranks with a chance of at least 95 % (Mogstad, Romano, Shaikh and Wilhelm, Rev. Econ. Stud. 91
    (2024) 476, theorem 3.2). Runs that are truly equal share a rank, and every rank that they take
    up is in their intervals.

    >>> rank_intervals([[False, False, True], [False, False, True], [False, False, False]])
    [(1, 2), (1, 2), (3, 3)]
    """
    found = np.asarray(better, dtype=bool)
    above, below = found.sum(axis=0), found.sum(axis=1)
    return [
        (1 + int(more), len(found) - int(fewer)) for more, fewer in zip(above, below, strict=True)
    ]


def best_of(
    accuracies: ArrayLike, benchmarks: ArrayLike, *, seed: int = 0, splits: int = SPLITS
) -> Best:
    """Return the run of the highest average, with its average corrected for having been chosen.

    ``accuracies`` has a row for each run and a column for each problem, ``benchmarks`` the number
    of each problem's benchmark; the average is the plain mean of the benchmarks' means. The highest
    of several averages is too high on average, because luck helped to choose it (Andrews, Kitagawa
    and McCloskey, Q. J. Econ. 139 (2024) 305). So the problems of each benchmark are split into
    halves at random, the best is chosen on one half and scored on the other, and the reverse, and
    all of these scores are averaged (cross-validation; van Hasselt, arXiv 1302.7175). This is
    unbiased for the run that half of the problems would choose. It is too low for the true best by
    what the choice loses with half of the problems. Runs that are equal on a half share the choice.

    Raises:
        ValueError: there is no run or no problem.

    >>> found = best_of([[1, 1, 0, 1], [0, 0, 0, 0]], [0, 0, 0, 0])
    >>> found.rows, found.naive, found.corrected
    ((0,), 0.75, 0.75)
    """
    values = np.asarray(accuracies, dtype=float)
    if values.ndim != 2 or not values.size:
        raise ValueError("the best of nothing was asked for")
    strata = np.unique(np.asarray(benchmarks), return_inverse=True)[1]
    counts = np.bincount(strata)
    averages = values @ (1 / counts[strata] / len(counts))
    best = averages >= averages.max() - TIE
    rows = tuple(np.flatnonzero(best).tolist())
    naive = float(averages.max())
    if counts.min() < 2:
        return Best(rows=rows, naive=naive, corrected=None, chosen=None)
    generator = np.random.default_rng(seed)
    at_once = max(1, CELLS // values.shape[1])
    sizes = [min(at_once, splits - start) for start in range(0, splits, at_once)]
    halves = [_halves(generator, strata, counts, size) @ values.T for size in sizes]
    means = np.concatenate(halves, axis=1)
    choices = means >= means.max(axis=2, keepdims=True) - TIE
    shares = choices / choices.sum(axis=2, keepdims=True)
    return Best(
        rows=rows,
        naive=naive,
        corrected=float((shares * means[::-1]).sum(axis=2).mean()),
        chosen=float(shares[:, :, best].sum(axis=2).mean()),
    )


def _halves(
    generator: np.random.Generator, strata: NDArray[np.intp], counts: NDArray[np.intp], splits: int
) -> Floats:
    """Return weights of shape (2, splits, problems) that average each half of each split."""
    weights = np.zeros((2, splits, len(strata)))
    for number, count in enumerate(counts):
        places = np.flatnonzero(strata == number)
        order = generator.random((splits, count)).argsort(axis=1)
        for half, chosen in enumerate((order < count // 2, order >= count // 2)):
            weights[half][:, places] = chosen / (chosen[0].sum() * len(counts))
    return weights


def difference_interval(differences: ArrayLike, benchmarks: ArrayLike, *, level: float) -> Interval:
    """Return the interval of a mean difference of two runs, or of the average over benchmarks.

    D ± t √(Σ s²/n) / B over B benchmarks with the variances s² of n differences each; t is
    Student's quantile at 1 − level/2 with Satterthwaite's degrees of freedom (Biometrics Bull. 2
    (1946) 110). Each benchmark gets two imagined problems, of the differences 1 and −1 (Bonett and
    Price, J. Educ. Behav. Stat. 37 (2012) 479, for single samples). Without them the interval is
    too narrow where a few problems could change a lot and none of those happened to be asked.

    >>> found = difference_interval([1, 0, 0, 1, 0, 0, 1, 0], [0] * 8, level=0.05)
    >>> round(found.low, 3), round(found.high, 3)
    (-0.183, 0.783)
    """
    values, numbers = np.asarray(differences, dtype=float), np.asarray(benchmarks)
    means, variances, sizes = [], [], []
    for number in np.unique(numbers):
        part = np.append(values[numbers == number], [1.0, -1.0])
        means.append(part.mean())
        variances.append(part.var(ddof=1) / len(part))
        sizes.append(len(part))
    parts, total = np.array(variances), sum(variances)
    freedom = total**2 / float((parts**2 / (np.array(sizes) - 1)).sum())
    middle = float(np.mean(means))
    half = t_quantile(1 - level / 2, freedom) * sqrt(total) / len(parts)
    return Interval(low=max(-1.0, middle - half), high=min(1.0, middle + half))


# --- the distribution of what is smallest or largest of all comparisons ---------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Together:
    p_values: Floats
    adjusted: Floats
    level: float
    exact: bool


def _weighted(values: ArrayLike, weights: ArrayLike) -> Floats:
    found: Floats = np.asarray(values, dtype=float)
    each = np.asarray(weights, dtype=float)
    if found.ndim != 2 or not found.size or each.shape != found.shape[1:]:
        raise ValueError(f"values of shape {found.shape} with weights of shape {each.shape}")
    weighted: Floats = found * each
    return weighted


def _largest(values: Floats, *, seed: int, draws: int) -> _Together:
    """Test each row of ``values`` by shared random signs, and correct by the largest statistic."""
    totals, norms = values.sum(axis=1), np.sqrt((values**2).sum(axis=1))
    differ = norms > TIE * np.abs(values).max(initial=0.0)
    scales = np.where(differ, norms, np.inf)
    observed = np.abs(totals) / scales
    order = np.argsort(-observed, kind="stable")
    limits = observed[order] - TIE
    alone, stepped = np.zeros(len(order)), np.zeros(len(order))
    highest: list[Floats] = []
    shares_of: list[Floats] = []
    outcomes = _enumerated(values, comparisons=len(values))
    for sums, shares in _outcomes(outcomes, values, values.shape[0], seed, draws):
        sizes = np.abs(sums / scales)[:, order]
        alone += shares @ (sizes >= limits)
        later = np.maximum.accumulate(sizes[:, ::-1], axis=1)[:, ::-1]
        stepped += shares @ (later >= limits)
        highest.append(sizes.max(axis=1))
        shares_of.append(shares)
    p_values, adjusted = np.empty(len(order)), np.empty(len(order))
    p_values[order] = np.minimum(1.0, alone)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return _Together(
        p_values=p_values,
        adjusted=adjusted,
        level=_joint_level(np.concatenate(highest), np.concatenate(shares_of), len(order)),
        exact=outcomes is not None,
    )


def _smallest(values: Floats, contrasts: Floats, *, seed: int, draws: int) -> _Together:
    """Test each row of ``contrasts`` @ ``values`` likewise, and correct by the smallest p."""
    totals = contrasts @ values.sum(axis=1)
    norms = _norms(contrasts, values)
    differ = norms > TIE * np.abs(values).max(initial=0.0)
    scales = np.where(differ, norms, 1.0)
    observed = np.where(differ, np.abs(totals) / scales, 0.0)
    toward = (contrasts * (np.where(totals < 0, -1.0, 1.0) * differ / scales)[:, None]).T
    outcomes = _enumerated(values, comparisons=len(contrasts))
    # All outcomes are held at once, to find the p of each.
    draws = max(LEAST_DRAWS, min(draws, HELD // len(contrasts)))
    pieces = _outcomes(outcomes, values, len(contrasts), seed, draws)
    parts = [(sums @ toward, share) for sums, share in pieces]
    statistics = np.concatenate([part for part, _ in parts])
    shares = np.concatenate([share for _, share in parts])
    del parts
    alone, limits = np.empty(len(observed)), np.empty(len(observed))
    # Each statistic is replaced by its evidence, column by column: a second table would be large.
    for number, column in enumerate(statistics.T):
        evidence, alone[number], limits[number] = _evidence(column, shares, observed[number])
        statistics[:, number] = np.where(column < 0, -evidence, evidence)
    # That either of a pair is the better one is a claim that stays in the family.
    other_way = -statistics.min(axis=1)
    order = np.argsort(-limits, kind="stable")
    stepped, left = np.empty(len(order)), other_way
    for place in range(len(order) - 1, -1, -1):
        left = np.maximum(left, statistics[:, order[place]])
        stepped[place] = shares @ (left >= limits[order[place]] - EQUAL)
    adjusted = np.empty(len(observed))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return _Together(
        p_values=np.minimum(1.0, alone),
        adjusted=np.maximum(adjusted, np.minimum(1.0, alone)),
        level=LEVEL / len(observed),
        exact=outcomes is not None,
    )


def _outcomes(
    outcomes: tuple[Floats, Floats] | None, values: Floats, width: int, seed: int, draws: int
) -> Iterator[tuple[Floats, Floats]]:
    """Yield sums under the signs, and the share of each, in pieces: all outcomes, or drawn ones."""
    rows = max(1, CELLS // max(width, values.shape[1]))
    return _pieces(outcomes, rows) if outcomes else _drawn(values, seed, draws, rows)


def _evidence(statistics: Floats, shares: Floats, observed: float) -> tuple[Floats, float, float]:
    """Return −log p of each outcome of one statistic, the observed p, and its −log p.

    An outcome's p is the share of the outcomes whose statistic is as large, in either direction.
    Equal p-values of different comparisons, such as the smallest that draws can give, are told
    apart by the statistics, of which a trifle is added.
    """
    sizes = np.abs(statistics)
    order = np.argsort(-sizes)
    ranked, reached = sizes[order], np.cumsum(shares[order])
    last = np.append(ranked[:-1] - ranked[1:] > TIE, True)
    # Outcomes that are equal on paper have the p of the last of them.
    reached = reached[np.flatnonzero(last)][np.cumsum(np.append(False, last[:-1]))]
    evidence = np.empty(len(sizes))
    evidence[order] = TRIFLE * ranked - np.log(np.maximum(reached, LEAST))
    p_value = max(LEAST, float(shares[sizes >= observed - TIE].sum()))
    return evidence, p_value, TRIFLE * observed - log(p_value)


def _norms(contrasts: Floats, values: Floats) -> Floats:
    """Return √Σ x² of each row of ``contrasts`` @ ``values``, without holding all the rows."""
    rows = max(1, CELLS // values.shape[1])
    pieces = [contrasts[start : start + rows] for start in range(0, len(contrasts), rows)]
    squares = np.concatenate([((piece @ values) ** 2).sum(axis=1) for piece in pieces])
    norms: Floats = np.sqrt(squares)
    return norms


def _joint_level(highest: Floats, shares: Floats, comparisons: int) -> float:
    """Return the level that each comparison may use so that all keep `LEVEL` together.

    It is the two-sided normal tail beyond the value that the largest statistic reaches with a
    chance of at most `LEVEL`; never less than Bonferroni's share of the level.
    """
    order = np.argsort(-highest)
    reached = np.cumsum(shares[order]) <= LEVEL
    critical = highest[order][reached][-1] if reached.any() else np.inf
    return min(LEVEL, max(LEVEL / comparisons, 2 * normal_tail(float(critical))))


def _enumerated(values: Floats, *, comparisons: int) -> tuple[Floats, Floats] | None:
    """Return all distinct outcomes of the sums under random signs, and how likely each one is.

    Problems whose values are the same in all rows, or the negative, are alike: of m of them the
    signs add up to 2 Binomial(m, 1/2) − m. None if there are more than `ENUMERATED` outcomes, or
    more than can be held for so many comparisons.
    """
    columns = values.T[np.abs(values).max(axis=0) > 0]
    if not len(columns):
        return np.zeros((1, len(values))), np.ones(1)
    places = (np.abs(columns) > 0).argmax(axis=1)
    leading = columns[np.arange(len(columns)), places]
    _, first, counts = np.unique(
        (columns * np.sign(leading)[:, None] / np.abs(columns).max()).round(12),
        axis=0,
        return_index=True,
        return_counts=True,
    )
    if prod(int(count) + 1 for count in counts) > min(ENUMERATED, HELD // comparisons):
        return None
    sums, shares = np.zeros((1, len(values))), np.ones(1)
    for pattern, count in zip(columns[first], counts, strict=True):
        steps = np.arange(-count, count + 1, 2)
        sums = (sums[:, None, :] + steps[:, None] * pattern).reshape(-1, len(values))
        shares = np.multiply.outer(shares, _half_binomial(int(count))).ravel()
    return sums, shares


def _half_binomial(count: int) -> Floats:
    """Return the chances of 0 to ``count`` heads; both tails keep their digits."""
    from scipy.special import bdtr

    lower = np.diff(bdtr(np.arange(count // 2 + 1), count, 0.5), prepend=0.0)
    return np.concatenate([lower, lower[: (count + 1) // 2][::-1]])


def _pieces(outcomes: tuple[Floats, Floats], rows: int) -> Iterator[tuple[Floats, Floats]]:
    sums, shares = outcomes
    for start in range(0, len(sums), rows):
        yield sums[start : start + rows], shares[start : start + rows]


def _drawn(values: Floats, seed: int, draws: int, rows: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield sums under drawn signs; the first outcome is the observed one, which counts too."""
    share = 1 / (1 + draws)
    yield values.sum(axis=1)[None], np.array([share])
    columns = np.ascontiguousarray(values.T[np.abs(values).max(axis=0) > 0])
    generator = np.random.default_rng(seed)
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        words = generator.integers(2**64, size=(size, -(-len(columns) // 64)), dtype=np.uint64)
        bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=len(columns))
        yield 2 * (bits.astype(float) @ columns) - columns.sum(axis=0), np.full(size, share)


def ordered(values: Sequence[float]) -> list[int]:
    """Return the places of values from the highest to the lowest; equal ones keep their order.

    >>> ordered([0.2, 0.5, 0.2])
    [1, 0, 2]
    """
    return sorted(range(len(values)), key=lambda place: -round(values[place], 12))
