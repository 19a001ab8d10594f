"""Is B better than A? Verdicts, refusals, and what no comparison may depend on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replayed import replay_spec, write_responses
from stored import Marks, store_run, verdict_rows

from benchmarks import UserError
from harness.analysis.compare import Comparison, compare, most_frequent_answer
from harness.analysis.ranking import grouped, ranks
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import prepare
from harness.grading import Grader, version
from harness.grading.version import GRADER
from harness.models.lineage import Lineage
from harness.reporting.text.comparison import comparison_fields, comparison_text
from harness.reporting.text.runs import runs_table
from harness.runs.catalogue import Catalogue
from harness.runs.file_names import RECORD
from harness.runs.folder import RunFolder
from harness.runs.record import SavedSource, read_run
from harness.runs.results import of_run
from harness.runs.spec import PromptSpec, Sampling
from harness.stats.paired import holm


def made(seed: int, accuracy: float, *, n: int = 1, problems: int = 60) -> Marks:
    """Marks of two benchmarks at about this accuracy."""
    draw = random.Random(seed)
    return {
        name: [[draw.random() < accuracy for _ in range(n)] for _ in range(problems)]
        for name in ("gsm8k", "aime24")
    }


def compared(folder: Path, a: Marks, b: Marks, **options: bool) -> Comparison:
    ours = store_run(folder, "a", verdict_rows(a))
    theirs = store_run(folder, "b", verdict_rows(b))
    return compare(ours, theirs, **options)


# --- the published table --------------------------------------------------------------------


def test_the_published_table_shows_two_gains_and_no_more(shipped: Path) -> None:
    """Its reader would think that amc23 got worse and the average better."""
    found = compare(Catalogue(shipped).find("openseek-v1"), Catalogue(shipped).find("openseek-v4"))
    assert {row.benchmark: row.verdict for row in found.rows} == {
        "minerva_math": "no evidence",
        "gsm8k": "better",
        "amc23": "no evidence",
        "olympiadbench": "no evidence",
        "math500": "better",
        "aime24": "no evidence",
    }
    p_values = {row.benchmark: row.difference.p_value for row in found.rows}
    assert p_values["gsm8k"] == pytest.approx(0.0001, abs=0.00005)
    assert p_values["math500"] == pytest.approx(0.0014, abs=0.00005)
    assert found.average is not None
    assert found.average.verdict == "no evidence"
    assert found.average.difference.difference == pytest.approx(0.0202, abs=0.0001)
    assert found.average.difference.standard_error == pytest.approx(0.016, abs=0.001)
    text = comparison_text(found)
    assert "11.892" in text
    assert "13.911" in text
    assert "cannot be paired" in text


# --- verdicts of runs -----------------------------------------------------------------------


def test_a_clear_gain_is_better_and_its_mirror_worse(tmp_path: Path) -> None:
    a, b = made(1, 0.3), made(2, 0.9)
    found = compared(tmp_path, a, b)
    assert found.paired
    assert [row.verdict for row in found.rows] == ["better", "better"]
    assert found.average is not None
    assert found.average.verdict == "better"
    assert {row.difference.test for row in found.rows} == {"McNemar mid-p"}
    back = compare(found.b, found.a)
    assert [row.verdict for row in back.rows] == ["worse", "worse"]


def test_fixed_and_broken_are_the_problems_that_changed_sides(tmp_path: Path) -> None:
    a = {"gsm8k": [[True], [False], [True], [False]]}
    b = {"gsm8k": [[True], [True], [False], [False]]}
    (row,) = compared(tmp_path, a, b).rows
    assert [(flip.problem_id, flip.answer_a, flip.answer_b) for flip in row.fixed] == [
        ("gsm8k/1", "-2", "1")
    ]
    assert [flip.problem_id for flip in row.broken] == ["gsm8k/2"]
    assert row.verdict == "no evidence"
    assert row.detectable > 0.5


def test_several_samples_are_tested_by_problem_and_not_by_sample(tmp_path: Path) -> None:
    """Sixteen equal samples of ten problems are no more evidence than ten."""
    a = {"gsm8k": [[number < 2] * 16 for number in range(10)]}
    b = {"gsm8k": [[number < 6] * 16 for number in range(10)]}
    (many,) = compared(tmp_path, a, b).rows
    singles = [{"gsm8k": [marks[:1] for marks in side["gsm8k"]]} for side in (a, b)]
    (few,) = compared(tmp_path / "single", *singles).rows
    assert many.difference.test.startswith("sign flips, mid-p")
    assert many.difference.p_value == pytest.approx(few.difference.p_value, rel=0.01)
    assert many.verdict == "no evidence"


def test_holm_corrects_over_the_benchmarks_and_their_average(tmp_path: Path) -> None:
    """Two families of 5 % each would err in more than 5 % of comparisons."""
    found = compared(tmp_path, made(3, 0.5), made(4, 0.7))
    assert found.average is not None
    parts = (*found.rows, found.average)
    raw = [part.difference.p_value for part in parts]
    assert [part.adjusted_p for part in parts] == pytest.approx(holm(raw))
    assert min(part.adjusted_p for part in parts) == pytest.approx(3 * min(raw))
    assert [part.verdict for part in parts] == [
        "better" if part.adjusted_p < 0.05 else "no evidence" for part in parts
    ]
    fields = comparison_fields(found)
    assert fields["average"]["adjusted_p"] == found.average.adjusted_p
    assert fields["correction"] == "Holm, over 2 benchmarks and their average"
    assert "Holm's correction over 2 benchmarks and their average" in comparison_text(found)


def test_one_benchmark_is_not_corrected(tmp_path: Path) -> None:
    a, b = ({"gsm8k": side["gsm8k"]} for side in (made(3, 0.5), made(4, 0.7)))
    found = compared(tmp_path, a, b)
    assert found.average is None
    assert found.rows[0].adjusted_p == found.rows[0].difference.p_value
    assert "Holm's correction over 1 benchmark;" in comparison_text(found)


def hard(*, problems: int, right: int, n: int) -> Marks:
    """Marks of hard problems: each has so many correct of n samples."""
    return {"gsm8k": [[number < right for number in range(n)] for _ in range(problems)]}


def test_one_sample_against_sixteen_is_no_gain(tmp_path: Path) -> None:
    """Of hard problems one sample is wrong nearly always; sixteen are right now and then."""
    found = compared(tmp_path, hard(problems=30, right=0, n=1), hard(problems=30, right=1, n=16))
    (row,) = found.rows
    assert row.verdict == "no evidence"
    assert row.difference.p_value > 0.1
    assert "permuted labels" in row.difference.test
    (mirror,) = compare(found.b, found.a).rows
    assert mirror.difference.mirrored() == row.difference


def test_a_verdict_and_an_interval_that_seem_to_disagree_are_explained(tmp_path: Path) -> None:
    """Both ways: better with 0 in the interval, and no evidence with 0 outside."""
    certain = compared(
        tmp_path / "inside", hard(problems=30, right=8, n=16), hard(problems=30, right=9, n=16)
    )
    (row,) = certain.rows
    assert row.verdict == "better"
    assert row.difference.low < 0
    assert "an interval can hold 0" in comparison_text(certain)
    assert "an interval can exclude 0" not in comparison_text(certain)

    same = [[False]] * 60
    before = dict.fromkeys(("gsm8k", "aime24", "amc23"), same)
    weak = compared(tmp_path / "outside", before, {**before, "gsm8k": [[True]] * 6 + same[6:]})
    (row, *_) = weak.rows
    assert (row.benchmark, row.verdict) == ("gsm8k", "no evidence")
    assert row.difference.low > 0
    assert "an interval can exclude 0" in comparison_text(weak)
    assert "an interval can hold 0" not in comparison_text(weak)


def test_clear_differences_have_ranks_of_their_own(tmp_path: Path) -> None:
    """From each to the next one problem of aime24 is solved, and 22 of gsm8k gain 1 to 11 of 16
    samples: all 23 changes are for the better, and p is 2^-23. By a normal distribution it was
    0.24, as one of the changes is most of the sum, and all four results shared a rank."""
    results = []
    for number in range(4):
        gsm8k = [[False] * 16 for _ in range(1319)]
        for row in range(22 * number):
            gsm8k[row] = [sample < 1 + row % 11 for sample in range(16)]
        marks = {"gsm8k": gsm8k, "aime24": [[row < number] * 16 for row in range(30)]}
        results.append(store_run(tmp_path, f"v{number}", verdict_rows(marks)))
    found = compare(results[0], results[1])
    assert found.average is not None
    assert found.average.difference.p_value == pytest.approx(2**-23)
    assert ranks(results) == [4, 3, 2, 1]


marks_of_two_runs = st.integers(1, 3).flatmap(
    lambda n: st.lists(
        st.tuples(
            st.lists(st.booleans(), min_size=n, max_size=n),
            st.lists(st.booleans(), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=12,
    )
)


@settings(max_examples=40)
@given(one=marks_of_two_runs, other=marks_of_two_runs, order=st.randoms(use_true_random=False))
def test_the_reverse_is_the_mirror_and_order_changes_nothing(
    one: list[tuple[list[bool], list[bool]]],
    other: list[tuple[list[bool], list[bool]]],
    order: random.Random,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    sides = [
        verdict_rows({"gsm8k": [p[side] for p in one], "aime24": [p[side] for p in other]})
        for side in (0, 1)
    ]
    a, b = (store_run(folder, name, rows) for name, rows in zip("ab", sides, strict=True))
    there, back = compare(a, b), compare(b, a)
    for row, mirror in zip(there.rows, back.rows, strict=True):
        assert row.difference.mirrored() == mirror.difference
        assert row.adjusted_p == mirror.adjusted_p
        assert (row.fixed == ()) == (mirror.broken == ())
    assert there.average is not None
    assert back.average is not None
    assert there.average.difference.mirrored() == back.average.difference

    shuffled = [order.sample(rows, len(rows)) for rows in sides]
    c, d = (store_run(folder, name, rows) for name, rows in zip("cd", shuffled, strict=True))
    again = compare(c, d)
    assert {r.benchmark: r.difference for r in again.rows} == {
        r.benchmark: r.difference for r in there.rows
    }
    assert again.average is not None
    assert again.average.difference == there.average.difference


def test_the_most_frequent_answer_is_voted_by_class() -> None:
    (row,) = verdict_rows({"gsm8k": [[False, True, True]]})
    assert most_frequent_answer(row) == "0"


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"prompt": PromptSpec(style="gsm8k-hash")}, "prompt.style: boxed -> gsm8k-hash"),
        ({"prompt": PromptSpec(shots=4)}, "prompt.shots: 0 -> 4"),
        ({"sampling": Sampling(temperature=0.6)}, "sampling.temperature: 0.0 -> 0.6"),
        ({"sampling": Sampling(max_tokens=512)}, "sampling.max_tokens: 2048 -> 512"),
        ({"grader": "3+ffffffff"}, "grader: 2+00000000 -> 3+ffffffff"),
        ({"grader": "reward:gsm8k-strict+12345678"}, "grader: 2+00000000 -> reward:gsm8k"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_runs_measured_otherwise_are_refused_by_field(
    changed: dict[str, object], field: str, tmp_path: Path
) -> None:
    rows = verdict_rows(made(1, 0.5))
    a = store_run(tmp_path, "a", rows)
    b = store_run(tmp_path, "b", rows, **changed)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="allow_mismatch") as refused:
        compare(a, b)
    assert field in str(refused.value)
    found = compare(a, b, anyway=True)
    assert any(field in str(change) for change in found.mismatches)
    assert "NOT MEASURED ALIKE" in comparison_text(found)


@pytest.fixture
def same_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the past versions of the grader count as today's, as if it gave the same verdicts."""
    monkeypatch.setattr(version, "EQUIVALENT", {**version.EQUIVALENT, "5": GRADER})


