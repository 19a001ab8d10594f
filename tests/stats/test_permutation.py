"""The tests of paired runs against all outcomes one by one, against scipy, and as laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.stats import sums
from harness.stats.paired import paired_single
from harness.stats.permutation import (
    BOTH,
    SIGN_FLIPS,
    PairedCounts,
    permutation_test,
    permuted_labels,
    sign_flips,
)
from harness.stats.sums import LatticeSum, Tail, upper_tail


@st.composite
def problems(draw: st.DrawFn, most: int = 4, equal: bool = False) -> tuple[int, int, int, int]:
    of_a = draw(st.integers(1, most))
    of_b = of_a if equal else draw(st.integers(1, most))
    return draw(st.integers(0, of_a)), of_a, draw(st.integers(0, of_b)), of_b


def benchmarks(size: int, most: int = 4) -> st.SearchStrategy[list[PairedCounts]]:
    one = st.lists(problems(most), min_size=1, max_size=size).map(PairedCounts.of)
    return st.lists(one, min_size=1, max_size=2)


def fractions(counts: PairedCounts) -> list[Fraction]:
    table = zip(
        *(side.tolist() for side in (counts.correct_a, counts.samples_a)),
        *(side.tolist() for side in (counts.correct_b, counts.samples_b)),
        strict=True,
    )
    return [Fraction(b, of_b) - Fraction(a, of_a) for a, of_a, b, of_b in table]


def mean_of_means(groups: Sequence[Sequence[Fraction]]) -> Fraction:
    means = [sum(group, Fraction(0)) / len(group) for group in groups]
    return sum(means, Fraction(0)) / len(means)


# --- all outcomes, one by one ---


@given(benchmarks(5))
def test_sign_flips_by_brute_force(given_counts: list[PairedCounts]) -> None:
    shares = [
        difference / len(counts) / len(given_counts)
        for counts in given_counts
        for difference in fractions(counts)
    ]
    observed = abs(sum(shares))
    outcomes = [
        abs(sum(sign * share for sign, share in zip(signs, shares, strict=True)))
        for signs in product([-1, 1], repeat=len(shares))
    ]
    larger = sum(outcome > observed for outcome in outcomes)
    equal = sum(outcome == observed for outcome in outcomes)
    expected = (larger + equal / 2) / len(outcomes) if observed else 1
    assert sign_flips(given_counts) == pytest.approx(expected, rel=1e-9)


def dealings(counts: PairedCounts) -> list[list[Fraction]]:
    """Return for each problem the difference of every way to choose which samples are B's."""
    found = []
    for a, of_a, b, of_b in zip(
        counts.correct_a.tolist(),
        counts.samples_a.tolist(),
        counts.correct_b.tolist(),
        counts.samples_b.tolist(),
        strict=True,
    ):
        marks = [1] * (a + b) + [0] * (of_a + of_b - a - b)
        rights = [sum(chosen) for chosen in combinations(marks, of_b)]
        found.append([Fraction(x, of_b) - Fraction(a + b - x, of_a) for x in rights])
    return found


