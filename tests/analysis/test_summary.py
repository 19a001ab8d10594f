"""What one run's verdicts say: by hand, and what has to hold for any run."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.summary import (
    UNGROUPED,
    BenchmarkSummary,
    by_group,
    response_lengths,
    spread_of,
    summarise,
    token_budgets,
)
from harness.grading import Outcome
from harness.runs.verdicts import ProblemVerdicts
from harness.stats.intervals import clustered, wilson


def problem(
    number: int,
    *outcomes: str,
    tokens: tuple[int | None, ...] | None = None,
    classes: tuple[int | None, ...] | None = None,
    groups: dict[str, str] | None = None,
    benchmark: str = "demo",
) -> ProblemVerdicts:
    """A problem with these outcomes; a wrong answer is an answer of its own class 1."""
    known = {"correct": 0, "wrong": 1}
    return ProblemVerdicts(
        benchmark=benchmark,
        problem_id=f"{benchmark}/{number}",
        sum="0" * 12,
        groups=groups or {},
        indices=tuple(range(len(outcomes))),
        outcomes=outcomes,
        answers=tuple("7" if outcome in known else None for outcome in outcomes),
        classes=classes or tuple(known.get(outcome) for outcome in outcomes),
        tokens=tokens or (100,) * len(outcomes),
        at_limit=tuple(outcome == "truncated" for outcome in outcomes),
    )


def only(rows: list[ProblemVerdicts], **fields: int) -> BenchmarkSummary:
    (summary,) = summarise(rows, **fields)
    return summary


EIGHT = [
    problem(1, "correct", tokens=(90,), groups={"level": "1", "subject": "Algebra"}),
    problem(2, "correct", tokens=(200,), groups={"level": "2", "subject": "Algebra"}),
    problem(3, "correct", tokens=(600,), groups={"level": "10", "subject": "Geometry"}),
    problem(4, "wrong", tokens=(300,), groups={"level": "10", "subject": "Geometry"}),
    problem(5, "no answer", tokens=(50,), groups={"level": "2", "subject": "Algebra"}),
    problem(6, "truncated", tokens=(1024,), groups={"level": "10", "subject": "Geometry"}),
    problem(7, "truncated", tokens=(1024,), groups={"level": "10", "subject": "Algebra"}),
    problem(8, "grader timeout", tokens=(128,), groups={"level": "1", "subject": "Algebra"}),
]


def test_eight_problems_by_hand() -> None:
    one = only(EIGHT, max_tokens=1024)
    assert (one.problems, one.samples, one.correct, one.fewest) == (8, 8, 3, 1)
    assert one.accuracy == pytest.approx(3 / 8)
    assert one.interval == wilson(3, 8)
    assert dict(one.outcomes) == {
        "correct": 3, "wrong": 1, "no answer": 1, "truncated": 2, "grader timeout": 1,
    }  # fmt: skip
    assert list(one.outcomes) == [str(kind) for kind in Outcome if kind in one.outcomes]
    assert (one.lowest, one.highest) == pytest.approx((3 / 8, 5 / 8))
    assert [(point.tokens, point.accuracy) for point in one.budgets] == [
        (128, 1 / 8), (256, 2 / 8), (512, 2 / 8), (1024, 3 / 8),
    ]  # fmt: skip
    assert [at.k for at in one.at_k] == [1]
    assert one.spread is None


def test_the_lengths_of_eight_responses_by_hand() -> None:
    one = only(EIGHT)
    assert one.lengths is not None
    assert one.lengths_correct is not None
    assert one.lengths_wrong is not None
    # 50 90 128 200 300 600 1024 1024: seven steps between eight values
    assert one.lengths.p10 == pytest.approx(50 + 0.7 * 40)
    assert one.lengths.median == pytest.approx(250)
    assert one.lengths.p90 == pytest.approx(1024)
    assert one.lengths.longest == 1024
    assert (one.lengths_correct.samples, one.lengths_correct.median) == (3, 200)
    assert (one.lengths_wrong.samples, one.lengths_wrong.median) == (5, 300)


def test_groups_are_in_natural_order_with_the_interval_of_their_problems() -> None:
    one = only(EIGHT)
    assert list(one.groups) == ["level", "subject"]
    levels = one.groups["level"]
    assert [(g.value, g.problems, g.correct) for g in levels] == [
        ("1", 2, 1), ("2", 2, 1), ("10", 4, 1),
    ]  # fmt: skip
    assert levels[2].interval == wilson(1, 4)
    several = [problem(n, "correct", "wrong", groups={"g": "x"}) for n in range(3)]
    several.append(problem(9, "correct", "correct"))
    grouped = {group.value: group for group in by_group(several, "g")}
    assert grouped["x"].interval == clustered([0.5] * 3)
    assert grouped[UNGROUPED].problems == 1


def test_several_samples_by_hand() -> None:
    rows = [
        problem(1, "correct", "correct", "wrong", "wrong"),
        problem(2, "correct", "wrong", "wrong", "no answer", classes=(0, 1, 2, None)),
        problem(3, "wrong", "wrong", "wrong", "wrong"),
    ]
    one = only(rows)
    assert [at.k for at in one.at_k] == [1, 2, 4]
    assert one.accuracy == pytest.approx((1 / 2 + 1 / 4) / 3)
    assert [at.passed for at in one.at_k] == pytest.approx(
        [one.accuracy, (5 / 6 + 1 / 2) / 3, 2 / 3]
    )
    # All four: two against two is a draw; three different answers are a draw of three.
    assert one.at_k[-1].majority == pytest.approx((1 / 2 + 1 / 3) / 3)
    means = [0.5, 0.25, 0.0]
    assert one.standard_error == pytest.approx((sum((m - 0.25) ** 2 for m in means) / 2 / 3) ** 0.5)
    assert one.interval == clustered(means)


def test_k_goes_as_far_as_every_problem_has_samples_and_to_n() -> None:
    rows = [problem(1, *["correct"] * 6), problem(2, *["wrong"] * 7)]
    assert [at.k for at in only(rows).at_k] == [1, 2, 4, 6]


def test_an_engine_that_counts_no_tokens_has_no_lengths_and_no_budgets() -> None:
    one = only([problem(1, "correct", tokens=(None,)), problem(2, "wrong", tokens=(None,))])
    assert one.budgets == ()
    assert one.lengths is one.lengths_correct is one.lengths_wrong is None


def test_budgets_begin_lower_for_short_responses_and_end_at_the_limit() -> None:
    assert token_budgets(None, 2048) == ()
    assert token_budgets(1) == (1, 2, 4, 8)
    assert token_budgets(1025, 1500)[-2:] == (1024, 1500)
    assert token_budgets(1025, 700)[-2:] == (1024, 2048), "a limit that did not hold is none"
    assert token_budgets(1024, 4096)[-1] == 1024


def test_doubt_that_is_all_sampling_and_doubt_that_is_none() -> None:
    alike = [problem(n, *["correct", "wrong"] * 2) for n in range(10)]
    assert spread_of(alike) is None, "no problem differs from another"
    sure = [problem(n, *[("correct", "wrong")[n % 2]] * 4) for n in range(10)]
    spread = spread_of(sure)
    assert spread is not None
    assert spread.sampling == 0
    assert spread.advice.startswith("only more problems would lower the standard error of 16.7")
    chance = [problem(n, *(["correct"] * (1 + n % 2 * 2) + ["wrong"] * 4)[:4]) for n in range(10)]
    spread = spread_of(chance)  # means of 1/4 and 3/4; each has the sampling variance 1/16
    assert spread is not None
    assert spread.sampling**2 == pytest.approx(1 / 16 / 10)
    assert spread.standard_error**2 == pytest.approx(1 / 16 / 9)
    assert "from 8.3 to 2.6 points at best" in spread.advice


def test_one_response_has_all_its_quantiles() -> None:
    lengths = response_lengths([problem(1, "wrong", tokens=(7,))])
    assert lengths is not None
    assert (lengths.p10, lengths.median, lengths.p90, lengths.longest) == (7, 7, 7, 7)
    assert response_lengths([problem(1, "wrong")], correct=True) is None


# --- what holds for any run -----------------------------------------------------------------

OUTCOMES = st.sampled_from([str(kind) for kind in Outcome])
GROUPS = st.fixed_dictionaries({"level": st.sampled_from("12345"), "kind": st.text(max_size=3)})


@st.composite
def problems(draw: st.DrawFn) -> list[ProblemVerdicts]:
    samples = draw(st.integers(1, 5))
    return [
        problem(
            number,
            *(outcomes := draw(st.lists(OUTCOMES, min_size=samples, max_size=samples))),
            tokens=tuple(draw(st.integers(0, 5000)) for _ in outcomes),
            groups=draw(GROUPS),
            benchmark=draw(st.sampled_from(["demo", "gsm8k"])),
        )
        for number in range(draw(st.integers(1, 12)))
    ]


@settings(max_examples=30)
@given(problems())
def test_outcomes_sum_and_bounds_hold_the_accuracy(rows: list[ProblemVerdicts]) -> None:
    summaries = summarise(rows)
    assert sum(one.problems for one in summaries) == len(rows)
    for one in summaries:
        assert sum(one.outcomes.values()) == one.samples
        assert one.outcomes.get("correct", 0) == one.correct
        assert one.lowest == pytest.approx(one.accuracy)
        assert one.lowest <= one.highest <= 1
        assert one.interval.low <= one.accuracy + 1e-12
        assert one.accuracy <= one.interval.high + 1e-12


@settings(max_examples=30)
@given(problems(), st.none() | st.integers(1, 6000))
def test_a_budget_takes_nothing_away_and_the_last_leaves_the_accuracy(
    rows: list[ProblemVerdicts], limit: int | None
) -> None:
    for one in summarise(rows, max_tokens=limit):
        accuracies = [point.accuracy for point in one.budgets]
        assert accuracies == sorted(accuracies)
        assert accuracies[-1] == pytest.approx(one.accuracy)
        tokens = [point.tokens for point in one.budgets]
        assert tokens == sorted(set(tokens))


@settings(max_examples=30)
@given(problems())
def test_groups_partition_the_problems(rows: list[ProblemVerdicts]) -> None:
    for one in summarise(rows):
        for groups in one.groups.values():
            assert sum(group.problems for group in groups) == one.problems
            assert sum(group.samples for group in groups) == one.samples
            assert sum(group.correct for group in groups) == one.correct
            weighted = sum(group.accuracy * group.problems for group in groups)
            assert weighted / one.problems == pytest.approx(one.accuracy)


@settings(max_examples=30)
@given(problems())
def test_more_samples_pass_more_and_one_sample_is_the_accuracy(
    rows: list[ProblemVerdicts],
) -> None:
    for one in summarise(rows):
        passed = [at.passed for at in one.at_k]
        assert all(later >= earlier - 1e-12 for earlier, later in pairwise(passed))
        assert all(at.majority <= at.passed + 1e-12 for at in one.at_k)
        assert one.at_k[0].passed == pytest.approx(one.accuracy)
        assert one.at_k[0].majority == pytest.approx(one.accuracy)
        if one.spread is not None:
            assert one.spread.standard_error == pytest.approx(one.standard_error)
            assert one.spread.problems >= 0


@settings(max_examples=30)
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_problems_does_not_matter(rows: list[ProblemVerdicts], random: Random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    ours = {one.benchmark: one for one in summarise(rows)}
    assert {one.benchmark: one for one in summarise(shuffled)} == ours