@pytest.mark.usefixtures("same_verdicts")
def test_a_grader_of_the_same_verdicts_is_no_obstacle(tmp_path: Path) -> None:
    rows = verdict_rows(made(1, 0.5))
    a = store_run(tmp_path, "a", rows, grader="2+3d636124", packages={"grader": "2+3d636124"})
    b = store_run(
        tmp_path, "b", rows, grader=GRADER, packages={"grader": GRADER, "grader sources": "12ab"}
    )
    found = compare(a, b)
    assert not found.mismatches
    assert [str(change) for change in found.changes if "grader" in change.field] == [
        f"grader: 2+3d636124 (counts as {GRADER}) -> {GRADER}",
        "packages.grader sources: (none) -> 12ab",
    ]
    (group,) = grouped([a, b])
    assert group.ranks == (1, 1)
    recorded = [row["grader"] for row in json.loads(runs_table([a, b], "json"))]
    assert recorded == ["2+3d636124", GRADER], "a table says what a run says of itself"


@pytest.mark.usefixtures("same_verdicts")
def test_a_grader_that_is_an_obstacle_is_shown_as_recorded(tmp_path: Path) -> None:
    rows = verdict_rows(made(1, 0.5))
    a, b = (
        store_run(tmp_path, name, rows, grader=version, packages={"grader": version})
        for name, version in (("a", "1+aa655831"), ("b", "2+3d636124"))
    )
    line = f"grader: 1+aa655831 -> 2+3d636124 (counts as {GRADER})"
    text = comparison_text(compare(a, b, anyway=True))
    assert text.count(line) == 1
    assert "packages.grader" not in text
    table = runs_table([a, b], "text")
    assert f"grader 1+aa655831 instead of 2+3d636124 (counts as {GRADER})" in table