@settings(max_examples=60)
@given(benchmarks(2, most=3))
def test_permuted_labels_by_brute_force(given_counts: list[PairedCounts]) -> None:
    observed = mean_of_means([fractions(counts) for counts in given_counts])
    ways = [dealings(counts) for counts in given_counts]
    outcomes = [
        mean_of_means(groups)
        for groups in product(*(list(product(*problems)) for problems in ways))
    ]
    equal = sum(outcome == observed for outcome in outcomes)
    tails = [
        (sum(outcome > observed for outcome in outcomes) + equal / 2) / len(outcomes),
        (sum(outcome < observed for outcome in outcomes) + equal / 2) / len(outcomes),
    ]
    assert permuted_labels(given_counts) == pytest.approx(min(1, 2 * min(tails)), rel=1e-9)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(-6, 6), st.integers(1, 5)), min_size=1, max_size=3),
            st.integers(1, 3),
        ),
        min_size=1,
        max_size=2,
    ),
    st.fractions(0, 1, max_denominator=50),
    st.integers(1, 9),
)
def test_a_tail_by_brute_force(
    rows: list[tuple[list[tuple[int, int]], int]], place: Fraction, unit: int
) -> None:
    """Of any few variables: skewed ones, of several copies, in two units."""
    outcomes: dict[int, Fraction] = {0: Fraction(1)}
    for row, copies in rows:
        total = sum(weight for _, weight in row)
        for _ in range(copies):
            longer: dict[int, Fraction] = {}
            for value, chance in outcomes.items():
                for more, weight in row:
                    key = value + more
                    longer[key] = longer.get(key, Fraction(0)) + chance * Fraction(weight, total)
            outcomes = longer
    mean = sum(value * chance for value, chance in outcomes.items())
    above = sorted(value for value in outcomes if value >= mean)
    observed = above[int(place * (len(above) - 1))]
    width = max(len(row) for row, _ in rows)
    values = np.zeros((len(rows), width), dtype=np.int64)
    chances = np.zeros((len(rows), width))
    for index, (row, _) in enumerate(rows):
        weights = np.array([weight for _, weight in row])
        values[index, : len(row)] = [value for value, _ in row]
        chances[index, : len(row)] = weights / weights.sum()
    copies = np.array([copies for _, copies in rows])
    found = upper_tail([LatticeSum.of(Fraction(1, unit), values, chances, copies, observed)])
    beyond = sum((c for value, c in outcomes.items() if value > observed), Fraction(0))
    assert found.beyond == pytest.approx(float(beyond), rel=1e-9, abs=1e-12)
    assert found.at == pytest.approx(float(outcomes[observed]), rel=1e-9)


# --- scipy ---


@given(fixed=st.integers(0, 400), broken=st.integers(0, 400))
def test_sign_flips_of_single_samples_are_mcnemars_mid_p(fixed: int, broken: int) -> None:
    counts = PairedCounts.of([(0, 1, 1, 1)] * fixed + [(1, 1, 0, 1)] * broken + [(1, 1, 1, 1)])
    count, fewer = fixed + broken, min(fixed, broken)
    exact = stats.binomtest(fixed, count, 0.5).pvalue if count else 1.0
    expected = exact - stats.binom.pmf(fewer, count, 0.5) if fixed != broken else 1.0
    # scipy's difference loses digits where the tail is little but the observed outcome.
    assert sign_flips([counts]) == pytest.approx(expected, rel=1e-6, abs=1e-300)
    single = paired_single(fixed, broken, count + 1).p_value
    assert sign_flips([counts]) == pytest.approx(single, rel=1e-9)
    assert permuted_labels([counts]) == pytest.approx(single, rel=1e-9)


@given(problems(most=40))
def test_labels_of_one_problem_are_hypergeometric(problem: tuple[int, int, int, int]) -> None:
    a, of_a, b, of_b = problem
    theirs = stats.hypergeom(of_a + of_b, a + b, of_b)
    middle = theirs.sf(b) + theirs.pmf(b) / 2
    expected = 2 * min(middle, 1 - middle)
    assert permuted_labels([PairedCounts.of([problem])]) == pytest.approx(expected, rel=1e-6)


def test_scipys_permutations_give_the_same_tails() -> None:
    generator = np.random.default_rng(1)
    b = generator.integers(0, 17, 12)
    a = generator.integers(0, 17, 12)
    counts = PairedCounts.of([(x, 16, y, 16) for x, y in zip(a.tolist(), b.tolist(), strict=True)])
    theirs = [
        stats.permutation_test(
            (b - a,),
            lambda values: abs(np.sum(values)),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=False,
            alternative=side,
        ).pvalue
        for side in ("greater", "less")
    ]
    # P(at least) less half of P(equal), of which the two together have one too many.
    assert sign_flips([counts]) == pytest.approx(theirs[0] - (sum(theirs) - 1) / 2, rel=1e-9)


