"""The sentence on top of a comparison: what it claims, and the caution that it must not lack."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from stored import store_run, verdict_rows

from harness.analysis.compare import Comparison, compare
from harness.analysis.gate import gate
from harness.models.lineage import Lineage
from harness.reporting.text.comparison import comparison_fields, comparison_text
from harness.reporting.text.numbers import points
from harness.reporting.text.sentence import about_checkpoints, gate_text, sentence
from harness.runs.catalogue import Catalogue


def made(
    folder: Path, fixed: int, broken: int, *, n: int = 1, margin: float | None = None
) -> Comparison:
    changed = fixed + broken
    before = [[k >= fixed] * n for k in range(200)]
    after = [[k < fixed or k >= changed] * n for k in range(200)]
    a = store_run(folder, "v1", verdict_rows({"math500": before}))
    b = store_run(folder, "v4", verdict_rows({"math500": after}))
    return compare(a, b, margin=margin)


def test_a_gain_is_told_with_all_that_it_rests_on(tmp_path: Path) -> None:
    found = made(tmp_path, 40, 5, n=4)
    low, high = (
        points(end) for end in (found.rows[0].difference.low, found.rows[0].difference.high)
    )
    assert sentence(found) == (
        "v4 is better than v1 on math500: 97.5 % against 80.0 %, +17.5 points (95 % interval "
        f"{low} to {high}), p < 0.0001; 200 problems, 4 samples each."
    )


def test_no_evidence_says_which_differences_are_not_excluded(tmp_path: Path) -> None:
    found = made(tmp_path, 9, 7)
    text, difference = sentence(found), found.rows[0].difference
    low, high = points(difference.low), points(difference.high)
    assert text.startswith("v4 and v1 cannot be told apart on math500: 96.5 % against 95.5 %")
    assert text.endswith(
        f"true differences from {low} to {high} points are compatible with the data."
    )


@pytest.mark.parametrize(
    ("fixed", "broken", "margin", "begins"),
    [
        (3, 3, 0.05, "v4 is the same as v1 within 5 points on math500: "),
        (12, 6, 0.02, "v4 is not worse than v1 by 2 points or more on math500: "),
        (9, 7, 0.01, "v4 and v1 cannot be told apart on math500, and are not shown to be the same"),
        (0, 30, 0.01, "v4 is worse than v1 on math500: "),
    ],
)
def test_with_a_margin_it_makes_the_claim_that_holds(
    fixed: int, broken: int, margin: float, begins: str, tmp_path: Path
) -> None:
    text = sentence(made(tmp_path, fixed, broken, margin=margin))
    assert text.startswith(begins)
    assert ("90 % interval" in text) == (" within " in begins or " not worse " in begins) or (
        "not shown" in begins
    )


def test_of_several_benchmarks_the_average_comes_first_then_what_stands_out(
    shipped: Path,
) -> None:
    found = compare(Catalogue(shipped).find("openseek-v1"), Catalogue(shipped).find("openseek-v4"))
    text = sentence(found)
    assert text.startswith(
        "openseek-v4 and openseek-v1 cannot be told apart on average over 6 benchmarks: 13.9 %"
    )
    assert text.endswith("Better on gsm8k (+7.1), math500 (+8.2); no evidence on the other 4.")
    assert "from counts, 2,836 problems" in text


def test_it_is_the_first_line_of_the_text_and_in_json(tmp_path: Path) -> None:
    found = made(tmp_path, 9, 7)
    assert comparison_text(found).splitlines()[0] == sentence(found)
    assert comparison_fields(found)["sentence"] == sentence(found)
    json.dumps(comparison_fields(found))


def test_what_was_not_measured_alike_is_part_of_it(tmp_path: Path) -> None:
    rows = verdict_rows({"math500": [[True], [False]]})
    a, b = (
        store_run(tmp_path, name, rows, grader=grader) for name, grader in (("a", "1"), ("b", "2"))
    )
    assert "not measured alike" in sentence(compare(a, b, anyway=True))


def test_a_hostile_name_stays_a_name_in_one_line(tmp_path: Path) -> None:
    rows = verdict_rows({"math500": [[True], [False]]})
    a, b = (store_run(tmp_path, name, rows) for name in ("a\x1b[2J\nb", "b"))
    text = sentence(compare(a, b))
    assert "\x1b" not in text
    assert "\n" not in text


def trained(trainer: str, seed: int) -> bytes:
    lineage = Lineage(trainer=trainer, recipe={"data": {"seed": seed}})
    return lineage.model_dump_json().encode()


def test_two_trained_checkpoints_are_not_their_recipes(tmp_path: Path) -> None:
    rows = verdict_rows({"math500": [[True], [False]]})
    a = store_run(tmp_path, "v1", rows, lineage=trained("verl-grpo-v1", 1))
    b = store_run(tmp_path, "v4", rows, lineage=trained("verl-grpo-v4", 1))
    base = store_run(tmp_path, "base", rows)
    said = about_checkpoints(compare(a, b))
    assert "each of them one training of its recipe" in said
    assert "diff A-SEED1,A-SEED2 B-SEED1,B-SEED2" in said
    assert comparison_text(compare(a, b)).splitlines()[1] == said
    assert about_checkpoints(compare(base, b)) == ""
    seed2 = store_run(tmp_path, "v4-2", rows, lineage=trained("verl-grpo-v4", 2))
    assert about_checkpoints(compare(b, seed2)) == (
        "These are two trainings of one recipe: they differ by their seeds."
    )
    assert a.run is not None
    began = Lineage(trainer="rl", base_model={"files": dict(a.run.identity.model)})
    after = store_run(tmp_path, "rl", rows, lineage=began.model_dump_json().encode())
    for sides in ((a, after), (after, a)):
        assert about_checkpoints(compare(*sides)).startswith("rl was trained from v1, and")
    again = replace(a, id="again")
    assert about_checkpoints(compare(a, again)) == "", "one checkpoint, evaluated twice"


def test_two_trainers_recipes_fold_into_the_nine_settings_that_decide_most(tmp_path: Path) -> None:
    rows = verdict_rows({"math500": [[True], [False]]})
    sft = {"optim": {"lr": 1e-5}, **{f"sft{k}": k for k in range(30)}}
    grpo = {
        "actor": {"optim": {"lr": 1e-6}},
        "rollout": {"n": 5},
        **{f"g{k}": k for k in range(30)},
    }
    a, b = (
        store_run(
            tmp_path, name, rows,
            lineage=Lineage(trainer=name, recipe=recipe).model_dump_json().encode(),
        )
        for name, recipe in (("sft", sft), ("grpo", grpo))
    )  # fmt: skip
    found = compare(a, b)
    text = comparison_text(found)
    shown = [line for line in text.splitlines() if line.startswith("  trained.recipe.")]
    assert len(shown) == 9
    assert [line.split(":")[0].strip() for line in shown[:3]] == [
        "trained.recipe.rollout.n", "trained.recipe.actor.optim.lr", "trained.recipe.optim.lr",
    ]  # fmt: skip
    assert "… and 54 more settings of the recipes (--json)" in text
    assert len(comparison_fields(found)["changes"]) > 60


def test_a_gate_is_a_line_that_says_whether_and_why(tmp_path: Path) -> None:
    found = made(tmp_path, 3, 3, margin=0.05)
    assert gate_text(gate(found, "same")) == (
        "gate same: holds: on math500 B is the same as A within 5 points (p = 0.0026)"
    )
    assert gate_text(gate(found, "better")) == (
        "gate better: DOES NOT HOLD: that B is better than A on math500 is not shown (p = 1.00)"
    )


def test_trainings_of_one_recipe_differ_as_often_as_the_manual_says(shipped: Path) -> None:
    catalogue = Catalogue(shipped)
    seeds = [
        [catalogue.find(f"demo-{recipe}-seed{seed}") for seed in (1, 2, 3)]
        for recipe in ("v1", "v4")
    ]
    pairs = [pair for runs in seeds for pair in combinations(runs, 2)]
    differing = sum(compare(*pair).rows[0].difference.p_value < 0.05 for pair in pairs)
    page = (Path(__file__).parents[2] / "docs" / "compare.md").read_text("utf-8")
    assert "of the six such pairs in the demo experiment, four have p < 0.05" in page
    assert (len(pairs), differing) == (6, 4)
