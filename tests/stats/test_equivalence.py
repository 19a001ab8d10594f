"""Margins: Tango's worked values, each test against its interval or brute force, and sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from harness.stats.equivalence import (
    Equivalence,
    average,
    clustered,
    newcombe_limits,
    of_counts,
    paired_limits,
    t_limits,
    tango,
    tango_interval,
)
from harness.stats.unpaired import Counts, unpaired


def share(right: int, total: int) -> Counts:
    return Counts(problems=total, samples=total, accuracy=right / total)


# --- one sample a problem -------------------------------------------------------------------


def test_the_worked_examples_of_tango() -> None:
    assert tango_interval(40, 20, 160) == pytest.approx((0.03086, 0.21806), abs=5e-6)

    within_one = tango(22, 20, 1319, margin=0.01)
    assert within_one.p_not_worse == pytest.approx(0.01261, abs=5e-6)
    assert within_one.p_not_better == pytest.approx(0.04771, abs=5e-6)
    assert 100 * within_one.low == pytest.approx(-0.676, abs=5e-4)
    assert 100 * within_one.high == pytest.approx(0.988, abs=5e-4)

    assert tango(62, 58, 1319, margin=0.01).p_same == pytest.approx(0.2015, abs=5e-5)
    assert tango(62, 58, 1319, margin=0.02).p_same == pytest.approx(0.02214, abs=5e-6)
    assert tango(9, 11, 500, margin=0.02).p_same == pytest.approx(0.04801, abs=5e-6)


def constrained_z(fixed: int, broken: int, problems: int, delta: float) -> float:
    """The score statistic with the likelihood's maximum under delta found by search."""
    same = problems - fixed - broken

    def unlikely(q: float) -> float:
        terms = special.xlogy(
            [fixed, broken, same], np.maximum([q + delta, q, 1 - 2 * q - delta], 0)
        )
        return -float(np.sum(terms))

    ends = (max(0.0, -delta), (1 - delta) / 2)
    q = optimize.minimize_scalar(
        unlikely, bounds=ends, method="bounded", options={"xatol": 1e-12}
    ).x
    variance = problems * (2 * q + delta - delta**2)
    return float((fixed - broken - problems * delta) / np.sqrt(variance))


@pytest.mark.parametrize("counts", [(5, 2, 30), (12, 20, 100), (1, 1, 40), (40, 20, 160)])
@pytest.mark.parametrize("margin", [0.01, 0.05, 0.2])
def test_tango_is_the_score_test_under_the_likelihoods_maximum(
    counts: tuple[int, int, int], margin: float
) -> None:
    found = tango(*counts, margin=margin)
    assert found.p_not_worse == pytest.approx(
        stats.norm.sf(constrained_z(*counts, -margin)), rel=1e-4
    )
    assert found.p_not_better == pytest.approx(
        stats.norm.cdf(constrained_z(*counts, margin)), rel=1e-4
    )


def test_without_a_margin_it_is_mcnemars_test() -> None:
    found = tango(30, 12, 200, margin=1e-9)
    assert found.p_not_worse == pytest.approx(stats.norm.sf(18 / np.sqrt(42)), rel=1e-6)


tables = st.integers(1, 60).flatmap(
    lambda n: st.integers(0, n).flatmap(
        lambda fixed: st.tuples(st.just(fixed), st.integers(0, n - fixed), st.just(n))
    )
)
margins = st.floats(0.001, 0.5)


def coherent(found: Equivalence) -> None:
    """A test of 5 % rejects what its 90 % interval leaves out, and the reverse."""
    assert (found.p_not_worse < 0.05) == (found.low > -found.margin)
    assert (found.p_not_better < 0.05) == (found.high < found.margin)
    assert -1 <= found.low <= found.high <= 1


@given(table=tables, margin=margins)
def test_tango_mirrors_and_its_interval_is_its_test(
    table: tuple[int, int, int], margin: float
) -> None:
    fixed, broken, problems = table
    found = tango(fixed, broken, problems, margin=margin)
    coherent(found)
    assert tango(broken, fixed, problems, margin=margin).mirrored() == found
    assert found.low <= (fixed - broken) / problems <= found.high


def test_impossible_counts_and_margins_are_refused() -> None:
    with pytest.raises(ValueError, match="3 fixed and 3 broken of 5"):
        tango(3, 3, 5, margin=0.1)
    for margin in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="a fraction between 0 and 1"):
            tango(3, 1, 5, margin=margin)


# --- several samples a problem --------------------------------------------------------------

differences = st.lists(st.sampled_from([k / 8 for k in range(-8, 9)]), min_size=1, max_size=40)


@given(values=differences, margin=margins)
def test_t_is_scipys_with_one_problem_more_that_speaks_against(
    values: list[float], margin: float
) -> None:
    found = clustered(values, margin=margin)
    assert clustered([0.0 - value for value in values], margin=margin).mirrored() == found
    if set(values) in ({1.0}, {-1.0}):
        return  # no spread on one side, for which scipy has no p-value
    worse = stats.ttest_1samp([*values, -1.0], -margin, alternative="greater")
    better = stats.ttest_1samp([*values, 1.0], margin, alternative="less")
    assert found.p_not_worse == pytest.approx(worse.pvalue, abs=1e-9)
    assert found.p_not_better == pytest.approx(better.pvalue, abs=1e-9)
    ends = (worse.confidence_interval(0.95).low, better.confidence_interval(0.95).high)
    assert (found.low, found.high) == pytest.approx((max(-1, ends[0]), min(1, ends[1])), abs=1e-9)