# --- little probabilities keep their size ---


@pytest.mark.parametrize("improved", [1, 5, 30, 300, 1000])
def test_all_improved_is_two_in_all_outcomes_and_half_of_it(improved: int) -> None:
    """2 · 2^-k before the observed outcome is counted by half. A normal tail made it 4e-8 at 30."""
    for one in ((0, 1, 1, 1), (3, 16, 4, 16), (0, 4, 1, 2)):
        counts = PairedCounts.of([one] * improved)
        assert sign_flips([counts]) == pytest.approx(2.0**-improved, rel=1e-9)
        unchanged = PairedCounts.of([(0, 1, 0, 1)] * 1319)
        assert sign_flips([counts, unchanged]) == pytest.approx(2.0**-improved, rel=1e-9)


def test_below_the_smallest_float_is_the_smallest_float() -> None:
    counts = PairedCounts.of([(0, 16, 16, 16)] * 1319)
    assert sign_flips([counts]) == permuted_labels([counts]) == math.ulp(0.0)
    assert paired_single(1319, 0, 1319).p_value == math.ulp(0.0)


def test_rare_patterns_over_several_benchmarks_are_not_normal() -> None:
    """All 23 problems that change improve, one of them of a small benchmark: p was 0.24."""
    small = PairedCounts.of([(0, 16, 16, 16)] + [(0, 16, 0, 16)] * 29)
    large = PairedCounts.of([(0, 16, k, 16) for k in range(1, 12)] * 2 + [(0, 16, 0, 16)] * 1297)
    assert sign_flips([small, large]) == pytest.approx(2.0**-23, rel=1e-9)


def made(generator: np.random.Generator, samples: int, gain: float) -> list[PairedCounts]:
    found = []
    for size in (30, 40, 272, 500):
        chance = generator.beta(0.5, 0.5, size)
        more = np.clip(chance + gain, 0, 1)
        of = np.full(size, samples)
        found.append(
            PairedCounts(
                correct_a=generator.binomial(of, chance),
                samples_a=of,
                correct_b=generator.binomial(of, more),
                samples_b=of,
            )
        )
    return found


