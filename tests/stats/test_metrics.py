"""Statistics against references."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.stats.intervals import (
    Interval,
    accuracy_interval,
    clustered,
    mean_interval,
    standard_error,
    wilson,
)
from harness.stats.metrics import (
    Bounds,
    Marked,
    majority_at_k,
    pass_at_k,
    truncation_bounds,
    within_budget,
)


@given(total=st.integers(1, 3000), data=st.data())
def test_wilson_is_scipys(total: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, total))
    ours = wilson(correct, total)
    theirs = stats.binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)


def jeffreys(correct: int, problems: int) -> tuple[float, float]:
    """Return Jeffreys's interval, moved to the estimate where it would leave it out."""
    low, high = stats.beta.ppf([0.025, 0.975], correct + 0.5, problems - correct + 0.5)
    share = correct / problems
    return min(float(low), share), max(float(high), share)


@given(problems=st.integers(1, 3000), data=st.data())
def test_an_interval_of_values_0_and_1_is_jeffreyss(problems: int, data: st.DataObject) -> None:
    extreme = st.sampled_from([0, 1, 2, problems - 1, problems])
    correct = min(problems, data.draw(extreme | st.integers(0, problems)))
    ours = clustered([1.0] * correct + [0.0] * (problems - correct))
    assert (ours.low, ours.high) == pytest.approx(jeffreys(correct, problems), abs=1e-10)


def test_the_interval_is_that_of_random_weights() -> None:
    """The quantiles of many draws of the weights that its definition names."""
    generator = np.random.default_rng(3)
    for problems, samples in ((5, 3), (30, 16), (200, 4)):
        means = generator.binomial(samples, generator.beta(0.3, 0.5, problems)) / samples
        masses = [*[1.0] * problems, 0.5, 0.5]
        drawn = generator.dirichlet(masses, 40_000) @ [*means, 0.0, 1.0]
        ours = clustered(means.tolist())
        for end, chance in ((ours.low, 0.025), (ours.high, 0.975)):
            assert float(np.mean(drawn < end)) == pytest.approx(chance, abs=0.004)


counts_of_problems = st.integers(1, 16).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n), st.just(n)), min_size=1, max_size=60)
)
unequal = st.lists(
    st.integers(1, 16).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
    max_size=60,
)


def counted_interval(counts: list[tuple[int, int]]) -> Interval:
    means = [correct / samples for correct, samples in counts]
    return accuracy_interval(means, samples=sum(samples for _, samples in counts))


@given(counts=counts_of_problems | unequal, data=st.data())
def test_one_more_correct_sample_lowers_neither_end(
    counts: list[tuple[int, int]], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(counts) - 1))
    correct, samples = counts[index]
    more = [*counts[:index], (min(samples, correct + 1), samples), *counts[index + 1 :]]
    before, after = counted_interval(counts), counted_interval(more)
    assert after.low >= before.low - 1e-10
    assert after.high >= before.high - 1e-10


@given(counts=counts_of_problems | unequal, random=st.randoms(use_true_random=False))
def test_an_interval_holds_its_mean_and_knows_no_order_and_no_direction(
    counts: list[tuple[int, int]], random: random.Random
) -> None:
    means = [correct / samples for correct, samples in counts]
    ours = clustered(means)
    assert 0 <= ours.low <= float(np.mean(means)) + 1e-12
    assert float(np.mean(means)) - 1e-12 <= ours.high <= 1
    shuffled = random.sample(means, len(means))
    assert clustered(shuffled) == ours
    mirrored = clustered([1 - mean for mean in means])
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((ours.low, ours.high), abs=1e-10)


def test_none_and_one_correct_are_hardly_different() -> None:
    none, one = clustered([0.0] * 30), clustered([0.0] * 29 + [1 / 16])
    assert none.low == 0 < one.low
    assert none.high < one.high < none.high + 0.01


def test_no_problem_is_no_knowledge() -> None:
    assert clustered([]) == Interval(low=0.0, high=1.0)


