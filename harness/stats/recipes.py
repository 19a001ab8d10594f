"""Two recipes, each trained several times: how far apart they are, and what chance explains.

Pure functions. A difference is always B − A, as a fraction, and swapping the recipes negates it
exactly. The trainings are a sample of all that a recipe could have given, and the problems a sample
of all that could have been asked. Every training meets every problem: the two are crossed. The
order of trainings, problems or benchmarks changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, fsum, sqrt
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.stats.distributions import t_quantile, t_tail
from harness.stats.intervals import Interval
from harness.stats.paired import TIE, Difference

LEAST_TRAININGS = 2
"""Fewer trainings of a recipe do not tell how much its trainings differ."""
ENUMERATED = 2**16
"""Up to so many assignments of the labels are counted one by one instead of being drawn."""
LEAST_PROBLEMS = 2
"""Fewer problems do not tell how much problems differ."""
TEST = "trainings and problems crossed, Student's t with Satterthwaite's degrees of freedom"


class Trainings(NamedTuple):
    """One recipe on one benchmark: a row for each training, a column for each problem."""

    accuracies: NDArray[np.float64]
    """The share of a training's samples of a problem that are correct."""
    samples: NDArray[np.int64]
    """How many samples that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """The variance of the difference by what it is clustered by, as squared fractions."""

    seed: float
    """Clustered by training: Σ s² / S over both recipes, s² of the S trainings' own accuracies."""
    problem: float
    """Clustered by problem: s² / N of the N differences of the problems' means."""
    interaction: float
    """What both contain, of one training on one problem: Σ s² / (S N), s² of the residuals."""
    total: float
    """max(seed, problem, seed + problem − interaction): the squared standard error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Where the variance comes from; the four parts add up to `Variances.total`."""

    trainings: float
    """Some trainings are better than others: only more trainings make this less."""
    problems: float
    """The recipes differ more on some problems than on others: only more problems help."""
    both: float
    """Single trainings are better on single problems: more of either helps."""
    samples: float | None
    """Answers are drawn: more trainings, problems or samples help. None with one sample of each
    problem, which does not tell this part from `both`; it is then counted there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The standard error that would be expected with more data, as a fraction."""

    another_training: float
    """With one training more of each recipe."""
    twice_the_problems: float
    """With twice as many problems of the same kind."""
    twice_the_samples: float | None
    """With twice as many samples of each problem; None if that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelling:
    """What the permutation of the trainings' labels says."""

    p_value: float
    """The share of all assignments that set the recipes at least so far apart."""
    floor: float
    """The smallest p-value that so many trainings can give."""
    assignments: int
    """In how many ways the trainings can be assigned to the two recipes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDifference:
    """Two recipes on one benchmark, or on the average of several."""

    a: float
    """The mean accuracy of A's trainings."""
    b: float
    scores_a: tuple[float, ...]
    """The accuracy of each of A's trainings, in the given order."""
    scores_b: tuple[float, ...]
    interval_a: Interval
    """The 95 % interval of A's mean, for other seeds and other problems."""
    interval_b: Interval
    difference: Difference
    freedom: float
    """Satterthwaite's degrees of freedom."""
    variances: Variances
    split: Split
    forecast: Forecast
    relabelling: Relabelling


