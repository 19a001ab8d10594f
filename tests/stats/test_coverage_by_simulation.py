"""Do 95 % intervals cover 95 %, and do tests at 5 % keep to it? In simulated evaluations."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pytest
from tallies import single

from harness.stats.intervals import Interval, accuracy_interval, mean_interval
from harness.stats.paired import (
    Difference,
    average_paired,
    paired_difference,
    paired_single,
)
from harness.stats.permutation import PairedCounts
from harness.stats.unpaired import Counts, average_unpaired, unpaired

pytestmark = pytest.mark.slow


class Rates(NamedTuple):
    coverage: float
    """Share of intervals that hold the true difference."""
    rejected: float
    """Share of p-values of at most 0.05."""


def simulate(
    truth: float, runs: int, compare: Callable[[np.random.Generator], Difference]
) -> Rates:
    generator = np.random.default_rng(20_240_101)
    found = [compare(generator) for _ in range(runs)]
    return Rates(
        coverage=float(np.mean([f.low <= truth <= f.high for f in found])),
        rejected=float(np.mean([f.p_value <= 0.05 for f in found])),
    )


def accuracies(generator: np.random.Generator, truth: np.ndarray, samples: int) -> np.ndarray:
    return generator.binomial(samples, truth) / samples


class Pool(NamedTuple):
    """Problems of unequal difficulty, of which a benchmark is a random choice.

    A's chance of being right is Beta(mean, 1 − mean), that is mostly near 0 or near 1. B
    has A's chance on most problems, and on the share ``apart`` one of its own.
    """

    mean: float
    apart: float = 0.0
    mean_apart: float = 0.0

    @property
    def truth(self) -> float:
        return self.apart * (self.mean_apart - self.mean)

    def counts(self, generator: np.random.Generator, problems: int, samples: int) -> PairedCounts:
        a = generator.beta(self.mean, 1 - self.mean, problems)
        b = a
        if self.apart:
            own = generator.beta(self.mean_apart, 1 - self.mean_apart, problems)
            b = np.where(generator.random(problems) < self.apart, own, a)
        of = np.full(problems, samples)
        return PairedCounts(
            correct_a=generator.binomial(of, a),
            samples_a=of,
            correct_b=generator.binomial(of, b),
            samples_b=of,
        )


@pytest.mark.parametrize(
    ("problems", "fixed", "broken"),
    [(500, 0.14, 0.10), (500, 0.025, 0.025), (40, 0.25, 0.15), (40, 0.2, 0.2)],
)
def test_coverage_of_single_samples(problems: int, fixed: float, broken: float) -> None:
    rates = single_rates(problems, fixed, broken)
    assert 0.93 <= rates.coverage <= 0.97, rates


def single_rates(problems: int, fixed: float, broken: float) -> Rates:
    cached = lru_cache(maxsize=None)(paired_single)
    chances = [fixed, broken, 1 - fixed - broken]

    def compare(generator: np.random.Generator) -> Difference:
        counts = generator.multinomial(problems, chances)
        return cached(int(counts[0]), int(counts[1]), problems)

    return simulate(fixed - broken, 4000, compare)


@pytest.mark.parametrize(("problems", "discordant"), [(500, 0.24), (500, 0.05), (40, 0.4)])
def test_size_of_single_samples(problems: int, discordant: float) -> None:
    """Near the level: how near depends on how many problems are discordant."""
    assert single_rates(problems, discordant / 2, discordant / 2).rejected <= 0.06


def several_rates(problems: int, pool: Pool, samples: int = 4, runs: int = 500) -> Rates:
    def compare(generator: np.random.Generator) -> Difference:
        return paired_difference(pool.counts(generator, problems, samples))

    return simulate(pool.truth, runs, compare)


@pytest.mark.parametrize("problems", [40, 500])
@pytest.mark.parametrize("apart", [0.3, 0.05])
def test_coverage_of_several_samples(problems: int, apart: float) -> None:
    """Also where few problems change, but these altogether. Of 40 problems the interval is wide."""
    rates = several_rates(problems, Pool(mean=0.1, apart=apart, mean_apart=0.9), samples=16)
    assert rates.coverage >= 0.93, rates
    if problems == 500 and apart == 0.3:
        assert rates.coverage <= 0.98, rates


@pytest.mark.parametrize("problems", [40, 500])
def test_size_and_coverage_of_several_samples_when_nothing_differs(problems: int) -> None:
    rates = several_rates(problems, Pool(mean=0.3))
    assert rates.coverage >= 0.94, rates
    assert 0.03 <= rates.rejected <= 0.075, rates


def unpaired_rates(a: float, b: float, problems: int = 500) -> Rates:
    cached = lru_cache(maxsize=None)(unpaired)

    def compare(generator: np.random.Generator) -> Difference:
        right = generator.binomial(problems, [a, b])
        return cached(single(int(right[0]), problems), single(int(right[1]), problems))

    return simulate(b - a, 4000, compare)


@pytest.mark.parametrize(("a", "b"), [(0.16, 0.24), (0.2, 0.2), (0.05, 0.06)])
def test_coverage_and_size_of_counts(a: float, b: float) -> None:
    rates = unpaired_rates(a, b)
    assert 0.93 <= rates.coverage <= 0.97, rates
    if a == b:
        assert rates.rejected <= 0.06


def repeated_rates(mean: float, problems: int = 500, samples: int = 8) -> Rates:
    """Different problems in both runs, each with several samples, and only the counts known."""

    def side(generator: np.random.Generator) -> Counts:
        truth = generator.beta(mean, 1 - mean, problems)
        accuracy = float(np.mean(accuracies(generator, truth, samples)))
        return Counts(problems=problems, samples=problems * samples, accuracy=accuracy)

    return simulate(0.0, 2000, lambda generator: unpaired(side(generator), side(generator)))


def test_counts_of_several_samples_are_on_the_safe_side() -> None:
    """How samples cluster is not known, so that no more than 95 % can be asked: the interval
    assumes the worst, and is right when samples of a problem nearly agree."""
    rates = repeated_rates(0.3)
    assert rates.coverage >= 0.95, rates
    assert rates.rejected <= 0.05, rates


SIZES = {
    "minerva_math": 272,
    "gsm8k": 1319,
    "amc23": 40,
    "olympiadbench": 675,
    "math500": 500,
    "aime24": 30,
}
MEANS = {
    "minerva_math": 0.15,
    "gsm8k": 0.6,
    "amc23": 0.3,
    "olympiadbench": 0.2,
    "math500": 0.45,
    "aime24": 0.1,
}
SINGLE = dict.fromkeys(SIZES, 1)
MIXED = SINGLE | {"amc23": 16, "aime24": 32, "math500": 4}


def average_rates(samples: dict[str, int], apart: float, gain: float, runs: int = 150) -> Rates:
    pools = {name: Pool(mean, apart, mean + gain) for name, mean in MEANS.items()}

    def compare(generator: np.random.Generator) -> Difference:
        return average_paired(
            {name: pools[name].counts(generator, SIZES[name], samples[name]) for name in SIZES}
        )

    return simulate(float(np.mean([p.truth for p in pools.values()])), runs, compare)


@pytest.mark.parametrize("samples", [SINGLE, MIXED], ids=["single", "mixed"])
@pytest.mark.parametrize("gain", [0.1, 0.0])
def test_coverage_and_size_of_averages(samples: dict[str, int], gain: float) -> None:
    """Few simulations, as a smoke test; `make bench-statistics` has the figures."""
    rates = average_rates(samples, apart=0.3, gain=gain)
    assert rates.coverage >= 0.92, rates
    if not gain:
        assert rates.rejected <= 0.1, rates


def unpaired_average_rates(gain: float) -> Rates:
    def compare(generator: np.random.Generator) -> Difference:
        sides = {}
        for name, problems in SIZES.items():
            right = generator.binomial(problems, [MEANS[name], MEANS[name] + gain])
            sides[name] = single(int(right[0]), problems), single(int(right[1]), problems)
        return average_unpaired(sides)

    return simulate(gain, 2000, compare)


@pytest.mark.parametrize("gain", [0.0, 0.05])
def test_coverage_and_size_of_averages_of_counts(gain: float) -> None:
    rates = unpaired_average_rates(gain)
    assert 0.93 <= rates.coverage <= 0.97, rates
    if not gain:
        assert 0.03 <= rates.rejected <= 0.06, rates


# --- one run ---

POOLS = [(0.3, 0.5), (0.5, 12.0), (0.05, 0.5)]
"""Of the mirrored ones the intervals are mirrored, which is tested as a law."""


def one_run(
    generator: np.random.Generator, beta: tuple[float, float], samples: np.ndarray
) -> Interval:
    truth = generator.beta(*beta, len(samples))
    means = generator.binomial(samples, truth) / samples
    return accuracy_interval(means.tolist(), samples=int(samples.sum()))


@pytest.mark.parametrize("beta", POOLS)
@pytest.mark.parametrize("samples", [1, 4, 16, None])
def test_coverage_of_one_run(samples: int | None, beta: tuple[float, float]) -> None:
    """Truth is the mean of the pool that the problems are drawn from; None: 1 to 16 samples."""
    generator = np.random.default_rng([samples or 0, *(int(100 * x) for x in beta)])
    truth, runs, problems = beta[0] / sum(beta), 400, 30

    def holds() -> bool:
        drawn = generator.choice([1, 4, 16], problems) if samples is None else [samples] * problems
        found = one_run(generator, beta, np.asarray(drawn))
        return found.low <= truth <= found.high

    coverage = float(np.mean([holds() for _ in range(runs)]))
    # At least 94 %, less two standard errors of so many runs.
    assert coverage >= 0.94 - 2 * (0.95 * 0.05 / runs) ** 0.5, coverage


def test_coverage_of_the_average_of_one_run() -> None:
    generator, runs = np.random.default_rng(11), 400
    benchmarks = [(30, 16, POOLS[1]), (40, 16, POOLS[2]), (100, 4, POOLS[0])]
    truth = float(np.mean([a / (a + b) for _, _, (a, b) in benchmarks]))

    def holds() -> bool:
        values, intervals = [], []
        for problems, samples, beta in benchmarks:
            means = generator.binomial(samples, generator.beta(*beta, problems)) / samples
            values.append(float(means.mean()))
            intervals.append(accuracy_interval(means.tolist(), samples=problems * samples))
        found = mean_interval(values, intervals)
        return found.low <= truth <= found.high

    coverage = float(np.mean([holds() for _ in range(runs)]))
    assert coverage >= 0.94 - 2 * (0.95 * 0.05 / runs) ** 0.5, coverage