def test_no_mean_is_rounded_to_a_count() -> None:
    """Three problems, each right in half of its samples: the interval is around one half."""
    half = clustered([0.5] * 3)
    assert half.low + half.high == pytest.approx(1)


def test_the_mean_of_symmetric_intervals_is_the_usual_propagation() -> None:
    halves = [0.1, 0.2, 0.05]
    values = [0.3, 0.5, 0.7]
    intervals = [Interval(low=v - h, high=v + h) for v, h in zip(values, halves, strict=True)]
    ours = mean_interval(values, intervals)
    expected = float(np.sqrt(np.sum(np.square(halves)))) / 3
    assert ours.high - 0.5 == pytest.approx(expected)
    assert 0.5 - ours.low == pytest.approx(expected)


def test_the_seeds_published_average_and_its_doubt() -> None:
    """v4 of the report this project grew from: 15/272, 439/1319, 5/40, 34/675, 119/500, 1/30."""
    counts = [(15, 272), (439, 1319), (5, 40), (34, 675), (119, 500), (1, 30)]
    values = [correct / total for correct, total in counts]
    average = mean_interval(values, [wilson(*pair) for pair in counts])
    assert 100 * float(np.mean(values)) == pytest.approx(13.911, abs=1e-3)
    assert 0.11 < average.low < 0.139 < average.high < 0.19


def test_a_fractional_count_lies_between_whole_ones() -> None:
    low, middle, high = wilson(8, 40), wilson(8.5, 40), wilson(9, 40)
    assert low.low < middle.low < high.low
    assert low.high < middle.high < high.high


@given(st.lists(st.integers(0, 16).map(lambda c: c / 16), min_size=2, max_size=200))
def test_the_standard_error_is_scipys(means: list[float]) -> None:
    assert standard_error(means) == pytest.approx(float(stats.sem(means)), abs=1e-15)
    assert standard_error(sorted(means)) == standard_error(means)


def test_one_problem_has_no_standard_error() -> None:
    assert standard_error([]) == standard_error([0.3]) == 0


# --- k of n samples ---


@given(n=st.integers(1, 40), data=st.data())
def test_pass_at_k_is_the_hypergeometric_tail(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert pass_at_k(c, n, k) == pytest.approx(stats.hypergeom.sf(0, n, c, k), abs=1e-12)


@given(n=st.integers(1, 64), data=st.data())
def test_pass_at_k_rises_with_k_from_the_accuracy(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    values = [pass_at_k(c, n, k) for k in range(1, n + 1)]
    assert values == sorted(values)
    assert values[0] == c / n
    assert values[-1] == (c > 0)


def test_the_published_definition_of_pass_at_k() -> None:
    """The numerically stable form in figure 3 of the paper."""
    for n, c, k in [(200, 7, 1), (200, 7, 10), (200, 7, 100), (64, 64, 8), (64, 0, 8)]:
        expected = 1.0 if n - c < k else 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))
        assert pass_at_k(c, n, k) == pytest.approx(expected)


@pytest.mark.parametrize("k", [0, -1, 5])
def test_k_is_at_least_one_and_at_most_the_samples(k: int) -> None:
    with pytest.raises(ValueError, match="of 4 samples"):
        pass_at_k(2, 4, k)
    with pytest.raises(ValueError, match="of 4 samples"):
        majority_at_k([0, 0, 1, None], k)


def counted(classes: list[int | None], k: int) -> float:
    """Return majority@k by asking every choice of k samples."""
    won = []
    for chosen in combinations(classes, k):
        votes = Counter(answer for answer in chosen if answer is not None)
        leaders = [answer for answer in votes if votes[answer] == max(votes.values())]
        won.append(1 / len(leaders) if 0 in leaders else 0.0)
    return float(np.mean(won))


@given(
    st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 3, None]), min_size=1, max_size=9),
    st.data(),
)
def test_majority_at_k_is_what_every_choice_says(
    classes: list[int | None], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(classes)))
    assert majority_at_k(classes, k) == pytest.approx(counted(classes, k), abs=1e-12)


