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
    Side,
    detectable_average,
    detectable_clustered,
    detectable_counts,
    detectable_pairs,
    minimum_detectable,
    planning_error,
    planning_error_counts,
    power_of_counts,
    power_of_pairs,
    problems_needed,
    problems_needed_counts,
    problems_needed_pairs,
    samples_needed,
    shares,
)
from harness.stats.unpaired import Counts, unpaired


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


# --- the power of the test that is made, by another way -----------------------------------------

SEVENTH = 0.05 / 7


def counts(right: int, problems: int) -> Counts:
    return Counts(problems=problems, samples=problems, accuracy=right / problems)


def fisher_power(n_a: int, p_a: float, n_b: int, p_b: float, level: float) -> float:
    """Sum over every table whose printed p is below the level."""
    chances_a = stats.binom.pmf(range(n_a + 1), n_a, p_a)
    chances_b = stats.binom.pmf(range(n_b + 1), n_b, p_b)
    return sum(
        float(chances_a[x] * chances_b[y])
        for x in range(n_a + 1)
        for y in range(n_b + 1)
        if chances_a[x] * chances_b[y] > 1e-9
        and unpaired(counts(x, n_a), counts(y, n_b)).p_value < level
    )


@pytest.mark.parametrize(("a", "b"), [((0, 30), (1, 30)), ((10, 40), (13, 40)), ((0, 20), (3, 60))])
def test_of_counts_the_printed_difference_has_the_power(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    """30 problems were said to show 11.8 points, where Fisher's test has a power of 2 %."""
    found = detectable_counts(counts(*a), counts(*b), level=SEVENTH)
    assert found == detectable_counts(counts(*b), counts(*a), level=SEVENTH)
    weak, strong = ((right + 1) / (problems + 2) for right, problems in (a, b))
    up = fisher_power(a[1], weak, b[1], weak + found, SEVENTH)
    down = fisher_power(a[1], strong - found, b[1], strong, SEVENTH) if strong > found else 1.0
    assert min(up, down) == pytest.approx(0.8, abs=0.005)
    assert fisher_power(30, 1 / 32, 30, 1 / 32 + 0.118, SEVENTH) < 0.03


def test_more_problems_than_are_summed_are_nearly_summed() -> None:
    for p, d in ((0.02, 0.014), (0.5, 0.053), (0.9, 0.03)):
        summed = power_of_counts(Side(1990, p), Side(1990, p + d), level=SEVENTH)
        normal = power_of_counts(Side(2010, p), Side(2010, p + d), level=SEVENTH)
        assert 0.4 < summed < 0.95
        assert normal == pytest.approx(summed, abs=0.015)


def test_of_a_mean_of_samples_it_is_the_z_test() -> None:
    many = [Counts(problems=40, samples=160, accuracy=p) for p in (0.25, 0.375)]
    found = detectable_counts(*many)
    draw = np.random.default_rng(1)
    weak = (0.25 * 40 + 1) / 42
    a = draw.binomial(40, weak, 20_000) / 40
    b = draw.binomial(40, weak + found, 20_000) / 40
    share = (a + b) / 2
    z = np.abs(b - a) / np.sqrt(share * (1 - share) / 20)
    assert np.mean(z > stats.norm.ppf(0.975)) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("fixed", "broken", "problems"), [(1, 0, 30), (4, 2, 30), (5, 2, 40), (12, 9, 60)]
)
def test_of_pairs_the_printed_difference_has_the_power(
    fixed: int, broken: int, problems: int
) -> None:
    found = detectable_pairs(fixed, broken, problems, level=SEVENTH)
    assert found == detectable_pairs(broken, fixed, problems, level=SEVENTH)
    rate = (min(fixed, broken) + 1) / (problems + 2)
    outcomes = [(x, y) for x in range(problems + 1) for y in range(problems + 1 - x)]
    shares_of = [rate + found, rate, 1 - 2 * rate - found]
    cells = [[x, y, problems - x - y] for x, y in outcomes]
    chances = stats.multinomial.pmf(cells, problems, shares_of)
    power = sum(
        chance
        for chance, (x, y) in zip(chances, outcomes, strict=True)
        if chance > 1e-8 and paired_single(x, y, problems).p_value < SEVENTH
    )
    assert power == pytest.approx(0.8, abs=0.005)


