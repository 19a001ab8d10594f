"""What a comparison says of a margin, of a gate, and of samples on which something failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from stored import store_run, verdict_rows

from benchmarks import UserError, WrongValueError
from harness.analysis.compare import Comparison, compare
from harness.analysis.failures import FailureCheck
from harness.analysis.gate import gate
from harness.reporting.text.comparison import comparison_fields, comparison_text
from harness.runs.catalogue import Catalogue
from harness.runs.results import Result
from harness.runs.verdicts import ProblemVerdicts

FIRST, LATER = ("gsm8k", "aime24")


def sides(
    problems: int, fixed: int, broken: int, *, n: int = 1, benchmark: str = FIRST
) -> tuple[list[ProblemVerdicts], list[ProblemVerdicts]]:
    """Verdicts of two runs, n samples each: the first problems are fixed, the next ones broken."""
    changed = fixed + broken
    before = [[k >= fixed] * n for k in range(problems)]
    after = [[k < fixed or k >= changed] * n for k in range(problems)]
    return verdict_rows({benchmark: before}), verdict_rows({benchmark: after})


def stored(
    folder: Path, a: Sequence[ProblemVerdicts], b: Sequence[ProblemVerdicts]
) -> tuple[Result, Result]:
    return store_run(folder, "a", a), store_run(folder, "b", b)


def failing(
    rows: Sequence[ProblemVerdicts], places: Collection[int], outcome: str = "engine error"
) -> list[ProblemVerdicts]:
    """The same with the first sample of some problems failed."""
    return [
        row.model_copy(update={"outcomes": (outcome, *row.outcomes[1:])}) if k in places else row
        for k, row in enumerate(rows)
    ]


# --- margins --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "margin", "verdict"),
    [
        ((1319, 22, 20), 0.01, "same"),
        ((1319, 62, 58), 0.01, "undecided"),
        ((1319, 62, 58), 0.02, "same"),
        ((500, 9, 11), 0.02, "same"),
        ((500, 30, 5), 0.02, "better"),
        ((500, 5, 30), 0.02, "worse"),
        ((500, 20, 10), 0.01, "not worse"),
    ],
)
def test_a_margin_has_one_of_five_words(
    counts: tuple[int, int, int], margin: float, verdict: str, tmp_path: Path
) -> None:
    (row,) = compare(*stored(tmp_path, *sides(*counts)), margin=margin).rows
    assert row.margin is not None
    assert row.margin.verdict == verdict
    assert row.margin.not_worse == (verdict in ("same", "better", "not worse"))


def test_a_clear_but_small_loss_is_both_worse_and_within_the_margin(tmp_path: Path) -> None:
    found = compare(*stored(tmp_path, *sides(1319, 1, 12)), margin=0.02)
    assert found.rows[0].verdict == "worse"
    assert found.rows[0].margin is not None
    assert found.rows[0].margin.same
    assert "worse, by less than 2 points" in comparison_text(found)


def test_the_mirror_has_the_mirrored_tests(tmp_path: Path) -> None:
    a, b = stored(tmp_path, *sides(200, 20, 10, n=4))
    there, back = (compare(*pair, margin=0.02).rows[0].margin for pair in ((a, b), (b, a)))
    assert there is not None
    assert back is not None
    assert there.test.mirrored() == back.test
    assert there.test.method == "Student's t, clustered by problem"


def test_holm_corrects_margins_over_benchmarks_and_average(tmp_path: Path) -> None:
    both = [sides(1319, 22, 20), sides(900, 13, 13, benchmark=LATER)]
    a, b = ([row for pair in both for row in pair[side]] for side in (0, 1))
    found = compare(*stored(tmp_path, a, b), margin=0.01)
    assert found.average is not None
    verdicts = [row.margin for row in (*found.rows, found.average)]
    raw = sorted(one.test.p_same for one in verdicts if one)
    adjusted = sorted(one.adjusted_p_same for one in verdicts if one)
    assert adjusted[0] == pytest.approx(3 * raw[0])
    assert raw[-1] < 0.05
    assert [one.verdict for one in verdicts if one] == ["not worse", "not worse", "same"]


def test_published_counts_are_tested_against_a_margin_too(shipped: Path) -> None:
    one, other = (Catalogue(shipped).find(f"openseek-{v}") for v in ("v1", "v4"))
    found = compare(one, other, margin=0.05)
    assert found.average is not None
    assert found.average.margin is not None
    assert {row.margin.test.method for row in found.rows if row.margin} == {"Newcombe, unpaired"}
    assert found.average.margin.verdict == "not worse"


def test_without_a_margin_nothing_is_said_of_one(tmp_path: Path) -> None:
    found = compare(*stored(tmp_path, *sides(50, 2, 1)))
    assert found.rows[0].margin is None
    assert "margin" not in comparison_text(found)
    assert comparison_fields(found)["margin"] is None


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.0, -0.1, float("nan")])
def test_a_margin_is_a_fraction(margin: float, tmp_path: Path) -> None:
    with pytest.raises(WrongValueError, match=r"0\.01 for one percentage point"):
        compare(*stored(tmp_path, *sides(50, 2, 1)), margin=margin)


# --- gates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "holding"),
    [
        ((1319, 22, 20), {"same", "not-worse"}),
        ((500, 20, 10), {"not-worse"}),
        ((500, 40, 5), {"better", "not-worse"}),
        ((500, 5, 40), set()),
    ],
)
def test_a_gate_holds_if_what_it_asks_for_is_shown(
    counts: tuple[int, int, int], holding: set[str], tmp_path: Path
) -> None:
    found = compare(*stored(tmp_path, *sides(*counts)), margin=0.01)
    gates = [gate(found, asked) for asked in ("better", "not-worse", "same")]
    assert {one.asked for one in gates if one.holds} == holding
    assert {one.about for one in gates} == {FIRST}


def test_of_several_benchmarks_a_gate_is_about_the_average(tmp_path: Path) -> None:
    both = [sides(200, 90, 0), sides(200, 0, 3, benchmark=LATER)]
    a, b = ([row for pair in both for row in pair[side]] for side in (0, 1))
    asked = gate(compare(*stored(tmp_path, a, b)), "better")
    assert (asked.about, asked.holds) == ("average", True)


def test_a_gate_that_needs_a_margin_or_is_none_says_so(tmp_path: Path) -> None:
    found = compare(*stored(tmp_path, *sides(50, 2, 1)))
    assert not gate(found, "better").holds
    with pytest.raises(UserError, match="needs a margin"):
        gate(found, "same")
    with pytest.raises(UserError, match="there is no gate 'faster'; there are better"):
        gate(found, "faster")  # type: ignore[arg-type]


# --- failures -------------------------------------------------------------------------------


def check(found: Comparison) -> FailureCheck:
    (row,) = found.rows
    assert row.failures is not None
    return row.failures


@pytest.mark.parametrize("outcome", ["engine error", "grader timeout", "grader error"])
def test_six_failures_of_1319_do_not_make_a_run_worse(outcome: str, tmp_path: Path) -> None:
    """As they count, McNemar says p = 0.016, and of the models nothing is known to differ."""
    a, _ = sides(1319, 0, 0)
    found = compare(*stored(tmp_path, a, failing(a, range(6), outcome)), margin=0.01)
    (row,) = found.rows
    assert row.difference.p_value == pytest.approx(1 / 2**6), "a mid-p"
    assert row.verdict == "withheld"
    assert row.probability is None
    assert check(found) == FailureCheck(
        a=0, b=6, as_counted="worse", left_out="no evidence", best_for_a="worse",
        best_for_b="no evidence",
    )  # fmt: skip
    text = comparison_text(found)
    assert "VERDICT WITHHELD: gsm8k: the engine or the grader failed on 6 of B's samples" in text
    assert "left out, no evidence" in text
    fields = comparison_fields(found)["benchmarks"][0]
    assert fields["verdict"] == "withheld"
    assert fields["failures"]["decide"] is True
    asked = gate(found, "better")
    assert (asked.holds, asked.withheld) == (False, True)
    assert row.margin is not None
    assert row.margin.verdict == "same", "which it is in whatever way the six are counted"


def test_the_mirror_is_withheld_too(tmp_path: Path) -> None:
    a, _ = sides(1319, 0, 0)
    found = compare(*stored(tmp_path, failing(a, range(6)), a))
    assert found.rows[0].verdict == "withheld"
    assert check(found).as_counted == "better"
    assert check(found).best_for_a == check(found).left_out == "no evidence"


def test_no_evidence_that_rests_on_failures_is_withheld(tmp_path: Path) -> None:
    a, b = sides(300, 20, 0)
    found = compare(*stored(tmp_path, a, failing(b, range(16))))
    assert check(found).as_counted == "no evidence"
    assert check(found).best_for_b == "better"
    assert found.rows[0].verdict == "withheld"


def test_a_verdict_that_stays_is_kept_and_the_failures_are_told(tmp_path: Path) -> None:
    a, b = sides(300, 60, 0)
    found = compare(*stored(tmp_path, a, failing(b, (100, 200))))
    assert found.rows[0].verdict == "better"
    assert not check(found).decide
    assert "however these samples are counted" in comparison_text(found)


def test_nothing_changes_where_nothing_failed(tmp_path: Path) -> None:
    found = compare(*stored(tmp_path, *sides(300, 60, 0)))
    assert found.rows[0].failures is None
    assert "however" not in comparison_text(found)


def test_a_margin_that_rests_on_failures_is_withheld(tmp_path: Path) -> None:
    a, b = sides(1319, 5, 5)
    found = compare(*stored(tmp_path, a, failing(b, range(100, 104))), margin=0.007)
    (row,) = found.rows
    assert row.verdict == "no evidence"
    assert row.margin is not None
    assert row.margin.same is None
    assert row.margin.verdict in ("withheld", "not worse")
    assert gate(found, "same").withheld


def test_several_samples_and_a_problem_that_failed_whole(tmp_path: Path) -> None:
    a, _ = sides(60, 0, 0, n=4)
    broken = [
        row.model_copy(update={"outcomes": ("engine error",) * 4}) if k < 6 else row
        for k, row in enumerate(a)
    ]
    found = compare(*stored(tmp_path, a, broken))
    assert check(found).b == 24
    assert found.rows[0].verdict == "withheld"


def test_a_run_of_nothing_but_failures_is_withheld(tmp_path: Path) -> None:
    a, _ = sides(40, 0, 0)
    found = compare(*stored(tmp_path, a, failing(a, range(40))))
    assert check(found).left_out is None
    assert found.rows[0].verdict == "withheld"
    assert "nothing is left to compare" in comparison_text(found)


def test_failures_on_one_benchmark_can_decide_the_average(tmp_path: Path) -> None:
    both = [sides(200, 0, 0), sides(200, 0, 0, benchmark=LATER)]
    a = [row for pair in both for row in pair[0]]
    found = compare(*stored(tmp_path, a, failing(a, range(12))))
    assert found.average is not None
    assert [row.verdict for row in found.rows] == ["withheld", "no evidence"]
    assert found.average.verdict == "withheld"


def test_failures_of_a_run_count_against_published_counts_too(
    shipped: Path, tmp_path: Path
) -> None:
    published = Catalogue(shipped).find("openseek-v4")
    score = published.scores["gsm8k"]
    right = score.correct or 0
    rows = verdict_rows({"gsm8k": [[k < right - 60] for k in range(score.problems)]})
    ours = store_run(tmp_path, "ours", failing(rows, range(right, right + 60)))
    found = compare(published, ours, anyway=True)
    assert check(found).b == 60
    assert check(found).as_counted == "worse"
    assert found.rows[0].verdict == "withheld"


# --- in Python --------------------------------------------------------------------------------


def test_python_takes_a_margin_as_a_fraction_and_has_the_gate(tmp_path: Path) -> None:
    from harness import compare as compared

    runs = stored(tmp_path, *sides(1319, 22, 20))
    found = compared(*runs, margin=0.01)
    assert found.gate("same").holds
    assert found.sentence().startswith("b is the same as a within 1 point on gsm8k")
    assert list(found.to_pandas().margin_verdict) == ["same"]
    assert "the same within 1 point" in found._repr_html_()
    for wrong in ("1", True):
        with pytest.raises(UserError, match="margin: expected a fraction"):
            compared(*runs, margin=wrong)  # type: ignore[arg-type]


def test_counts_over_different_problems_show_nothing_within_a_margin(shipped: Path) -> None:
    catalogue = Catalogue(shipped)
    names = ("qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-0.5b-boxed")
    a, b = map(catalogue.find, names)
    found = compare(a, b, anyway=True, margin=0.9)
    rows = [*found.rows, found.average]
    assert {row.margin.verdict for row in rows if row and row.margin} == {"undecided"}
    asked = gate(found, "same")
    assert not asked.holds
    assert not asked.same_problems
    text = comparison_text(found)
    assert "NOT THE SAME PROBLEMS" in text
    assert "gsm8k 20 against 100" in text
    assert "undecided: not the same problems" in text