@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=64), st.data())
def test_majority_at_k_is_a_chance_and_begins_at_the_accuracy(
    classes: list[int | None], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(classes)))
    found = majority_at_k(classes, k)
    assert 0 <= found <= 1
    assert majority_at_k(classes, 1) == pass_at_k(classes.count(0), len(classes), 1)
    # One vote in the majority is one that passed.
    assert found <= pass_at_k(classes.count(0), len(classes), k) + 1e-12
    names = {0: 0, None: None} | {number: 10 - number for number in range(1, 6)}
    assert majority_at_k([names[answer] for answer in reversed(classes)], k) == found


def test_majorities_that_are_plain_to_see() -> None:
    assert majority_at_k([0, 0, 0, 1, 1, 2], 6) == 1
    assert majority_at_k([0, 0, 1, 1, 2, None], 6) == 0.5
    assert majority_at_k([0, 1, 2, 3], 4) == 0.25
    assert majority_at_k([None, None], 2) == 0
    assert majority_at_k([0, None, None], 3) == 1
    assert majority_at_k([0] * 30 + [1] * 34, 64) == 0


def test_majority_at_k_is_fast_enough_for_whole_benchmarks() -> None:
    """2,800 problems of 16 samples, five sizes; a hundredth of what brute force would need."""
    drawn = random.Random(3)
    problems = []
    for _ in range(2800):
        right = drawn.betavariate(0.5, 0.7)
        wrong = [None, *(1 + int(drawn.expovariate(0.4)) for _ in range(9))]
        problems.append([0 if drawn.random() < right else drawn.choice(wrong) for _ in range(16)])
    begun = process_time()
    for k in (1, 2, 4, 8, 16):
        for classes in problems:
            majority_at_k(classes, k)
    for classes in ([i % 20 for i in range(64)], [i // 2 for i in range(64)]):
        majority_at_k(classes, 32)
    assert process_time() - begun < 2


# --- length ---

RIGHT = Marked(correct=True, tokens=80)
LONG = Marked(correct=True, tokens=400)
WRONG = Marked(correct=False, tokens=90)
CUT = Marked(correct=False, truncated=True, tokens=512)


def test_a_budget_takes_what_is_longer() -> None:
    problems = [[RIGHT, LONG], [WRONG, LONG], [RIGHT, CUT, RIGHT, RIGHT]]
    assert within_budget(problems, 512) == pytest.approx((1 + 0.5 + 0.75) / 3)
    assert within_budget(problems, 400) == within_budget(problems, 512)
    assert within_budget(problems, 399) == pytest.approx((0.5 + 0 + 0.75) / 3)
    assert within_budget(problems, 79) == 0
    assert within_budget([], 10) == 0


def test_a_budget_needs_the_lengths_of_correct_responses_only() -> None:
    assert within_budget([[RIGHT, Marked(correct=False)]], 100) == 0.5
    assert within_budget([[RIGHT, Marked(correct=True)]], 100) is None


def test_truncated_responses_bound_the_accuracy() -> None:
    assert truncation_bounds([[RIGHT, CUT], [WRONG, CUT, CUT, RIGHT]]) == Bounds(
        low=pytest.approx(0.375), high=pytest.approx(0.875)
    )
    assert truncation_bounds([[RIGHT, WRONG]]) == Bounds(low=0.5, high=0.5)
    assert truncation_bounds([]) == Bounds(low=0.0, high=0.0)


@given(
    st.lists(
        st.lists(st.sampled_from([RIGHT, LONG, WRONG, CUT]), min_size=1, max_size=4), min_size=1
    ),
    st.integers(0, 600),
)
def test_budget_and_bounds_are_in_order(problems: list[list[Marked]], budget: int) -> None:
    bounds = truncation_bounds(problems)
    spent = within_budget(problems, budget)
    more = within_budget(problems, budget + 100)
    assert spent is not None
    assert more is not None
    assert 0 <= spent <= more <= bounds.low <= bounds.high <= 1