def test_other_sources_of_the_same_version_are_no_obstacle(tmp_path: Path) -> None:
    rows = verdict_rows(made(1, 0.5))
    sides = [
        store_run(tmp_path, name, rows, grader=GRADER, packages={"grader sources": name})
        for name in "ab"
    ]
    found = compare(*sides)
    assert not found.mismatches
    assert "packages.grader sources: a -> b" in map(str, found.changes)


def test_a_library_of_another_version_is_an_obstacle(tmp_path: Path) -> None:
    rows = verdict_rows(made(1, 0.5))
    a = store_run(tmp_path, "a", rows, grader=GRADER)
    b = store_run(tmp_path, "b", rows, grader=f"{GRADER} (sympy 1.13.0)")
    with pytest.raises(UserError, match=rf"grader: {GRADER} -> {GRADER} \(sympy 1\.13\.0\)"):
        compare(a, b)


@pytest.mark.usefixtures("same_verdicts")
def test_a_run_of_now_compares_with_one_that_was_stored_long_ago(tmp_path: Path) -> None:
    folder = Path(__file__).parent.parent / "golden" / "runs" / "schema-2"
    stored = of_run(folder, read_run(folder / RECORD))
    assert stored.run is not None
    assert stored.run.identity.grader == "2+3d636124"
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=20, n=4), limit=20, n=4))
    with RunFolder.create(tmp_path, plan.new_run("now")) as now, Grader(workers=1) as grader:
        found = compare(stored, of_run(now.path, evaluate(plan, now, grader=grader)))
    assert found.paired
    assert not found.mismatches


