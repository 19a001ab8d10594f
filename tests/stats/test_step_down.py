"""Many comparisons at once: against brute force over all sign vectors, against scipy, and laws."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.stats import many
from harness.stats.many import (
    all_pairs,
    best_of,
    difference_interval,
    ordered,
    rank_intervals,
    step_down,
)

EXAMPLE = [
    [1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0],
    [1, 0, 1, 1, -1, 0, 1, 0, 1, 0, 0, 0, 1, 0],
    [0, 1, -1, 0, 1, 0, 0, 1, 0, -1, 0, 0, 0, 1],
]


def every_sign(problems: int) -> np.ndarray:
    return np.array(list(product([1.0, -1.0], repeat=problems)))


def flips(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Statistics under every sign vector, the observed ones, and the p-values, by the books."""
    norms = np.sqrt((values**2).sum(axis=1))
    scaled = values / np.where(norms == 0, 1, norms)[:, None]
    scaled = np.where(scaled.sum(axis=1) < 0, -1, 1)[:, None] * scaled
    flipped, observed = every_sign(values.shape[1]) @ scaled.T, scaled.sum(axis=1)
    return flipped, observed, (np.abs(flipped) >= observed - 1e-9).mean(axis=0).tolist()


def by_the_largest(values: np.ndarray) -> tuple[list[float], list[float]]:
    """The p-values of weighted differences, and those adjusted by the largest statistic."""
    flipped, observed, raw = flips(values)
    adjusted, floor = [0.0] * len(values), 0.0
    order = sorted(range(len(values)), key=lambda k: -observed[k])
    for place, k in enumerate(order):
        left = np.abs(flipped)[:, order[place:]]
        floor = max(floor, float((left.max(axis=1) >= observed[k] - 1e-9).mean()))
        adjusted[k] = floor
    return raw, adjusted


def by_the_smallest(values: np.ndarray) -> tuple[list[float], list[float]]:
    """The p-values of all pairs, and those adjusted by the smallest p of either direction."""
    flipped, observed, raw = flips(values)
    sizes = np.abs(flipped)
    # The smaller p is the stronger one, and of equal ones that of the larger statistic.
    each = (sizes[None] >= sizes[:, None] - 1e-9).mean(axis=1) - 1e-6 * sizes
    there, back = (np.where(sign * flipped > 0, each, 2.0) for sign in (1, -1))
    limits = np.array(raw) - 1e-6 * observed
    adjusted, floor = [0.0] * len(values), 0.0
    order = sorted(range(len(values)), key=lambda k: limits[k])
    for place, k in enumerate(order):
        left = np.hstack([there[:, order[place:]], back])
        floor = max(floor, float((left.min(axis=1) <= limits[k] + 1e-9).mean()), raw[k])
        adjusted[k] = floor
    return raw, adjusted