def test_no_change_on_few_problems_shows_nothing() -> None:
    assert clustered([0.0] * 30, margin=0.01).p_same > 0.2
    assert clustered([0.0] * 3000, margin=0.01).p_same < 0.001


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_a_side_without_spread_is_as_sure_as_it_is_wide(value: float) -> None:
    found = clustered([value] * 10, margin=0.1)
    assert (found.p_not_worse, found.p_not_better)[value < 0] < 0.05
    assert found.p_same == 1.0


# --- counts ---------------------------------------------------------------------------------

counts = st.integers(1, 80).flatmap(lambda n: st.integers(0, n).map(lambda right: share(right, n)))


@given(a=counts, b=counts, margin=margins)
def test_counts_mirror_and_their_interval_is_their_test(
    a: Counts, b: Counts, margin: float
) -> None:
    found = of_counts(a, b, margin=margin)
    coherent(found)
    back = of_counts(b, a, margin=margin).mirrored()
    assert (back.low, back.high) == pytest.approx((found.low, found.high), abs=1e-12)
    assert back.p_same == pytest.approx(found.p_same, abs=1e-8)


def test_the_limits_of_counts_are_those_that_diff_prints() -> None:
    a, b = share(78, 500), share(119, 500)
    shown = unpaired(a, b)
    assert newcombe_limits(a, b)(1.959963984540054) == pytest.approx((shown.low, shown.high))


# --- the average ----------------------------------------------------------------------------


def test_the_average_of_one_benchmark_is_that_benchmark() -> None:
    values = [1.0] * 22 + [-1.0] * 20 + [0.0] * 1277
    alone = average([2 / 1319], [paired_limits(values, single=True)], margin=0.01)
    exact = tango(22, 20, 1319, margin=0.01)
    assert (alone.low, alone.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert alone.p_not_worse == pytest.approx(exact.p_not_worse, rel=1e-6)
    assert alone.p_not_better == pytest.approx(exact.p_not_better, rel=1e-6)


@given(sides=st.lists(differences, min_size=2, max_size=4), margin=margins)
def test_the_average_mirrors_and_its_interval_is_its_test(
    sides: list[list[float]], margin: float
) -> None:
    means = [float(np.mean(values)) for values in sides]
    found = average(means, [t_limits(values) for values in sides], margin=margin)
    turned = [[0.0 - value for value in values] for values in sides]
    back = average([0.0 - m for m in means], [t_limits(v) for v in turned], margin=margin)
    assert back.mirrored().low == pytest.approx(found.low, abs=1e-12)
    assert back.p_same == pytest.approx(found.p_same, abs=1e-8)
    if abs(abs(found.low) - margin) > 1e-9 and abs(abs(found.high) - margin) > 1e-9:
        assert (found.p_not_worse < 0.05) == (found.low > -margin)
        assert (found.p_not_better < 0.05) == (found.high < margin)


# --- sizes ----------------------------------------------------------------------------------


def moved(
    draw: np.random.Generator, kind: tuple[float, float], shape: tuple[int, int], margin: float
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Accuracies of both runs whose true difference is the margin: of all problems, or of few."""
    before = draw.beta(*kind, shape)
    part = margin / (1 - kind[0] / sum(kind))
    return {
        "all": (before, before + part * (1 - before)),
        "few": (before, np.where(draw.random(shape) < part, 1.0, before)),
    }


@pytest.mark.slow
def test_the_size_of_t_at_the_margin_is_kept_and_plain_t_would_not() -> None:
    draw = np.random.default_rng(1)
    sizes, plain = [], []
    for problems, margin in ((30, 0.02), (30, 0.05), (200, 0.05)):
        for samples, kind in ((4, (0.3, 0.5)), (4, (0.5, 12)), (16, (0.5, 12)), (16, (0.05, 0.5))):
            for a, b in moved(draw, kind, (1000, problems), margin).values():
                d = (draw.binomial(samples, b) - draw.binomial(samples, a)) / samples
                more = np.column_stack([d, np.ones(len(d))])
                sizes.append(share_below(more, margin))
                plain.append(share_below(d, margin))
    assert max(sizes) <= 0.055
    assert max(plain) > 0.15


def share_below(values: np.ndarray, margin: float) -> float:
    """How often t shows a mean below the margin at 5 %."""
    mean, error = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return float(np.mean(mean + stats.t.ppf(0.95, values.shape[1] - 1) * error < margin))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problems", "margin", "changed"),
    [(200, 0.05, 0.03), (200, 0.05, 0.1), (500, 0.02, 0.03), (1319, 0.01, 0.02)],
)
def test_the_size_of_tangos_test_at_the_margin(
    problems: int, margin: float, changed: float
) -> None:
    """Exact: over all tables of fixed and broken problems whose true difference is the margin."""
    fixed_share, broken_share = margin + changed, changed
    size = 0.0
    totals = stats.binom(problems, fixed_share + broken_share)
    low, high = (int(end) for end in totals.interval(1 - 1e-7))
    for total in range(low, high + 1):
        fixed = np.arange(total + 1)
        found = np.array([not_better(int(k), total - int(k), problems, margin) for k in fixed])
        weights = stats.binom.pmf(fixed, total, fixed_share / (fixed_share + broken_share))
        size += totals.pmf(total) * float(weights[found < 0.05].sum())
    assert size <= 0.055


def not_better(fixed: int, broken: int, problems: int, margin: float) -> float:
    from harness.stats.equivalence import _tango_z

    return float(stats.norm.sf(_tango_z(broken, fixed, problems, -margin)))
