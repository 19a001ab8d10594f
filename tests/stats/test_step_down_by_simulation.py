"""Do many comparisons at once keep what they promise? In simulated evaluations."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.many import (
    all_pairs,
    best_of,
    difference_interval,
    rank_intervals,
    step_down,
)

pytestmark = pytest.mark.slow

DRAWS = 999


def accuracies(
    generator: np.random.Generator,
    runs: int,
    problems: int,
    samples: int,
    beta: tuple[float, float],
    gains: np.ndarray | None = None,
) -> np.ndarray:
    """Return runs on the same problems; of a gain's share of the problems a run is certain."""
    chances = np.tile(generator.beta(*beta, problems), (runs, 1))
    if gains is not None:
        chances = np.where(generator.random(chances.shape) < gains[:, None], 1.0, chances)
    return generator.binomial(samples, chances) / samples


@pytest.mark.parametrize("beta", [(0.3, 0.5), (0.5, 12)], ids=str)
@pytest.mark.parametrize(("runs", "problems", "samples"), [(5, 40, 1), (5, 40, 16), (20, 300, 4)])
def test_one_false_claim_in_twenty_families_at_most(
    runs: int, problems: int, samples: int, beta: tuple[float, float]
) -> None:
    generator = np.random.default_rng(1)
    repeats = 250
    false, missed = 0, 0
    for _ in range(repeats):
        found = accuracies(generator, runs + 1, problems, samples, beta)
        differences = found[1:] - found[0]
        seed = int(generator.integers(2**32))
        tested = step_down(differences, np.full(problems, 1 / problems), seed=seed, draws=DRAWS)
        false += min(tested.adjusted) < 0.05
        intervals = [
            difference_interval(one, [0] * problems, level=tested.level) for one in differences
        ]
        missed += any(not one.low <= 0 <= one.high for one in intervals)
    # 5.5 % and twice the standard error of 250 repeats.
    assert false / repeats <= 0.055 + 0.029
    assert missed / repeats <= 0.06 + 0.027


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3])
def test_rank_intervals_hold_all_true_ranks(spread: float) -> None:
    generator = np.random.default_rng(2)
    runs, problems, repeats = 6, 200, 200
    gains = np.array([0, 0, 1, 1, 2, 3]) * spread
    held = 0
    for _ in range(repeats):
        found = accuracies(generator, runs, problems, 2, (0.3, 0.5), gains)
        seed = int(generator.integers(2**32))
        tested = all_pairs(found, np.full(problems, 1 / problems), seed=seed, draws=DRAWS)
        means = found.mean(axis=1)
        better = (tested.adjusted < 0.05) & np.greater.outer(means, means)
        held += all(
            low <= 1 + (gains > gain).sum() and high >= runs - (gains < gain).sum()
            for (low, high), gain in zip(rank_intervals(better), gains, strict=True)
        )
    assert held / repeats >= 0.94


@pytest.mark.parametrize("runs", [5, 20])
def test_the_best_of_equal_runs_is_told_without_its_luck(runs: int) -> None:
    generator = np.random.default_rng(3)
    naive, corrected = [], []
    for _ in range(200):
        problems = generator.beta(0.3, 0.5, 100)
        found = best_of(generator.binomial(4, problems, (runs, 100)) / 4, [0] * 100, splits=50)
        assert found.corrected is not None
        naive.append(found.naive - problems.mean())
        corrected.append(found.corrected - problems.mean())
    noise = 2 * np.std(corrected) / np.sqrt(len(corrected))
    assert np.mean(naive) > 0.015
    assert abs(np.mean(corrected)) <= noise + 0.001
