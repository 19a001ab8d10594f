"""What the data of two results can show, and how probable it is that B is better."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum, sqrt

from harness.analysis.pairing import Pair
from harness.stats import posterior, power
from harness.stats.power import POWER


def detectable(pair: Pair, level: float) -> float:
    """Return the smallest true difference that the test of a benchmark finds with this power."""
    if not pair.by_problem:
        a, b = pair.tallies
        return power.detectable_counts(a, b, level=level, power=POWER)
    means = pair.differences
    if pair.single:
        return power.detectable_pairs(*pair.changed, len(means), level=level, power=POWER)
    return power.detectable_clustered(means, level=level, power=POWER)


def detectable_in_average(pairs: Mapping[str, Pair], level: float) -> float:
    """Return the smallest true difference that the test of the average finds with this power."""

    def error(difference: float) -> float:
        errors = [_planning_error(pairs[name], difference) for name in sorted(pairs)]
        return sqrt(fsum(error**2 for error in errors)) / len(errors)

    # The test flips the signs of all problems; none where only counts are compared.
    flipped = sum(len(pair.rows_a) for pair in pairs.values()) or None
    return power.detectable_average(error, flipped=flipped, level=level, power=POWER)


def _planning_error(pair: Pair, difference: float) -> float:
    """Return the standard error to plan the average with, where this is the true difference."""
    if not pair.by_problem:
        return power.planning_error_counts(*pair.tallies, difference)
    means = pair.differences
    if pair.single:
        return power.planning_error_pairs(*pair.changed, len(means), difference)
    return power.planning_error(means)


def problems_needed(pair: Pair, difference: float, level: float) -> int | None:
    """Return how many problems would show the observed difference, by the same power."""
    if not pair.by_problem:
        a, b = pair.tallies
        return power.problems_needed_counts(a, b, level=level, power=POWER)
    means = pair.differences
    if pair.single:
        return power.problems_needed_pairs(*pair.changed, len(means), level=level, power=POWER)
    error = power.planning_error(means)
    return power.problems_needed(difference, error, len(means), level=level, power=POWER)


def samples_needed(pair: Pair, level: float) -> int | None:
    """Return how many samples of each problem would show the observed difference, or None."""
    if not pair.by_problem:
        return None
    # Saved generations may have fewer samples of one problem than of another.
    counts = [min(row.samples for row in rows) for rows in (pair.rows_a, pair.rows_b)]
    return power.samples_needed(
        [row.accuracy for row in pair.rows_a],
        [row.accuracy for row in pair.rows_b],
        samples_a=counts[0],
        samples_b=counts[1],
        level=level,
        power=POWER,
    )


def probability(pair: Pair) -> float:
    """Return the posterior probability that B is better."""
    if not pair.by_problem:
        return posterior.better([_posterior(pair)])
    means = pair.differences
    if pair.single:
        return posterior.better_single(*pair.changed)
    return posterior.better_clustered(means)


def probability_of_average(pairs: Mapping[str, Pair]) -> float:
    """Return the posterior probability that B's average is better."""
    return posterior.better([_posterior(pairs[name]) for name in sorted(pairs)])


def _posterior(pair: Pair) -> posterior.Posterior:
    if not pair.by_problem:
        return posterior.posterior_of_counts(*pair.tallies)
    return posterior.posterior(pair.differences)
