"""Statistics against references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.metrics import clustered, mean_interval, wilson
from harness.record import Interval


@given(total=st.integers(1, 3000), data=st.data())
def test_wilson_is_scipys(total: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, total))
    ours = wilson(correct, total)
    theirs = stats.binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=2, max_size=200))
def test_the_clustered_interval_is_the_mean_and_its_standard_error(means: list[float]) -> None:
    ours = clustered(means)
    error = float(stats.sem(means))
    if error > 0:
        low, high = stats.norm.interval(0.95, loc=np.mean(means), scale=error)
        assert ours.low == pytest.approx(max(0, low))
        assert ours.high == pytest.approx(min(1, high))
    assert 0 <= ours.low <= float(np.mean(means)) + 1e-12
    assert ours.high <= 1


def test_all_alike_is_not_certainty() -> None:
    assert clustered([0.0] * 30) == wilson(0, 30)
    assert clustered([1.0] * 30) == wilson(30, 30)
    assert clustered([]) == Interval(low=0.0, high=1.0)


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
