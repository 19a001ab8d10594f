"""Comparisons against references, as properties, and in simulation: do 95 % hold what they say?"""

from __future__ import annotations

from itertools import pairwise
from math import comb
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tallies import single

from harness.stats.distributions import t_quantile
from harness.stats.paired import (
    Difference,
    average_paired,
    holm,
    paired_difference,
    paired_single,
)
from harness.stats.permutation import PairedCounts
from harness.stats.unpaired import Counts, average_unpaired, unpaired

SEED_A = {
    "minerva_math": (13, 272),
    "gsm8k": (346, 1319),
    "amc23": (8, 40),
    "olympiadbench": (32, 675),
    "math500": (78, 500),
    "aime24": (0, 30),
}
SEED_B = {
    "minerva_math": (15, 272),
    "gsm8k": (439, 1319),
    "amc23": (5, 40),
    "olympiadbench": (34, 675),
    "math500": (119, 500),
    "aime24": (1, 30),
}
"""Two checkpoints of the report this project grew from."""


def seed_pairs() -> dict[str, tuple[Counts, Counts]]:
    return {name: (single(*SEED_A[name]), single(*SEED_B[name])) for name in SEED_A}


# Shares of 1, 4 or 6 samples.
sides = st.sampled_from([1, 4, 6]).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
paired_problems = st.lists(st.tuples(sides, sides).map(lambda p: (*p[0], *p[1])), min_size=1)
benchmarks = st.dictionaries(
    st.sampled_from("abcdef"), paired_problems.map(PairedCounts.of), min_size=1
)
tallies = st.integers(1, 1500).flatmap(
    lambda n: st.one_of(
        st.integers(0, n).map(lambda c: single(c, n)),
        st.floats(0, 1).map(lambda p: Counts(problems=n, samples=4 * n, accuracy=p)),
    )
)
pairs = st.dictionaries(st.sampled_from("abcdef"), st.tuples(tallies, tallies), min_size=1)


def coherent(found: Difference) -> bool:
    return (
        -1 <= found.low <= found.difference <= found.high <= 1
        and found.low < found.high
        and found.standard_error > 0
        and 0 < found.p_value <= 1
    )


# --- references ---


@given(fixed=st.integers(0, 400), broken=st.integers(0, 400), same=st.integers(0, 1500))
def test_mcnemar_is_the_binomial_test_with_half_the_observed_outcome(
    fixed: int, broken: int, same: int
) -> None:
    found = paired_single(fixed, broken, fixed + broken + same)
    if fixed + broken:
        exact = stats.binomtest(fixed, fixed + broken, 0.5).pvalue
        half = stats.binom.pmf(fixed, fixed + broken, 0.5) if fixed != broken else 0.0
        # scipy's difference loses digits where the tail is little but the observed outcome.
        assert found.p_value == pytest.approx(exact - half, rel=1e-6, abs=1e-300)
    else:
        assert found.p_value == 1


def test_the_paired_interval_of_the_published_example() -> None:
    """Airway hyper-responsiveness before and after transplantation, Bentur et al.: 1 and 7 of 21.

    The limits are Fagerland, Lydersen and Laake's (2014) for their adjusted Wald interval.
    """
    found = paired_single(1, 7, 21)
    assert (round(found.low, 3), round(found.high, 3)) == (-0.508, -0.013)
    assert found.interval_method == "Bonett-Price"


def test_mcnemars_published_mid_p() -> None:
    """Airway hyper-responsiveness again, and complaints of hearing: Fagerland et al. (2013)."""
    found = paired_single(1, 7, 21)
    assert found.p_value == pytest.approx(0.0391, abs=5e-5)
    assert found.test == "McNemar mid-p"


@pytest.mark.parametrize("probability", [0.025, 0.6, 0.9, 0.975, 0.995])
def test_students_quantiles_are_scipys(probability: float) -> None:
    for freedom in [*range(1, 60), 199, 200, 499, 1318, 2834]:
        expected = stats.t.ppf(probability, freedom)
        assert t_quantile(probability, freedom) == pytest.approx(expected, abs=1e-6)
    assert t_quantile(0.975, 2834) == pytest.approx(stats.norm.ppf(0.975), abs=1e-3)