def compare_groups(benchmarks: Mapping[str, tuple[Trainings, Trainings]]) -> GroupDifference:
    """Compare two recipes by the plain mean over benchmarks; one benchmark is its own mean.

    Of each recipe, and in each benchmark, the same trainings are given in the same order. With S
    trainings of a recipe and N problems of one benchmark, the variance of the difference is

        V = max(V_seed, V_problem, V_seed + V_problem − V_interaction)

    - V_seed is the sum over both recipes of s² / S, s² of the accuracies of the trainings.
    - V_problem is s² / N, s² of the N differences between the problem's means.
    - V_interaction is the sum over both recipes of s² / (S N), s² of the residuals after the means
      of trainings and of problems, with (S − 1)(N − 1) degrees of freedom. Each of the other two
      contains it once.

    This is clustering in two ways (Cameron, Gelbach and Miller, J. Bus. Econ. Stat. 29 (2011) 238).
    That of a mean of crossed random effects is in Owen (Ann. Appl. Stat. 1 (2007) 386). The
    maximum keeps it from falling below what either way alone says. The degrees of freedom of
    Student's t are Satterthwaite's (Biometrics Bull. 2 (1946) 110):

        V² / (Σ (s² / S)² / (S − 1) + V_problem² / (N − 1))

    With two trainings on both sides, s² of the trainings is the larger of the two recipes', since
    the test would otherwise reject more than 5 % of equal recipes.

    For an average of B benchmarks a training's accuracy is its average, and V_problem and
    V_interaction are those of the benchmarks added up and divided by B². Where nothing varies at
    all, two imagined problems of the differences 1 and −1 give the variance, as in Bonett and
    Price's interval (`harness.stats.paired.paired_single`).

    Args:
        benchmarks: for each benchmark the trainings of A and those of B.

    Raises:
        ValueError: there are fewer than two trainings of a recipe, or fewer than two problems.

    >>> cells = lambda rows: Trainings(np.array(rows), np.full(np.shape(rows), 4))
    >>> a = cells([[0.5, 0.25, 0.0, 0.75], [0.25, 0.25, 0.0, 1.0], [0.5, 0.5, 0.25, 0.75]])
    >>> b = cells([[0.75, 0.5, 0.25, 1.0], [1.0, 0.5, 0.25, 0.75], [0.75, 0.75, 0.5, 1.0]])
    >>> found = compare_groups({"demo": (a, b)})
    >>> round(found.difference.difference, 3), round(found.difference.standard_error, 3)
    (0.25, 0.068)
    >>> round(found.freedom, 1), round(found.difference.p_value, 3)
    (2.1, 0.062)
    >>> found.relabelling
    Relabelling(p_value=0.1, floor=0.1, assignments=20)
    """
    found = [_crossed(*benchmarks[name]) for name in sorted(benchmarks)]
    scores = _averages([one.a for one in found]), _averages([one.b for one in found])
    seeds = _seeds(*scores)
    noise = [_noise([one.a for one in found]), _noise([one.b for one in found])]
    estimate = _estimate(
        list(zip(seeds, map(len, scores), strict=True)),
        [one.differences for one in found],
        fsum(noise),
        imagined=(-1.0, 1.0),
    )
    error = sqrt(estimate.variances.total)
    half = t_quantile(0.975, estimate.freedom) * error
    difference = fmean(one.difference for one in found)
    split = _split(estimate.variances, found)
    return GroupDifference(
        a=fmean(one.a.mean for one in found),
        b=fmean(one.b.mean for one in found),
        scores_a=scores[0],
        scores_b=scores[1],
        interval_a=_mean_interval([one.a for one in found]),
        interval_b=_mean_interval([one.b for one in found]),
        difference=Difference(
            difference=difference,
            low=max(-1.0, difference - half),
            high=min(1.0, difference + half),
            standard_error=error,
            p_value=min(1.0, 2 * t_tail(abs(difference) / error, estimate.freedom)),
            test=TEST,
            interval_method="Student's t, clustered by training and by problem",
        ),
        freedom=estimate.freedom,
        variances=estimate.variances,
        split=split,
        forecast=_forecast(split, seeds, noise, [len(group) for group in scores]),
        relabelling=relabel(*scores),
    )


# --- one benchmark --------------------------------------------------------------------------


class _Group(NamedTuple):
    """One recipe on one benchmark."""

    mean: float
    scores: list[float]
    """Of each training."""
    means: list[float]
    """Of each problem."""
    interaction: float
    samples: float | None
    """What the drawing of answers adds to the variance of the mean; None if that is not known."""


class _Benchmark(NamedTuple):
    a: _Group
    b: _Group
    problems: int
    difference: float
    differences: list[float]
    """Of each problem."""


def _crossed(a: Trainings, b: Trainings) -> _Benchmark:
    count = a.accuracies.shape[1]
    if count != b.accuracies.shape[1] or count < LEAST_PROBLEMS:
        raise ValueError("both recipes need the same problems, and at least two of them")
    ours, theirs = _group(a), _group(b)
    differences = [y - x for x, y in zip(ours.means, theirs.means, strict=True)]
    return _Benchmark(
        a=ours,
        b=theirs,
        problems=count,
        difference=fmean(differences),
        differences=differences,
    )