def test_seed_and_number_of_samples_are_no_obstacle(tmp_path: Path) -> None:
    warm = {"temperature": 0.7}
    a = store_run(tmp_path, "a", verdict_rows(made(1, 0.5)), sampling=Sampling(**warm, seed=1))
    many = verdict_rows(made(2, 0.5, n=4))
    b = store_run(tmp_path, "b", many, sampling=Sampling(**warm, n=4))
    found = compare(a, b)
    assert not found.mismatches
    assert {"sampling.seed", "sampling.n"} <= {change.field for change in found.changes}


def test_other_problems_are_refused_and_the_shared_ones_compared(tmp_path: Path) -> None:
    marks = made(1, 0.5)
    a = store_run(tmp_path, "a", verdict_rows(marks))
    fewer = store_run(tmp_path, "fewer", verdict_rows({k: v[:20] for k, v in marks.items()}))
    with pytest.raises(UserError, match=r"benchmarks\.gsm8k\.problems: 60 -> 20"):
        compare(a, fewer)
    found = compare(a, fewer, anyway=True)
    assert [row.a.problems for row in found.rows] == [20, 20]
    assert "gsm8k: the 20 problems in both; 40 left out" in found.notes
    assert all(row.difference.difference == 0 for row in found.rows)
    assert found.mismatches
    assert "NOT MEASURED ALIKE" not in comparison_text(found), "they are the same problems here"

    other = store_run(tmp_path, "other", verdict_rows(marks, shift=1000))
    with pytest.raises(UserError, match="share no problem of gsm8k, aime24"):
        compare(a, other)
    with pytest.raises(UserError, match="share no problem"):
        compare(a, other, anyway=True)


def test_no_shared_benchmark_is_an_error(tmp_path: Path) -> None:
    a = store_run(tmp_path, "a", verdict_rows({"gsm8k": [[True]]}))
    b = store_run(tmp_path, "b", verdict_rows({"aime24": [[True]]}))
    with pytest.raises(UserError, match="share no benchmark"):
        compare(a, b, anyway=True)