@pytest.mark.parametrize("samples", [1, 4, 16])
@pytest.mark.parametrize("gain", [0.0, 0.02, 0.1])
def test_a_grid_bounds_the_exact_tail_and_is_near_it(
    samples: int, gain: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where outcomes are too many to enumerate; two benchmarks' are enumerable here."""
    for seed in range(3):
        given_counts = made(np.random.default_rng(seed), samples, gain)[:2]
        exact = sign_flips(given_counts), permuted_labels(given_counts)
        with monkeypatch.context() as patched:
            patched.setattr(sums, "_halves", lambda *_: None)
            gridded = sign_flips(given_counts), permuted_labels(given_counts)
        for one, other in zip(exact, gridded, strict=True):
            # Half of the observed outcome's chance is counted in, too.
            assert one * (1 - 1e-9) <= other
        if samples == 16:
            assert gridded == pytest.approx(exact, rel=0.15)


def test_a_grid_agrees_with_draws() -> None:
    given_counts = made(np.random.default_rng(8), 16, 0.02)
    shares = np.concatenate(
        [counts.differences / len(counts) / len(given_counts) for counts in given_counts]
    )
    signs = np.random.default_rng(1).choice([-1, 1], (20_000, len(shares)))
    drawn = float(np.mean(np.abs(signs @ shares) >= abs(shares.sum()) - 1e-12))
    assert 0.01 < drawn < 0.6
    assert sign_flips(given_counts) == pytest.approx(drawn, abs=4 * math.sqrt(drawn / 20_000))


def test_many_samples_are_rounded_and_agree_with_few() -> None:
    """Accuracies of 10,000 samples on a grid that is coarser than they are."""
    generator = np.random.default_rng(4)
    chance = generator.beta(0.5, 0.5, 300)
    a, b = (np.rint(100 * generator.binomial(16, chance) / 16) for _ in range(2))
    many = PairedCounts.of(
        (int(100 * x) + i % 2, 10_000, int(100 * y) + i % 2, 10_000)
        for i, (x, y) in enumerate(zip(np.minimum(a, 99), np.minimum(b, 99), strict=True))
    )
    few = PairedCounts.of(
        (int(x), 100, int(y), 100)
        for x, y in zip(np.minimum(a, 99), np.minimum(b, 99), strict=True)
    )
    assert sign_flips([few]) <= sign_flips([many]) * (1 + 1e-9)
    assert sign_flips([many]) == pytest.approx(sign_flips([few]), rel=0.03)


def test_nothing_observed_is_no_tail() -> None:
    assert upper_tail([]) == Tail(0.0, 1.0)
    assert sign_flips([PairedCounts.of([(0, 4, 0, 4)] * 3)]) == 1
    assert permuted_labels([PairedCounts.of([(0, 4, 0, 4)] * 3)]) == 1


# --- laws ---


@settings(max_examples=30)
@given(benchmarks(12, most=17), st.randoms(use_true_random=False))
def test_a_swap_and_orders_change_no_digit(
    given_counts: list[PairedCounts], shuffler: st.Random
) -> None:
    found = permutation_test(given_counts)
    assert 0 < found[0] <= 1
    assert permutation_test([counts.mirrored() for counts in given_counts]) == found
    assert permutation_test(given_counts[::-1]) == found
    shuffled = []
    for counts in given_counts:
        order = shuffler.sample(range(len(counts)), len(counts))
        shuffled.append(
            PairedCounts(
                correct_a=counts.correct_a[order],
                samples_a=counts.samples_a[order],
                correct_b=counts.correct_b[order],
                samples_b=counts.samples_b[order],
            )
        )
    assert permutation_test(shuffled) == found


@settings(max_examples=40)
@given(st.lists(problems(most=6, equal=True), min_size=1, max_size=9))
def test_equal_numbers_of_samples_are_tested_by_sign_flips(
    given_problems: list[tuple[int, int, int, int]],
) -> None:
    counts = PairedCounts.of(given_problems)
    assert permutation_test([counts]) == (sign_flips([counts]), SIGN_FLIPS)
    more = PairedCounts.of([*given_problems, (0, 1, 0, 2)])
    assert permutation_test([more]) == (max(sign_flips([more]), permuted_labels([more])), BOTH)


def test_counts_that_cannot_be() -> None:
    for wrong in [(0, 0, 0, 1), (2, 1, 0, 1), (0, 1, -1, 1)]:
        with pytest.raises(ValueError, match="samples"):
            PairedCounts.of([wrong])
    one, two = np.ones(1, dtype=np.int64), np.ones(2, dtype=np.int64)
    with pytest.raises(ValueError, match="shapes"):
        PairedCounts(correct_a=one, samples_a=one, correct_b=two, samples_b=two)


# --- unequal numbers of samples ---


def share_better(size: int, samples: tuple[int, int], runs: int = 200) -> tuple[float, float]:
    """Return how often sign flips, and the test in use, see a difference between equal models."""
    generator = np.random.default_rng(20)
    seen = np.zeros(2)
    for _ in range(runs):
        chance = generator.beta(0.5, 12, size)
        of_a, of_b = (np.full(size, n) for n in samples)
        counts = PairedCounts(
            correct_a=generator.binomial(of_a, chance),
            samples_a=of_a,
            correct_b=generator.binomial(of_b, chance),
            samples_b=of_b,
        )
        seen += [sign_flips([counts]) < 0.05, permutation_test([counts])[0] < 0.05]
    return tuple(seen / runs)  # type: ignore[return-value]


@pytest.mark.slow
def test_one_sample_against_sixteen_is_no_difference() -> None:
    """Sign flips alone assume a symmetry that is not there."""
    flips, used = share_better(30, (1, 16))
    assert flips > 0.25
    assert used <= 0.05