def _group(cells: Trainings) -> _Group:
    trainings, problems = cells.accuracies.shape
    if trainings < LEAST_TRAININGS:
        raise ValueError("one training does not tell how much the trainings of its recipe differ")
    # fsum and fmean round once, so that no order changes a digit.
    scores = [fmean(row) for row in cells.accuracies.tolist()]
    means = [fmean(column) for column in cells.accuracies.T.tolist()]
    mean = fmean(means)
    residuals = cells.accuracies - (np.array(means) - mean) - np.array(scores)[:, None]
    squares = fsum((residuals**2).ravel().tolist())
    freedom, size = (trainings - 1) * (problems - 1), trainings * problems
    return _Group(
        mean=mean,
        scores=scores,
        means=means,
        interaction=squares / freedom / size,
        samples=_drawing(cells) / size if int(cells.samples.min()) > 1 else None,
    )


def _drawing(cells: Trainings) -> float:
    """Return the mean variance of one cell's accuracy from drawing, p (1 − p) / (n − 1)."""
    drawn = cells.accuracies * (1 - cells.accuracies) / (cells.samples - 1)
    return fmean(drawn.ravel().tolist())


def _variance(values: Sequence[float]) -> float:
    """Return the variance of a sample; that of values which differ by rounding only is 0."""
    if max(values) - min(values) < TIE:
        return 0.0
    mean = fmean(values)
    return fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _imagined(values: Sequence[float], added: tuple[float, float]) -> float:
    """Return the variance of a mean with two imagined problems more."""
    whole = [*values, *added]
    mean = fmean(whole)
    return (fsum(value * value for value in whole) / len(whole) - mean**2) / len(whole)


# --- both recipes ---------------------------------------------------------------------------


class _Estimate(NamedTuple):
    variances: Variances
    freedom: float


def _estimate(
    seeds: Sequence[tuple[float, int]],
    benchmarks: Sequence[Sequence[float]],
    interaction: float,
    *,
    imagined: tuple[float, float],
) -> _Estimate:
    """Return V and Satterthwaite's degrees of freedom.

    Args:
        seeds: for each recipe its s² / S, and S.
        benchmarks: for each benchmark the values whose mean is taken, one a problem.
        interaction: V_interaction.
        imagined: the values of two problems more, which count only where nothing varies.
    """
    squared = len(benchmarks) ** 2
    problems = [_variance(values) / len(values) / squared for values in benchmarks]
    seed, problem = fsum(part for part, _ in seeds), fsum(problems)
    total = max(seed, problem, fsum([seed, problem, -interaction]))
    if total < TIE**2:
        problems = [_imagined(values, imagined) / squared for values in benchmarks]
        total = problem = fsum(problems)
    parts = [part**2 / (size - 1) for part, size in seeds]
    parts += [
        part**2 / (len(values) - 1) for part, values in zip(problems, benchmarks, strict=True)
    ]
    return _Estimate(
        variances=Variances(seed=seed, problem=problem, interaction=interaction, total=total),
        freedom=total**2 / fsum(parts),
    )


def _averages(groups: Sequence[_Group]) -> tuple[float, ...]:
    """Return each training's plain mean over the benchmarks."""
    return tuple(fmean(one) for one in zip(*(group.scores for group in groups), strict=True))


def _noise(groups: Sequence[_Group]) -> float:
    """Return V_interaction of one recipe, over all benchmarks."""
    return fsum(group.interaction for group in groups) / len(groups) ** 2