@given(paired_problems.map(PairedCounts.of).filter(lambda counts: not counts.single))
def test_several_samples_have_scipys_interval_of_them_and_two_imagined_problems(
    counts: PairedCounts,
) -> None:
    found = paired_difference(counts)
    values = [*counts.differences, 1.0, -1.0]
    error = float(stats.sem(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
    assert found.low == pytest.approx(max(-1, low))
    assert found.high == pytest.approx(min(1, high))
    if len(counts) > 1 and np.ptp(counts.differences) > 1e-6:
        error = float(stats.sem(counts.differences))
    assert found.standard_error == pytest.approx(error)


@given(st.integers(1, 1500), st.integers(1, 1500), st.data())
def test_fishers_test_is_scipys(total_a: int, total_b: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, total_a)), data.draw(st.integers(0, total_b))
    theirs = stats.fisher_exact([[a, total_a - a], [b, total_b - b]]).pvalue
    ours = unpaired(single(a, total_a), single(b, total_b)).p_value
    assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-290)


@pytest.mark.parametrize(
    ("b", "a", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_newcombes_published_intervals(
    b: tuple[int, int], a: tuple[int, int], low: float, high: float
) -> None:
    """Method 10 in table II of the paper."""
    found = unpaired(single(*a), single(*b))
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def fisher_in_whole_numbers(right_a: int, of_a: int, right_b: int, of_b: int) -> float:
    right = right_a + right_b
    tables = range(max(0, right - of_b), min(right, of_a) + 1)
    weights = {k: comb(of_a, k) * comb(of_b, right - k) for k in tables}
    reached = sum(weight for weight in weights.values() if weight <= weights[right_a])
    return reached / sum(weights.values())


@given(st.integers(1, 60), st.integers(1, 60), st.booleans(), st.data())
def test_fishers_ties_are_those_of_whole_numbers(
    of_a: int, of_b: int, alike: bool, data: st.DataObject
) -> None:
    of_b = of_a if alike else of_b  # then each table has its mirror image, as probable
    a, b = data.draw(st.integers(0, of_a)), data.draw(st.integers(0, of_b))
    ours = unpaired(single(a, of_a), single(b, of_b)).p_value
    assert ours == pytest.approx(fisher_in_whole_numbers(a, of_a, b, of_b), rel=1e-12)


def test_fishers_test_of_many_problems_is_fast() -> None:
    # The first p-value is that of the sum in whole numbers, which takes most of a minute.
    for a, b, expected in ((50_000, 50_300, 0.18116548544514), (20_000, 80_000, 0.0)):
        began = process_time()
        found = unpaired(single(a, 100_000), single(b, 100_000))
        assert process_time() - began < 1.0, "0.02 s where nothing else runs"
        assert found.p_value == pytest.approx(expected, rel=1e-12)


def test_an_accuracy_that_is_no_count_is_not_tested_as_one() -> None:
    a = single(3, 30)
    count, no_count = (
        Counts(problems=30, samples=30, accuracy=0.217, whole=whole) for whole in (True, False)
    )
    assert unpaired(a, count).test.startswith("Fisher")
    found = unpaired(a, no_count)
    assert "counted once" in found.test
    pooled = (0.1 + 0.217) / 2
    z = 0.117 / (pooled * (1 - pooled) * 2 / 30) ** 0.5
    assert found.p_value == pytest.approx(2 * stats.norm.sf(z))
    assert found.difference == pytest.approx(0.117)


def test_the_clustered_z_test_is_the_chi_squared_test_on_problems() -> None:
    a = Counts(problems=40, samples=640, accuracy=0.25)
    b = Counts(problems=40, samples=160, accuracy=0.5)
    found = unpaired(a, b)
    theirs = stats.chi2_contingency([[10, 30], [20, 20]], correction=False).pvalue
    assert found.p_value == pytest.approx(theirs)
    alike = unpaired(single(10, 40), single(20, 40))
    assert (found.low, found.high) == (alike.low, alike.high)
    for one in (found, average_unpaired({"a": (a, b)}), average_unpaired({"a": (b, single(1, 9))})):
        assert "counted once" in one.test


def test_holm_by_hand() -> None:
    raw = [0.0001, 0.9, 0.02, 0.0014, 0.5, 0.03]
    # × 6, 5, 4, 3, 2, 1 in rising order: 0.0006, 0.007, 0.08, 0.09, 1, 0.9 -> 1
    assert holm(raw) == pytest.approx([0.0006, 1.0, 0.08, 0.007, 1.0, 0.09])
    assert holm([]) == []


def test_the_seeds_two_checkpoints() -> None:
    found = {name: unpaired(*pair) for name, pair in seed_pairs().items()}
    assert found["gsm8k"].p_value == pytest.approx(0.0001, abs=5e-5)
    assert found["math500"].p_value == pytest.approx(0.0014, abs=5e-5)
    for name in ("minerva_math", "amc23", "olympiadbench", "aime24"):
        assert found[name].p_value > 0.5
        assert found[name].low < 0 < found[name].high
    adjusted = dict(zip(found, holm([f.p_value for f in found.values()]), strict=True))
    assert {name for name, p in adjusted.items() if p < 0.05} == {"gsm8k", "math500"}

    average = average_unpaired(seed_pairs())
    assert 100 * np.mean([c / n for c, n in SEED_A.values()]) == pytest.approx(11.892, abs=1e-3)
    assert 100 * average.difference == pytest.approx(2.02, abs=5e-3)
    assert 100 * average.standard_error == pytest.approx(1.6, abs=0.05)
    assert average.low < 0 < average.high
    assert average.p_value == pytest.approx(
        2 * stats.norm.sf(average.difference / average.standard_error)
    )


# --- properties ---


@given(fixed=st.integers(0, 50), broken=st.integers(0, 50), same=st.integers(0, 50))
def test_single_samples_are_coherent_and_antisymmetric(fixed: int, broken: int, same: int) -> None:
    found = paired_single(fixed, broken, fixed + broken + same)
    assert coherent(found)
    assert paired_single(broken, fixed, fixed + broken + same) == found.mirrored()
    assert found.mirrored().mirrored() == found


def shuffled(counts: PairedCounts, shuffler: st.Random) -> PairedCounts:
    order = shuffler.sample(range(len(counts)), len(counts))
    return PairedCounts(
        correct_a=counts.correct_a[order],
        samples_a=counts.samples_a[order],
        correct_b=counts.correct_b[order],
        samples_b=counts.samples_b[order],
    )


@settings(max_examples=50)
@given(paired_problems.map(PairedCounts.of), st.randoms(use_true_random=False))
def test_several_samples_are_coherent_antisymmetric_and_of_no_order(
    counts: PairedCounts, shuffler: st.Random
) -> None:
    found = paired_difference(counts)
    assert coherent(found)
    assert paired_difference(counts.mirrored()) == found.mirrored()
    assert paired_difference(shuffled(counts, shuffler)) == found


@given(tallies, tallies)
def test_counts_are_coherent_and_antisymmetric(a: Counts, b: Counts) -> None:
    found = unpaired(a, b)
    assert coherent(found) or found.p_value == 0  # below the smallest float
    assert unpaired(b, a) == found.mirrored()


@settings(max_examples=30, deadline=None)
@given(benchmarks, st.randoms(use_true_random=False))
def test_paired_averages_are_coherent_antisymmetric_and_of_no_order(
    counts: dict[str, PairedCounts], shuffler: st.Random
) -> None:
    found = average_paired(counts)
    assert coherent(found)
    assert average_paired({k: v.mirrored() for k, v in counts.items()}) == found.mirrored()
    names = shuffler.sample(sorted(counts), len(counts))
    assert average_paired({name: shuffled(counts[name], shuffler) for name in names}) == found


def test_a_symmetric_average_is_its_own_mirror() -> None:
    a = PairedCounts.of([(0, 1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 1)])
    b = PairedCounts.of([(1, 4, 3, 4), (4, 4, 2, 4)])
    found = average_paired({"a": a, "b": b})
    assert (found.difference, found.p_value) == (0, 1)
    assert found.low == -found.high < 0


@given(pairs, st.randoms(use_true_random=False))
def test_unpaired_averages_are_coherent_antisymmetric_and_of_no_order(
    given_pairs: dict[str, tuple[Counts, Counts]], shuffler: st.Random
) -> None:
    found = average_unpaired(given_pairs)
    assert coherent(found) or found.p_value == 0
    swapped = {name: (b, a) for name, (a, b) in given_pairs.items()}
    assert average_unpaired(swapped) == found.mirrored()
    names = shuffler.sample(sorted(given_pairs), len(given_pairs))
    assert average_unpaired({name: given_pairs[name] for name in names}) == found


@given(st.lists(st.floats(0, 1)))
def test_holm_only_raises_and_keeps_the_order(raw: list[float]) -> None:
    adjusted = holm(raw)
    assert all(r <= a <= 1 for r, a in zip(raw, adjusted, strict=True))
    ranked = sorted(zip(raw, adjusted, strict=True))
    assert all(one[1] <= other[1] for one, other in pairwise(ranked))


@settings(max_examples=50)
@given(paired_problems.map(PairedCounts.of))
def test_an_average_of_one_benchmark_is_the_benchmarks_difference(counts: PairedCounts) -> None:
    one, all_of_it = paired_difference(counts), average_paired({"a": counts})
    assert all_of_it.difference == one.difference
    assert all_of_it.standard_error == pytest.approx(one.standard_error)
    assert (all_of_it.low, all_of_it.high) == pytest.approx((one.low, one.high))
    assert all_of_it.p_value == pytest.approx(one.p_value)


# --- little to go by ---


def test_no_difference_is_not_certainty() -> None:
    nothing = paired_single(0, 0, 40)
    assert nothing.low < 0 < nothing.high
    assert nothing.p_value == 1
    means = paired_difference(PairedCounts.of([(0, 4, 0, 4)] * 40))
    assert (means.low, means.high, means.p_value) == (-means.high, means.high, 1)
    assert means.high == pytest.approx(nothing.high, rel=0.05)  # t in place of 1.96
    same = PairedCounts.of([(0, 1, 0, 1)] * 40)
    average = average_paired({"a": same, "b": same})
    # Two independent halves of an average: √2 / 2 of each one's width.
    assert average.high == pytest.approx(nothing.high / np.sqrt(2))
    assert (average.low, average.p_value) == (-average.high, 1)
    zeros = Counts(problems=30, samples=30, accuracy=0.0)
    counts = average_unpaired({"a": (zeros, zeros), "b": (zeros, zeros)})
    assert counts.low < 0 < counts.high
    assert (counts.p_value, counts.difference) == (1, 0)
    assert counts.standard_error > 0


def test_no_change_of_thirty_leaves_room_for_a_tenth() -> None:
    """However many samples show no change: a tenth of all problems may have changed."""
    for samples in (1, 4, 64):
        found = paired_difference(PairedCounts.of([(0, samples, 0, samples)] * 30))
        assert 0.08 < found.high < 0.11


def test_equal_differences_have_the_intervals_standard_error() -> None:
    found = paired_difference(PairedCounts.of([(1, 5, 3, 10), (3, 10, 2, 5), (0, 10, 1, 10)] * 5))
    assert found.difference == pytest.approx(0.1)
    assert found.standard_error > 0.05


@pytest.mark.parametrize("problem", [(0, 4, 0, 4), (0, 1, 1, 1), (1, 4, 0, 4)])
def test_one_problem_says_next_to_nothing(problem: tuple[int, int, int, int]) -> None:
    counts = PairedCounts.of([problem])
    for found in (paired_difference(counts), average_paired({"a": counts})):
        assert found.p_value >= 0.5 - 1e-9
        assert found.low < 0 < found.high
        assert found.high - found.low > 1
    mixed = average_paired({"a": counts, "b": PairedCounts.of([(0, 1, 1, 1), (1, 1, 0, 1)])})
    assert mixed.difference == pytest.approx(counts.differences[0] / 2)


def test_no_problems() -> None:
    assert (paired_single(0, 0, 0).low, paired_single(0, 0, 0).high) == (-1, 1)
    assert paired_difference(PairedCounts.of([])).p_value == 1
    for wrong in ({}, {"a": PairedCounts.of([])}):
        with pytest.raises(ValueError, match="problems"):
            average_paired(wrong)
    with pytest.raises(ValueError, match="benchmarks"):
        average_unpaired({})


def test_counts_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="3 fixed and 2 broken of 4"):
        paired_single(3, 2, 4)
    for problems, samples, accuracy in [(0, 0, 0.0), (2, 1, 0.5), (2, 2, 1.5)]:
        with pytest.raises(ValueError, match="counts"):
            Counts(problems=problems, samples=samples, accuracy=accuracy)
    for probability, freedom in [(0.0, 3), (1.0, 3), (0.5, 0)]:
        with pytest.raises(ValueError, match="quantile"):
            t_quantile(probability, freedom)
