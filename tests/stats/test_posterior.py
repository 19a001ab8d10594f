"""The probability that B is better: against sampling, its mirror, and the prior that is stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.stats.posterior import (
    Posterior,
    better,
    better_clustered,
    better_single,
    posterior,
    posterior_of_counts,
)
from harness.stats.unpaired import Counts


@given(fixed=st.integers(0, 300), broken=st.integers(0, 300))
def test_of_single_samples_it_is_the_beta_tail(fixed: int, broken: int) -> None:
    found = better_single(fixed, broken)
    assert found == pytest.approx(stats.beta.sf(0.5, fixed + 1, broken + 1), abs=1e-12)
    assert found + better_single(broken, fixed) == pytest.approx(1)
    assert (found > 0.5) == (fixed > broken) or fixed == broken


@given(values=st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_of_several_samples_it_is_t_with_the_two_imagined_problems(values: list[float]) -> None:
    imagined = [*values, 1.0, -1.0]
    expected = stats.ttest_1samp(imagined, 0.0, alternative="greater").pvalue
    assert better_clustered(values) == pytest.approx(1 - expected, abs=1e-9)
    mirrored = better_clustered([0.0 - value for value in values])
    assert better_clustered(values) + mirrored == pytest.approx(1)


def test_no_data_and_no_difference_are_even() -> None:
    assert better_single(0, 0) == better_clustered([0.0]) == better([posterior([0.0] * 9)]) == 0.5


def test_counts_are_as_two_beta_posteriors_drawn() -> None:
    a, b = (Counts(problems=60, samples=60, accuracy=right / 60) for right in (20, 27))
    draw = np.random.default_rng(0)
    drawn = draw.beta(28, 34, 400_000) > draw.beta(21, 41, 400_000)
    assert better([posterior_of_counts(a, b)]) == pytest.approx(drawn.mean(), abs=0.005)


def test_an_average_adds_its_benchmarks_variances() -> None:
    parts = [Posterior(0.03, 1.0, 0.02), Posterior(-0.01, 1.0, 0.01)]
    expected = stats.norm.cdf(0.01, scale=np.hypot(0.02, 0.01) / 2)
    assert better(parts) == pytest.approx(expected)
    mirrored = [part._replace(difference=-part.difference) for part in parts]
    assert better(parts) + better(mirrored) == pytest.approx(1)


def of(right: int, problems: int) -> Counts:
    return Counts(problems=problems, samples=problems, accuracy=right / problems)


SIDES = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(a=SIDES, b=SIDES)
def test_the_prior_never_decides_which_side_is_better(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    """0 of 20 against 3 of 100 was 45 %: the prior had more weight where problems are few."""
    found = better([posterior_of_counts(of(*a), of(*b))])
    difference = np.sign(b[0] * a[1] - a[0] * b[1])
    assert np.sign(round(found - 0.5, 12)) == difference
    assert found + better([posterior_of_counts(of(*b), of(*a))]) == pytest.approx(1)


def test_none_of_twenty_is_not_better_than_three_of_a_hundred() -> None:
    assert 0.6 < better([posterior_of_counts(of(0, 20), of(3, 100))]) < 0.8
    assert better([posterior_of_counts(of(0, 20), of(0, 100))]) == 0.5


@given(a=SIDES, b=SIDES)
def test_the_posterior_mean_is_that_of_the_pooled_prior(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    pooled = (a[0] + b[0]) / (a[1] + b[1])
    mean_a, mean_b = ((right + 2 * pooled) / (n + 2) for right, n in (a, b))
    found = posterior_of_counts(of(*a), of(*b))
    assert found.weight * found.difference == pytest.approx(mean_b - mean_a, abs=1e-12)


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=6))
def test_the_average_is_probably_better_only_if_it_is_higher(
    pairs: list[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    parts = [posterior_of_counts(of(*a), of(*b)) for a, b in pairs]
    total = sum(part.difference for part in parts)
    if abs(total) > 1e-9:
        assert (better(parts) > 0.5) == (total > 0)
