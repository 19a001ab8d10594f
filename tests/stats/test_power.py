"""What a comparison could have shown, against what it does show in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.stats.intervals import standard_error
from harness.stats.paired import paired_single
from harness.stats.power import (
    minimum_detectable,
    planning_error,
    problems_needed,
    samples_needed,
    shares,
)


def test_power_is_what_it_says() -> None:
    generator = np.random.default_rng(3)
    found = generator.normal(minimum_detectable(1.0, power=0.9, level=0.01), 1, 100_000)
    assert np.mean(np.abs(found) > stats.norm.ppf(0.995)) == pytest.approx(0.9, abs=0.005)


@given(st.floats(0.001, 1), st.floats(0.001, 0.5), st.integers(1, 3000))
def test_the_problems_needed_suffice_and_no_fewer_do(
    difference: float, error: float, problems: int
) -> None:
    needed = problems_needed(difference, error, problems)
    assert needed is not None
    assert needed == problems_needed(-difference, error, problems)
    assert minimum_detectable(error * np.sqrt(problems / needed)) <= difference * (1 + 1e-9)
    if needed > 1:
        one_less = minimum_detectable(error * np.sqrt(problems / (needed - 1)))
        assert one_less > difference * (1 - 1e-9)
    assert problems_needed(0.0, error, problems) is None


def test_the_samples_needed_are_found() -> None:
    """Two runs whose problems differ by 0.05 ± 0.1 in truth, of which 400 are asked."""
    generator = np.random.default_rng(11)
    truth = generator.uniform(0.2, 0.7, 400)
    better = truth + generator.choice([-0.05, 0.15], 400)
    a, b = (generator.binomial(64, p) / 64 for p in (truth, better))
    needed = samples_needed(list(a), list(b), samples_a=64, samples_b=64)
    within = np.mean(truth * (1 - truth)) + np.mean(better * (1 - better))
    allowed = 400 * (np.mean(b - a) / minimum_detectable(1.0)) ** 2
    assert needed == pytest.approx(within / (allowed - 0.01), abs=1)


def test_samples_cannot_replace_problems() -> None:
    # The two problems of three differ for good: certain answers, opposite ways.
    a, b = [0.0, 1.0, 0.0] * 3, [1.0, 0.0, 1.0] * 3
    assert samples_needed(a, b, samples_a=8, samples_b=8) is None
    assert samples_needed(a, b, samples_a=1, samples_b=1) is None
    assert samples_needed([0.5, 0.25], [0.25, 0.5], samples_a=4, samples_b=4) is None
    assert samples_needed([], [], samples_a=4, samples_b=4) is None
    certain = samples_needed([0.0] * 50, [1.0] * 50, samples_a=4, samples_b=4)
    assert certain == 1


def test_a_side_with_one_sample_is_taken_to_vary_as_the_other_does() -> None:
    a, b = [0.0, 1.0, 0.0, 1.0] * 10, [0.25, 0.5, 0.75, 0.75] * 10
    one = samples_needed(a, b, samples_a=1, samples_b=4)
    other = samples_needed(b, a, samples_a=4, samples_b=1)
    assert one == other
    assert one is not None


def test_hardly_any_difference_is_no_small_error() -> None:
    """None right of 480 against one right: 30 problems show no difference of half a point."""
    none, one = [0.0] * 30, [1 / 16] + [0.0] * 29
    assert planning_error(one) == pytest.approx(planning_error(none), rel=0.01)
    assert minimum_detectable(planning_error(one)) > 0.1


@given(st.lists(st.integers(-16, 16).map(lambda d: d / 16), min_size=1, max_size=60))
def test_the_error_to_plan_with_is_never_below_the_usual_one(differences: list[float]) -> None:
    error = planning_error(differences)
    assert error >= standard_error(differences)
    assert error > 0
    assert planning_error([-d for d in differences]) == error
    if set(differences) <= {-1.0, 0.0, 1.0}:
        counts = differences.count(1.0), differences.count(-1.0)
        assert error >= paired_single(*counts, len(differences)).standard_error * (1 - 1e-12)


@pytest.mark.parametrize("samples", [1, 4, 16])
def test_the_shares_of_a_variance_are_those_it_was_made_of(samples: int) -> None:
    """Each problem's accuracy is Beta(1, 2), and the other run has it on half of the problems."""
    generator = np.random.default_rng(samples)
    problems = 20_000
    a = generator.beta(1, 2, problems)
    b = np.where(generator.random(problems) < 0.5, a, generator.beta(1, 2, problems))
    means = [(generator.binomial(samples, p) / samples).tolist() for p in (a, b)]
    counts = [samples] * problems
    found = shares(*means, samples_a=counts, samples_b=counts)
    assert found is not None
    # Of the variance 2/9 of a sample 1/18 is between problems, and half of that is shared.
    if samples > 1:
        assert found.by_problem == pytest.approx(0.25, abs=0.02)
    assert found.by_problem * found.correlation == pytest.approx(0.125, abs=0.02)


def test_nothing_is_known_of_how_nothing_varies() -> None:
    ones = [1] * 5
    assert shares([0.0] * 5, [1.0, 0.0] * 2 + [0.0], samples_a=ones, samples_b=ones) is None
    assert shares([0.5], [0.5], samples_a=[2], samples_b=[2]) is None
    assert shares([], [], samples_a=[], samples_b=[]) is None