def _seeds(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """Return the variance of each recipe's mean, clustered by training."""
    spreads = [_variance(a), _variance(b)]
    if len(a) == len(b) == LEAST_TRAININGS:
        spreads = [max(spreads)] * 2
    return [spread / len(group) for spread, group in zip(spreads, (a, b), strict=True)]


def _mean_interval(groups: Sequence[_Group]) -> Interval:
    """Return the interval of one recipe's mean, by the same formulas."""
    scores = _averages(groups)
    found = _estimate(
        [(_variance(scores) / len(scores), len(scores))],
        [group.means for group in groups],
        _noise(groups),
        imagined=(0.0, 1.0),
    )
    mean = fmean(group.mean for group in groups)
    half = t_quantile(0.975, found.freedom) * sqrt(found.variances.total)
    return Interval(low=max(0.0, mean - half), high=min(1.0, mean + half))


def _split(variances: Variances, found: Sequence[_Benchmark]) -> Split:
    """Split V into parts that are none of them negative and add up to it."""
    trainings = max(0.0, variances.seed - variances.interaction)
    problems = max(0.0, variances.problem - variances.interaction)
    rest = max(0.0, variances.total - trainings - problems)
    drawn = [side.samples for one in found for side in (one.a, one.b)]
    known = [one for one in drawn if one is not None]
    if len(known) < len(drawn):
        return Split(trainings=trainings, problems=problems, both=rest, samples=None)
    samples = min(rest, fsum(known) / len(found) ** 2)
    return Split(trainings=trainings, problems=problems, both=rest - samples, samples=samples)


def _forecast(
    split: Split, seeds: Sequence[float], noise: Sequence[float], sizes: Sequence[int]
) -> Forecast:
    """Return what more data would make of the parts; each falls as the number it is divided by."""
    rest = fsum([split.both, split.samples or 0.0])
    trainings = split.trainings * _shrunk(seeds, sizes) + rest * _shrunk(noise, sizes)
    drawn = split.samples
    return Forecast(
        another_training=sqrt(trainings + split.problems),
        twice_the_problems=sqrt(split.trainings + (split.problems + rest) / 2),
        twice_the_samples=None
        if drawn is None
        else sqrt(split.trainings + split.problems + split.both + drawn / 2),
    )


def _shrunk(parts: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the share of a variance that is left with one training more on both sides."""
    whole = fsum(parts)
    left = fsum(part * size / (size + 1) for part, size in zip(parts, sizes, strict=True))
    return left / whole if whole else 1.0


def relabel(
    a: Sequence[float], b: Sequence[float], *, seed: int = 0, draws: int = 20_000
) -> Relabelling:
    """Test by permutation whether it matters which training had which recipe.

    If the recipe made no difference, every assignment of the trainings to the two recipes would be
    as likely (Fisher, The Design of Experiments (1935), §21). p is the share of assignments that
    set the two means at least so far apart. The observed one is always among them, and with equal
    sizes its mirror, too, so that three against three cannot give less than 2 / 20. All assignments
    are counted, or 20,000 of them drawn if they are more than 65,536 (Phipson and Smyth, Stat.
    Appl. Genet. Mol. Biol. 9 (2010) 39). The problems are taken as they are.

    >>> relabel([0.1, 0.2, 0.15], [0.3, 0.4, 0.35])
    Relabelling(p_value=0.1, floor=0.1, assignments=20)
    >>> relabel([0.1, 0.3], [0.2, 0.4, 0.5]).p_value
    0.4
    """
    if (len(a), sorted(a)) > (len(b), sorted(b)):  # draws are the same whichever is called A
        a, b = b, a
    pooled = np.array([*sorted(a), *sorted(b)])
    assignments = comb(len(pooled), len(a))
    floor = (2 if len(a) == len(b) else 1) / assignments
    share = 1 / len(a) + 1 / len(b)

    whole = float(pooled.sum()) / len(b)

    def apart(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        distances: NDArray[np.float64] = np.abs(sums * share - whole)
        return distances

    reached = abs(float(pooled[: len(a)].sum()) * share - whole) - TIE
    if assignments <= ENUMERATED:
        chosen = np.array(list(combinations(range(len(pooled)), len(a))))
        extreme = int((apart(pooled[chosen].sum(axis=1)) >= reached).sum())
        return Relabelling(p_value=extreme / assignments, floor=floor, assignments=assignments)
    generator = np.random.default_rng(seed)
    shuffled = generator.permuted(np.tile(pooled, (draws, 1)), axis=1)[:, : len(a)]
    extreme = int((apart(shuffled.sum(axis=1)) >= reached).sum())
    drawn = (1 + extreme) / (1 + draws)
    floor = max(floor, 1 / (1 + draws))
    return Relabelling(p_value=drawn, floor=floor, assignments=assignments)