def test_many_pairs_are_nearly_summed() -> None:
    summed, normal = (power_of_pairs(0.05, 0.073, n, level=SEVENTH) for n in (1990, 2010))
    assert 0.4 < summed < 0.95
    assert normal == pytest.approx(summed, abs=0.015)


def test_the_problems_needed_have_the_power_and_one_less_has_not() -> None:
    none, three = counts(0, 30), counts(3, 30)
    needed = problems_needed_counts(none, three, level=SEVENTH)
    assert needed is not None
    sides = [(1 / 32, 1 / 32 + 0.1), (4 / 32 - 0.1, 4 / 32)]
    least = [
        min(power_of_counts(Side(n, p), Side(n, q), level=SEVENTH) for p, q in sides)
        for n in (needed - 1, needed)
    ]
    assert least[0] < 0.8 <= least[1]
    pairs = problems_needed_pairs(4, 2, 30, level=SEVENTH)
    assert pairs is not None
    rate, d = 3 / 32, 2 / 30
    assert power_of_pairs(rate, rate + d, pairs - 1, level=SEVENTH) < 0.8
    assert power_of_pairs(rate, rate + d, pairs, level=SEVENTH) >= 0.8
    assert problems_needed_counts(none, none) is None
    assert problems_needed_pairs(3, 3, 30) is None


def test_too_few_problems_show_nothing() -> None:
    assert detectable_counts(counts(1, 2), counts(0, 2)) == 1.0
    assert detectable_pairs(1, 0, 3) == detectable_clustered([0.5, 0.25, 0.0, 0.25]) == 1.0
    assert detectable_average(lambda d: 0.1, flipped=4) == 1.0


def test_of_an_average_of_counts_the_printed_difference_has_the_power() -> None:
    """Each benchmark becomes better by it; the test is that of `average_unpaired`."""
    benchmarks = [
        ((72, 272), (74, 272)),
        ((10, 40), (13, 40)),
        ((0, 30), (1, 30)),
        ((9, 60), (9, 60)),
    ]

    def error(d: float) -> float:
        errors = [planning_error_counts(counts(*a), counts(*b), d) for a, b in benchmarks]
        return float(np.sqrt(np.sum(np.square(errors))) / 4)

    found = detectable_average(error, level=SEVENTH)
    draw, difference, variance = np.random.default_rng(2), np.zeros(20_000), np.zeros(20_000)
    for (right, n), _ in benchmarks:
        base = (right + 1) / (n + 2)
        a, b = (draw.binomial(n, p, 20_000) / n for p in (base, base + found))
        difference += b - a
        variance += (a * (1 - a) + b * (1 - b)) / (n - 1)
    power = np.mean(np.abs(difference) / np.sqrt(variance) > stats.norm.ppf(1 - SEVENTH / 2))
    assert 0.73 < power < 0.87


@pytest.mark.parametrize(("problems", "samples", "most"), [(30, 16, 1.0), (272, 4, 0.9)])
def test_of_several_samples_the_printed_difference_promises_no_more_than_it_has(
    problems: int, samples: int, most: float
) -> None:
    """By Student's t, near the sign flips; the imagined problems make it cautious of few."""
    draw = np.random.default_rng(5)
    powers = []
    for _ in range(40):
        before = draw.beta(0.6, 0.9, problems)
        same = np.clip(before + draw.normal(0, 0.15, problems), 0, 1)
        seen = (draw.binomial(samples, same) - draw.binomial(samples, before)) / samples
        found = detectable_clustered(seen.tolist(), level=SEVENTH)
        d = draw.binomial(samples, same, (200, problems)) - draw.binomial(
            samples, before, (200, problems)
        )
        values = d / samples
        values = values - values.mean() + found
        values = draw.choice(values.ravel(), (200, problems))
        t = values.mean(1) / (values.std(1, ddof=1) / np.sqrt(problems))
        powers.append(np.mean(np.abs(t) > stats.t.ppf(1 - SEVENTH / 2, problems - 1)))
    assert 0.75 < np.mean(powers) <= most