def small(seed: int, rows: int, problems: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    values = generator.integers(-samples, samples + 1, (rows, problems)) / samples
    return values, generator.choice([0.05, 0.1, 0.2], problems)


# --- step-down ------------------------------------------------------------------------------


def test_the_worked_example_is_exact() -> None:
    found = step_down(EXAMPLE, [1 / 14] * 14)
    assert found.exact
    assert found.p_values == (0.03125, 0.125, 0.6875)
    assert found.adjusted == pytest.approx((0.0751953125, 0.150390625, 0.6875), abs=1e-12)


def test_nearly_equal_statistics_are_ordered_as_they_are_compared() -> None:
    """They once were equal to the order and different to the comparison."""
    generator = np.random.default_rng(5)
    for _ in range(100):
        differences = generator.integers(-4, 5, (3, 8)) / 4
        weights = generator.choice([0.05, 0.051, 0.0502], 8)
        there = step_down(differences, weights).adjusted
        back = step_down(differences[::-1], weights).adjusted[::-1]
        assert there == pytest.approx(back, abs=1e-12)
        pairs = all_pairs(differences, weights).adjusted
        mirrored = all_pairs(differences[::-1], weights).adjusted[::-1, ::-1]
        assert np.allclose(pairs, mirrored, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_step_down_is_that_of_all_sign_vectors(seed: int) -> None:
    differences, weights = small(seed, rows=4, problems=9, samples=1 + seed % 3)
    found = step_down(differences, weights)
    raw, adjusted = by_the_largest(differences * weights)
    assert found.exact
    assert found.p_values == pytest.approx(raw, abs=1e-12)
    assert found.adjusted == pytest.approx(adjusted, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_all_pairs_keep_the_other_direction_in_the_family(seed: int) -> None:
    accuracies, weights = small(seed, rows=4, problems=8, samples=2)
    found = all_pairs(accuracies, weights)
    pairs = list(combinations(range(4), 2))
    contrasts = np.array([accuracies[i] - accuracies[j] for i, j in pairs]) * weights
    raw, adjusted = by_the_smallest(contrasts)
    assert [found.p_values[pair] for pair in pairs] == pytest.approx(raw, abs=1e-12)
    assert [found.adjusted[pair] for pair in pairs] == pytest.approx(adjusted, abs=1e-12)
    assert (found.adjusted == found.adjusted.T).all()


def test_one_comparison_is_the_test_of_two_runs() -> None:
    differences = [0.5, 0.25, 0.0, 0.25, 0.5, -0.25, 0.75]
    found = step_down([differences], [1 / 7] * 7)
    assert found.p_values == found.adjusted
    reference = stats.permutation_test(
        (differences, np.zeros(7)), lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples", n_resamples=np.inf,
    )  # fmt: skip
    assert found.p_values[0] == pytest.approx(reference.pvalue)
    pair = all_pairs([np.zeros(7), differences], [1 / 7] * 7)
    assert pair.adjusted[0, 1] == pytest.approx(reference.pvalue)


@pytest.mark.parametrize(("fixed", "broken"), [(30, 0), (60, 30), (1200, 1100), (7, 1)])
def test_single_samples_are_exact_however_many_problems_there_are(fixed: int, broken: int) -> None:
    differences = [1.0] * fixed + [-1.0] * broken + [0.0] * 100
    found = step_down([differences], np.full(len(differences), 1 / len(differences)))
    assert found.exact
    reference = stats.binomtest(fixed, fixed + broken).pvalue
    assert found.p_values[0] == pytest.approx(reference, rel=1e-9)


def test_draws_agree_with_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    differences, weights = small(3, rows=5, problems=14, samples=2)
    exact = step_down(differences, weights)
    monkeypatch.setattr(many, "ENUMERATED", 1)
    drawn = step_down(differences, weights)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p_values == pytest.approx(exact.p_values, abs=0.015)
    assert drawn.adjusted == pytest.approx(exact.adjusted, abs=0.015)
    assert drawn == step_down(differences, weights)
    assert min(step_down([[1.0] * 40], [1.0] * 40).p_values) == pytest.approx(1 / 20_001)


tables = st.integers(1, 4).flatmap(
    lambda rows: st.lists(
        st.lists(st.integers(-4, 4), min_size=rows, max_size=rows), min_size=1, max_size=12
    )
)


@settings(max_examples=60, deadline=None)
@given(columns=tables, order=st.randoms(use_true_random=False), draws=st.booleans())
def test_laws_of_step_down(columns: list[list[int]], order: object, draws: bool) -> None:
    differences = np.array(columns, dtype=float).T / 4
    weights = np.full(differences.shape[1], 0.125)
    with pytest.MonkeyPatch.context() as patch:
        if draws:
            patch.setattr(many, "ENUMERATED", 1)
        found = step_down(differences, weights, draws=200)
        shuffled = list(range(len(differences)))
        order.shuffle(shuffled)  # type: ignore[attr-defined]
        other = step_down(differences[shuffled], weights, draws=200)
        mirror = step_down(-differences, weights, draws=200)
    assert all(p <= q <= 1 for p, q in zip(found.p_values, found.adjusted, strict=True))
    assert other.p_values == pytest.approx([found.p_values[k] for k in shuffled], abs=1e-12)
    assert other.adjusted == pytest.approx([found.adjusted[k] for k in shuffled], abs=1e-12)
    assert mirror.adjusted == pytest.approx(found.adjusted, abs=1e-12)
    assert 0.05 / len(differences) <= found.level <= 0.05


def test_runs_that_are_the_same_differ_in_nothing() -> None:
    found = step_down([[0.0] * 6, [1, 1, 1, 1, 1, 1]], [1 / 6] * 6)
    assert found.p_values == (1.0, 0.03125)
    assert found.adjusted == (1.0, 0.03125)
    assert (all_pairs([[1, 0, 1]] * 3, [1 / 3] * 3).adjusted == 1).all()


@pytest.mark.parametrize(
    ("differences", "weights"), [([], []), ([[]], []), ([[1, 0]], [1]), ([1, 0], [1, 1])]
)
def test_nothing_to_compare_is_an_error(differences: list[object], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="shape"):
        step_down(differences, weights)  # type: ignore[arg-type]


# --- intervals ------------------------------------------------------------------------------


def test_the_interval_is_students_with_two_imagined_problems() -> None:
    values = [0.5, 0.25, 0.0, 0.25, 0.5, -0.25]
    found = difference_interval(values, [0] * 6, level=0.02)
    reference = stats.ttest_1samp([*values, 1, -1], 0).confidence_interval(0.98)
    assert (found.low, found.high) == pytest.approx(tuple(reference))


def test_an_average_has_the_degrees_of_freedom_of_welch() -> None:
    one, other = [0.5, 0.25, 0.0, 0.25, 0.5, -0.25], [0.1, 0.9, -0.4]
    found = difference_interval([*one, *other], [0] * 6 + [1] * 3, level=0.05)
    reference = stats.ttest_ind(
        [*one, 1, -1], -np.array([*other, 1, -1]), equal_var=False
    ).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low / 2, min(1, reference.high / 2)))


def test_an_interval_is_mirrored_with_the_difference() -> None:
    values = np.array([0.5, 0.25, 0.0, 0.25, 0.5, -0.25])
    there = difference_interval(values, [0, 0, 0, 1, 1, 1], level=0.01)
    back = difference_interval(-values, [0, 0, 0, 1, 1, 1], level=0.01)
    assert (there.low, there.high) == (-back.high, -back.low)


# --- ranks and the best ---------------------------------------------------------------------


def test_rank_intervals_count_what_was_found() -> None:
    order = np.triu(np.ones((4, 4), dtype=bool), 1)
    assert rank_intervals(order) == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert rank_intervals(np.zeros((3, 3), dtype=bool)) == [(1, 3)] * 3


def test_the_corrected_best_is_the_mean_over_all_splits() -> None:
    generator = np.random.default_rng(5)
    accuracies = generator.integers(0, 5, (4, 6)) / 4
    scores = []
    for half in combinations(range(6), 3):
        inside = accuracies[:, list(half)].mean(axis=1)
        outside = np.delete(accuracies, half, axis=1).mean(axis=1)
        best = inside >= inside.max() - 1e-9
        scores.append(outside[best].mean())
    found = best_of(accuracies, [0] * 6, splits=20_000)
    assert found.naive == accuracies.mean(axis=1).max()
    assert found.corrected == pytest.approx(np.mean(scores), abs=0.003)


def test_benchmarks_count_alike_and_each_is_split() -> None:
    one, other = [1.0] * 4 + [0.0] * 2, [0.0] * 4 + [0.9] * 2
    found = best_of([one, other], [0, 0, 0, 0, 1, 1])
    assert (found.rows, found.naive, found.chosen) == ((0,), 0.5, 1.0)
    assert found.corrected == 0.5
    alone = best_of([one, other], [0, 0, 0, 0, 0, 1])
    assert (alone.corrected, alone.chosen) == (None, None)


def test_equal_runs_share_the_best_place() -> None:
    found = best_of([[1, 0, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]], [0] * 4)
    assert (found.rows, found.chosen) == ((0, 1), pytest.approx(1.0, abs=0.4))
    assert ordered([0.5, 0.5, 0.7]) == [2, 0, 1]
    with pytest.raises(ValueError, match="nothing"):
        best_of([], [])