def test_placeholders_of_saved_generations_are_not_taken_for_settings(tmp_path: Path) -> None:
    rows = verdict_rows(made(1, 0.5))
    saved = SavedSource(
        format="qwen", files={}, responses=1, unmatched=0, unreadable=0, problems_of={}
    )
    a = store_run(tmp_path, "a", rows, sampling=Sampling(temperature=0.6, max_tokens=77))
    b = store_run(tmp_path, "b", rows, saved=saved, prompt=PromptSpec(style="unknown"))
    assert compare(a, b).mismatches == ()


def test_verdicts_that_are_not_the_scores_own_are_refused(tmp_path: Path) -> None:
    a = store_run(tmp_path, "a", verdict_rows(made(1, 0.5)))
    assert a.path is not None
    file = a.path / "verdicts.jsonl"
    file.write_text(file.read_text(encoding="utf-8").replace("wrong", "correct"), encoding="utf-8")
    with pytest.raises(UserError, match="not the file that the run's scores were taken from"):
        compare(Catalogue(tmp_path).find("a"), store_run(tmp_path, "b", verdict_rows(made(1, 0.5))))


def test_a_run_against_published_counts_is_unpaired(shipped: Path, tmp_path: Path) -> None:
    published = Catalogue(shipped).find("openseek-v1")
    marks = {
        name: [[number % 5 == 0] for number in range(score.problems)]
        for name, score in published.scores.items()
    }
    found = compare(published, store_run(tmp_path, "ours", verdict_rows(marks)))
    assert not found.paired
    assert "openseek-v1" in found.notes[0]
    assert {row.benchmark: row.verdict for row in found.rows}["olympiadbench"] == "better"


def test_a_score_that_is_not_to_be_trusted_says_so_in_a_comparison(tmp_path: Path) -> None:
    sound = store_run(tmp_path, "a", verdict_rows(made(1, 0.5)))
    assert sound.run is not None
    score = sound.run.scores[0].model_copy(update={"outcomes": {"grader timeout": 60}})
    doubtful = store_run(tmp_path, "b", verdict_rows(made(1, 0.5)), scores=(score,))
    assert "B: NOT TO BE TRUSTED: gsm8k" in comparison_text(compare(sound, doubtful, anyway=True))
    another = store_run(tmp_path, "c", verdict_rows(made(1, 0.5)))
    assert "TRUST" not in comparison_text(compare(sound, another))


def test_one_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    run = store_run(tmp_path, "a", verdict_rows(made(1, 0.5)))
    with pytest.raises(UserError, match="named twice: one run tells nothing"):
        compare(run, Catalogue(tmp_path).find("a"), margin=0.1)


# --- what changed ---------------------------------------------------------------------------


def test_how_the_checkpoints_were_trained_is_compared(tmp_path: Path) -> None:
    rows = verdict_rows(made(1, 0.5))
    one, other = (
        Lineage(trainer=f"verl-grpo-{v}", recipe={"rollout": {"n": n}}).model_dump_json().encode()
        for v, n in (("v1", 1), ("v4", 5))
    )
    found = compare(
        store_run(tmp_path, "a", rows, lineage=one), store_run(tmp_path, "b", rows, lineage=other)
    )
    changed = set(map(str, found.changes))
    assert "trained.trainer: verl-grpo-v1 -> verl-grpo-v4" in changed
    assert "trained.recipe.rollout.n: 1 -> 5" in changed
    untold = compare(
        store_run(tmp_path, "c", rows, lineage=one), store_run(tmp_path, "d", rows)
    ).changes
    lines = [str(change) for change in untold if change.field.startswith("trained")]
    assert lines == ["trained: by verl-grpo-v1 -> (none)"]
    assert "model.name: a -> b" in changed


def test_problems_too_few_for_any_difference_say_so_for_the_average_too(tmp_path: Path) -> None:
    marks = {name: [[True], [False]] for name in ("gsm8k", "aime24")}
    other = {name: [[False], [True]] for name in ("gsm8k", "aime24")}
    a, b = (store_run(tmp_path, n, verdict_rows(m)) for n, m in (("a", marks), ("b", other)))
    text = comparison_text(compare(a, b))
    assert text.count("too few to show any difference") == 3
    assert "show a true difference" not in text
