"""Many runs at once: verdicts, ranks, refusals, and what no ranking may depend on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from stored import Marks, store_run, verdict_rows

from benchmarks import UserError
from harness.analysis.aligned import align
from harness.analysis.compare import compare
from harness.analysis.many import rank
from harness.analysis.ranking import ranks
from harness.reporting.text.many import many_fields, many_text
from harness.runs.catalogue import Catalogue
from harness.runs.results import Result
from harness.runs.spec import PromptSpec

EXAMPLE = {
    "base": "00001000000000",
    "one": "11101100100100",
    "two": "10110010100010",
    "three": "01001001000001",
}
"""Runs of single samples that differ from the base much, a little, and by chance."""


def made(
    folder: Path, name: str, accuracy: float, seed: int, *, n: int = 2, problems: int = 60
) -> Result:
    draw = random.Random(seed)
    marks = {
        benchmark: [[draw.random() < accuracy for _ in range(n)] for _ in range(problems)]
        for benchmark in ("gsm8k", "aime24")
    }
    return store_run(folder, name, verdict_rows(marks))


def four(folder: Path) -> list[Result]:
    return [
        made(folder, name, accuracy, seed)
        for seed, (name, accuracy) in enumerate(
            (("low", 0.2), ("middle", 0.5), ("as-good", 0.55), ("high", 0.95))
        )
    ]


def example(folder: Path) -> dict[str, Result]:
    marks: dict[str, Marks] = {
        name: {"gsm8k": [[digit == "1"] for digit in digits]} for name, digits in EXAMPLE.items()
    }
    return {name: store_run(folder, name, verdict_rows(one)) for name, one in marks.items()}


# --- against a base -------------------------------------------------------------------------


def test_runs_are_compared_with_the_base_and_corrected_together(tmp_path: Path) -> None:
    low, middle, as_good, high = four(tmp_path)
    found = rank([low, high, as_good], middle)
    assert found.base is not None
    assert found.base.result is middle
    assert [one.result.name for one in found.runs] == ["high", "as-good", "low"]
    against = [one.against_base for one in found.runs]
    assert [one.verdict for one in against if one] == ["better", "no evidence", "worse"]
    assert all(one.adjusted_p >= one.p_value for one in against if one)
    assert all(one.low <= one.difference <= one.high for one in against if one)
    assert all(one.ranks is None and one.better_than == () for one in found.runs)
    assert found.winner.results == (high,)
    assert (found.pairs, found.winner.possible) == ((), ())


def test_a_difference_to_the_base_is_that_of_a_comparison_of_two(tmp_path: Path) -> None:
    low, middle, _, high = four(tmp_path)
    for one in rank([high, low], middle).runs:
        two = compare(middle, one.result)
        assert two.average is not None
        assert one.against_base is not None
        assert one.against_base.difference == pytest.approx(two.average.difference.difference)
        assert one.average == pytest.approx(two.average.b)


def test_the_signs_are_shared_and_counted(tmp_path: Path) -> None:
    runs = example(tmp_path)
    found = rank([runs["one"], runs["two"], runs["three"]], runs["base"])
    assert found.exact
    p_values = {
        one.result.name: (one.against_base.p_value, one.against_base.adjusted_p)
        for one in found.runs
        if one.against_base
    }
    assert p_values["one"][0] == 0.03125
    assert p_values["one"][1] > p_values["one"][0]
    assert "all outcomes counted" in many_text(found)


def test_the_highest_is_told_by_the_number_of_its_row(tmp_path: Path) -> None:
    runs = four(tmp_path)
    ranked = rank(runs)
    assert ranked.winner.naive == ranked.runs[0].average
    against = rank(runs[1:], runs[0])
    assert against.runs[0].against_base is not None
    assert against.winner.naive == against.runs[0].against_base.difference


def test_a_base_among_the_runs_is_refused(tmp_path: Path) -> None:
    low, middle, _, high = four(tmp_path)
    with pytest.raises(UserError, match="middle was named more than once, perhaps also as the"):
        rank([middle, low, high], middle)


# --- without a base -------------------------------------------------------------------------


def test_ranks_are_intervals_that_overlap_where_nothing_is_found(tmp_path: Path) -> None:
    low, middle, as_good, high = four(tmp_path)
    found = rank([low, middle, as_good, high])
    by_name = {one.result.name: one.ranks for one in found.runs}
    assert by_name == {"high": (1, 1), "middle": (2, 3), "as-good": (2, 3), "low": (4, 4)}
    assert found.winner.certain
    assert found.winner.possible == (high,)
    assert "high is the best: it is better than each of the 3 other runs" in many_text(found)
    assert len(found.pairs) == 6
    assert found.pairs[-1].adjusted_p == max(pair.adjusted_p for pair in found.pairs)
    assert ranks([low, middle, as_good, high]) == [4, 2, 2, 1]


def test_what_may_be_the_best_is_listed_where_it_cannot_be_said(tmp_path: Path) -> None:
    equal = [made(tmp_path, f"v{seed}", 0.5, seed) for seed in range(4)]
    found = rank(equal)
    assert not found.winner.certain
    assert {one.ranks for one in found.runs} == {(1, 4)}
    assert found.winner.corrected is not None
    assert found.winner.corrected < found.winner.naive
    text = many_text(found)
    assert "which run is the best cannot be said" in text
    assert "better than any of these 4" in text


def test_two_runs_are_told_apart_as_a_comparison_of_two_does(tmp_path: Path) -> None:
    low, middle, as_good, _ = four(tmp_path)
    (pair,) = rank([low, middle]).pairs
    (one,) = rank([middle], low).runs
    assert one.against_base is not None
    assert (pair.a, pair.b) == (low.id, middle.id)
    assert pair.adjusted_p == pair.p_value == one.against_base.adjusted_p
    (close,) = rank([middle, as_good]).pairs
    assert close.adjusted_p > 0.05


def test_the_order_in_which_runs_are_named_changes_nothing(tmp_path: Path) -> None:
    runs = four(tmp_path)
    draw = random.Random(4)
    first, with_base = rank(runs), rank(runs[1:], runs[0])
    for _ in range(4):
        draw.shuffle(runs)
        assert rank(runs) == first
        assert rank([one for one in runs if one.name != "low"], first.runs[-1].result) == with_base
    assert many_fields(rank(runs[::-1])) == many_fields(rank(runs))


def test_the_order_of_problems_and_benchmarks_changes_nothing(tmp_path: Path) -> None:
    runs = four(tmp_path)
    draw = random.Random(5)
    shuffled = []
    for one in runs:
        rows = [row for part in (one.verdicts or {}).values() for row in part]
        draw.shuffle(rows)
        shuffled.append(store_run(tmp_path / "shuffled", one.name, rows))
    there, here = rank(shuffled), rank(runs)
    assert [one.ranks for one in there.runs] == [one.ranks for one in here.runs]
    assert [pair[2:] for pair in there.pairs] == [pair[2:] for pair in here.pairs]
    assert there.winner.corrected == here.winner.corrected


# --- what cannot be done --------------------------------------------------------------------


def test_unequal_numbers_of_samples_are_tested_pair_by_pair(tmp_path: Path) -> None:
    low, middle, _, high = four(tmp_path)
    single = made(tmp_path, "single", 0.5, 9, n=1)
    for found in (rank([low, high, single]), rank([low, high, single], middle)):
        assert found.test == "each pair tested alone; Holm"
        assert any("unequal numbers of samples" in note for note in found.notes)
        assert not found.exact
    assert rank([low, high, single]).runs[0].ranks == (1, 1)
    assert ranks([low, high, single]) == [3, 1, 2]
    aligned = align([low, single])
    assert aligned is not None
    assert not aligned.equal_samples


def test_runs_not_measured_alike_are_refused_and_compared_if_wanted(tmp_path: Path) -> None:
    low, middle, as_good, _ = four(tmp_path)
    other = store_run(
        tmp_path, "hash", verdict_rows({"gsm8k": [[True]] * 60}),
        prompt=PromptSpec(style="gsm8k-hash"),
    )  # fmt: skip
    with pytest.raises(UserError, match=r"low and hash: .*prompt\.style.*allow_mismatch"):
        rank([low, middle, as_good, other])
    found = rank([low, middle, as_good, other], anyway=True)
    assert found.benchmarks == ("gsm8k",)
    assert len(found.mismatches) == 3
    assert "NOT MEASURED ALIKE" in many_text(found)


def test_problems_that_one_run_lacks_are_left_out_for_all(tmp_path: Path) -> None:
    marks = {"gsm8k": [[number % 2 == 0] for number in range(20)]}
    whole = [store_run(tmp_path, name, verdict_rows(marks)) for name in "ab"]
    part = store_run(tmp_path, "c", verdict_rows({"gsm8k": marks["gsm8k"][:15]}))
    found = rank([*whole, part], anyway=True)
    assert found.problems == 15
    assert found.notes == ("gsm8k: the 15 problems in all runs; 5 left out",)
    assert {one.average for one in found.runs} == {8 / 15}
    none = store_run(tmp_path, "d", verdict_rows(marks, shift=50))
    with pytest.raises(UserError, match="share no problem of gsm8k"):
        rank([*whole, none], anyway=True)


def test_published_counts_are_refused_plainly(shipped: Path, tmp_path: Path) -> None:
    published = Catalogue(shipped).find("openseek-v1")
    run = made(tmp_path, "v1", 0.5, 1)
    with pytest.raises(UserError, match="of openseek-v1 only counts are known"):
        rank([run, published])
    # `table` ranks them by their counts all the same.
    assert ranks([published, Catalogue(shipped).find("openseek-v4")]) == [1, 1]


def test_too_few_runs_or_one_run_twice_are_refused(tmp_path: Path) -> None:
    low, middle, *_ = four(tmp_path)
    with pytest.raises(UserError, match=r"needs two runs or more; given: low"):
        rank([low])
    with pytest.raises(UserError, match="one run or more beside the base"):
        rank([], low)
    with pytest.raises(UserError, match="low was named more than once"):
        rank([low], low)
    with pytest.raises(UserError, match="low was named more than once"):
        rank([low, middle, low])


def test_names_are_shown_harmlessly(tmp_path: Path) -> None:
    hostile = "\x1b[2J\u202eevil\nrow"
    runs = [made(tmp_path / str(seed), "x", 0.5, seed) for seed in range(2)]
    named = [
        Result(name=hostile, id=one.id, scores=one.scores, path=one.path, run=one.run)
        for one in runs
    ]
    for found in (rank(named), rank(named[:1], named[1])):
        text = many_text(found)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "evil\nrow" not in text
        json.dumps(many_fields(found))


def test_what_failures_decide_is_withheld_from_ranks_and_from_a_base(tmp_path: Path) -> None:
    """Six failures of 1,319 made a run worse than its equal."""
    right = [[number % 2 == 0] for number in range(1319)]
    rows = verdict_rows({"gsm8k": right})
    failed = [
        row.model_copy(update={"outcomes": ("engine error",)}) if number in range(0, 16, 2) else row
        for number, row in enumerate(verdict_rows({"gsm8k": right}))
    ]
    whole, unlucky = (store_run(tmp_path, n, r) for n, r in (("whole", rows), ("unlucky", failed)))
    third = store_run(tmp_path, "third", verdict_rows({"gsm8k": [[False]] * 1319}))
    found = rank([unlucky, third], whole)
    words = {one.result.name: one.against_base.verdict for one in found.runs if one.against_base}
    assert words == {"unlucky": "withheld", "third": "worse"}
    assert any("VERDICT WITHHELD: unlucky against whole" in note for note in found.notes)
    ranked = {one.result.name: one.ranks for one in rank([whole, unlucky, third]).runs}
    assert ranked == {"whole": (1, 2), "unlucky": (1, 2), "third": (3, 3)}
    assert ranks([whole, unlucky, third]) == [1, 1, 3]
