"""The probability that B is better: against sampling, its mirror, and the prior that is stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.stats.posterior import (
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
    parts = [(0.03, 0.02), (-0.01, 0.01)]
    expected = stats.norm.cdf(0.01, scale=np.hypot(0.02, 0.01) / 2)
    assert better(parts) == pytest.approx(expected)
    assert better(parts) + better([(-m, d) for m, d in parts]) == pytest.approx(1)
