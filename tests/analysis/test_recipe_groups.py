"""Groups of runs as trainings of recipes: what is compared, what is refused, what is said."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stored import Marks, store_run, verdict_rows

import harness
from benchmarks import UserError
from harness.analysis.compare import compare
from harness.analysis.recipes import RecipeComparison, compare_recipes, recipe_changes
from harness.analysis.recipes import recipe_name as named
from harness.reporting.text.recipes import recipes_fields, recipes_text, sentence
from harness.runs.catalogue import Catalogue
from harness.runs.results import Result
from harness.runs.spec import Sampling
from harness.stats.paired import holm

SIZES = {"gsm8k": 60, "aime24": 30}


def marks(seed: int, share: float, n: int = 4, sizes: Mapping[str, int] = SIZES) -> Marks:
    draw = random.Random(seed)
    return {
        name: [[draw.random() < share for _ in range(n)] for _ in range(size)]
        for name, size in sizes.items()
    }


def lineage(seed: int | None, **settings: Any) -> bytes:
    """A training's lineage: its settings, and the seed in every place where a trainer has one."""
    recipe = {"lr": 1e-4, "rollout.n": 1, **settings}
    if seed is not None:
        recipe |= {"data.seed": seed, "actor.fsdp_config.seed": seed, "out": f"runs/seed{seed}/x"}
    base = {"name": f"start-of-{seed}", "files": {"model.safetensors": "ab" * 32}}
    return json.dumps(
        {"schema_version": 1, "trainer": "t", "base_model": base, "recipe": recipe, "steps": 50}
    ).encode()


def group(
    results: Path, version: str, share: float, count: int = 3, **settings: Any
) -> list[Result]:
    """Store trainings of one recipe, with seeds 1, 2, …"""
    return [
        store_run(
            results,
            f"{version}-seed{seed}",
            verdict_rows(marks(hash((version == "v4", seed)) % 1000, share)),
            lineage=lineage(seed, **settings),
        )
        for seed in range(1, count + 1)
    ]


def compared(folder: Path, a: float = 0.3, b: float = 0.6) -> RecipeComparison:
    return compare_recipes(group(folder, "v1", a), group(folder, "v4", b, **{"rollout.n": 5}))


# --- what is compared -----------------------------------------------------------------------


def test_a_better_recipe_is_better_and_its_mirror_worse(tmp_path: Path) -> None:
    a, b = group(tmp_path, "v1", 0.3), group(tmp_path, "v4", 0.6)

    found, back = compare_recipes(a, b), compare_recipes(b, a)

    assert [row.verdict for row in found.rows] == ["better", "better"]
    assert [row.verdict for row in back.rows] == ["worse", "worse"]
    assert found.average is not None
    assert back.average is not None
    assert found.average.verdict == "better"
    assert back.average.found.difference == found.average.found.difference.mirrored()
    assert (found.a.name, found.b.name) == ("v1", "v4")


def test_benchmarks_and_average_are_one_family(tmp_path: Path) -> None:
    found = compared(tmp_path, 0.4, 0.46)
    assert found.average is not None
    tested = [*found.rows, found.average]
    adjusted = holm([row.found.difference.p_value for row in tested])
    assert [row.adjusted_p for row in tested] == adjusted
    assert len(adjusted) == 3


def test_one_benchmark_has_no_average(tmp_path: Path) -> None:
    only = {"gsm8k": 40}
    a, b = (
        [
            store_run(tmp_path, f"{v}{n}", verdict_rows(marks(n, share, sizes=only)))
            for n in range(start, start + 2)
        ]
        for v, share, start in (("a", 0.3, 0), ("b", 0.5, 2))
    )
    found = compare_recipes(a, b)
    assert found.average is None
    assert found.whole is found.rows[0]
    assert found.rows[0].adjusted_p == found.rows[0].found.difference.p_value


def test_equal_seeds_are_no_pairs(tmp_path: Path) -> None:
    a, b = group(tmp_path, "v1", 0.3), group(tmp_path, "v4", 0.6)
    found, turned = compare_recipes(a, b), compare_recipes(a, b[::-1])
    assert [row.found.difference for row in turned.rows] == [
        row.found.difference for row in found.rows
    ]


def test_what_sets_recipes_apart_is_said_once_and_without_seeds(tmp_path: Path) -> None:
    found = compared(tmp_path)
    assert [str(change) for change in found.changes] == ["trained.recipe.rollout.n: 1 -> 5"]


def test_a_problem_that_one_training_lacks_is_left_out_and_counted(tmp_path: Path) -> None:
    a, b = group(tmp_path, "v1", 0.3), group(tmp_path, "v4", 0.6, count=2)
    short = {**marks(9, 0.6), "gsm8k": marks(9, 0.6)["gsm8k"][:58]}
    b.append(store_run(tmp_path, "v4-seed3", verdict_rows(short), lineage=lineage(3)))

    with pytest.raises(UserError, match="not measured alike"):
        compare_recipes(a, b)
    found = compare_recipes(a, b, anyway=True)

    assert found.rows[0].problems == 58
    assert "gsm8k: the 58 problems in all trainings; 2 left out" in found.notes
    assert [change.field for change in found.mismatches] == ["benchmarks.gsm8k.problems"]


# --- what is refused ------------------------------------------------------------------------


def test_runs_that_were_not_measured_alike_are_refused(tmp_path: Path) -> None:
    a = group(tmp_path, "v1", 0.3)
    warm = [
        store_run(tmp_path, f"w{n}", verdict_rows(marks(n, 0.5)), sampling=Sampling(temperature=1))
        for n in range(2)
    ]
    with pytest.raises(UserError, match=r"sampling\.temperature: 0\.0 -> 1\.0"):
        compare_recipes(a, warm)
    assert "NOT MEASURED ALIKE" in recipes_text(compare_recipes(a, warm, anyway=True))


def test_one_training_is_refused(tmp_path: Path) -> None:
    a = group(tmp_path, "v1", 0.3)
    for one, other in ((a, a[:1]), (a[:1], a), (a, [])):
        with pytest.raises(UserError, match="two trainings or more"):
            compare_recipes(one, other)


def test_a_training_counts_once(tmp_path: Path) -> None:
    """The same run, a run graded again, and the same weights under another name."""
    a, b = group(tmp_path, "v1", 0.3), group(tmp_path, "v4", 0.6)
    run = a[0].run
    assert run is not None
    twin = store_run(tmp_path, "copy", verdict_rows(marks(77, 0.3)), identity=run.identity)
    for again, why in ((a[0], "in one group twice|in both groups"), (twin, "same weights")):
        for groups in (([*a, again], b), (a, [*b, again])):
            with pytest.raises(UserError, match=why):
                compare_recipes(*groups)


def test_a_group_of_different_recipes_is_refused(tmp_path: Path) -> None:
    a, b = group(tmp_path, "v1", 0.3), group(tmp_path, "v4", 0.6, **{"rollout.n": 5})
    with pytest.raises(UserError, match=r"v1-seed2 and v4-seed1 .*: recipe\.rollout\.n: 1 -> 5"):
        compare_recipes([*a[1:], b[0]], b[1:])


def test_a_refusal_lists_five_settings_and_counts_the_rest(tmp_path: Path) -> None:
    a = group(tmp_path, "v1", 0.3)
    far = group(tmp_path, "v4", 0.6, **{f"setting{n}": n for n in range(60)})
    with pytest.raises(UserError, match=r"; and \d\d more settings\. Within") as raised:
        compare_recipes([a[0], far[0]], [a[1], far[1]])
    assert len(str(raised.value)) < 800
    with pytest.raises(UserError, match=r"v1-seed1 is in both groups") as raised:
        compare_recipes(a, [a[0], far[0]])
    assert "(2)" not in str(raised.value)


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({}, False),
        ({"rollout.seed": 7}, False),
        ({"lr": 2e-4}, True),
        ({"seedling": 3}, True),
        ({"out": "runs/seed9/y"}, True),
    ],
)
def test_only_the_seed_and_what_follows_from_it_may_differ(
    tmp_path: Path, changed: dict[str, Any], *, differs: bool
) -> None:
    one = store_run(tmp_path, "a", verdict_rows(marks(1, 0.5)), lineage=lineage(1))
    settings = {"data.seed": 2, "actor.fsdp_config.seed": 2, "out": "runs/seed2/x", **changed}
    other = store_run(tmp_path, "c", verdict_rows(marks(2, 0.5)), lineage=lineage(None, **settings))
    assert bool(recipe_changes(one, other)) is differs


def test_published_counts_and_unfinished_runs_are_refused(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped)
    counts = [catalogue.find(name) for name in ("openseek-v1", "openseek-v4")]
    a = group(tmp_path, "v1", 0.3)
    with pytest.raises(UserError, match="only counts are known"):
        compare_recipes(a, counts)
    half = store_run(tmp_path, "half", verdict_rows(marks(5, 0.3)), status="running")
    with pytest.raises(UserError, match="not complete"):
        compare_recipes(a, [half, half])


# --- what is said ---------------------------------------------------------------------------


def test_missing_lineages_and_equal_seeds_are_told(tmp_path: Path) -> None:
    a = group(tmp_path, "v1", 0.3)
    b = [store_run(tmp_path, f"b{n}", verdict_rows(marks(40 + n, 0.5))) for n in range(2)]
    again = store_run(tmp_path, "v1-again", verdict_rows(marks(50, 0.3)), lineage=lineage(1))

    found = compare_recipes([*a, again], b)

    assert any(note.startswith("how b0, b1 were trained is not recorded") for note in found.notes)
    assert any("v1-seed1 and v1-again were trained with the same seed" in n for n in found.notes)


def test_the_text_says_what_to_repeat_first(tmp_path: Path) -> None:
    found = compared(tmp_path)
    text = recipes_text(found)
    assert text.startswith("The recipe v4 is better than v1 on average: over 3 trainings of v1")
    assert sentence(found) in text
    assert "3 against 3 trainings cannot give less than 0.10" in text
    assert text.count("rollout.n: 1 -> 5") == 1
    assert "helps most" in text


def test_benchmarks_with_few_problems_are_named(tmp_path: Path) -> None:
    few, many = {"amc23": 40, "math500": 200}, {"gsm8k": 200, "math500": 200}
    for sizes in (few, many):
        runs = [
            store_run(
                tmp_path,
                f"{place}-{len(sizes)}-{min(sizes)}",
                verdict_rows(marks(place, 0.5, sizes=sizes)),
            )
            for place in range(4)
        ]
        text = recipes_text(compare_recipes(runs[:2], runs[2:]))
        named = "with fewer than 200 problems (amc23) the interval is too narrow" in text
        assert named == (sizes is few)


def test_no_evidence_is_said_as_such(tmp_path: Path) -> None:
    found = compared(tmp_path, 0.5, 0.5)
    assert found.average is not None
    assert found.average.verdict == "no evidence"
    assert sentence(found).startswith("No evidence that the recipes v1 and v4 differ on average")


def test_json_has_every_number(tmp_path: Path) -> None:
    found = compared(tmp_path)
    fields = json.loads(json.dumps(recipes_fields(found)))
    assert fields["average"]["found"]["variances"]["seed"] == pytest.approx(
        found.whole.found.variances.seed
    )
    assert [one["name"] for one in fields["a"]["trainings"]] == list(found.a.labels)
    assert fields["correction"] == "Holm, over the benchmarks and their average"
    assert fields["sentence"] == sentence(found)


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    bad = "x\x1b[2J\u202e"
    a = [replace(result, name=bad + result.name) for result in group(tmp_path, "v1", 0.3)]
    b = group(tmp_path, "v4", 0.6)
    text = recipes_text(compare_recipes(a, b))
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["demo-v1-seed1", "demo-v1-seed2"], "demo-v1"),
        (["v1_s1", "v1_s2"], "v1"),
        (["v1.1", "v1.2"], "v1"),
        (["alice", "bob"], "alice, bob"),
        (["v4", "v4"], "v4"),
        (["v4", "v4-again"], "v4, v4-again"),
    ],
)
def test_a_recipe_is_called_what_its_trainings_share(names: list[str], name: str) -> None:
    assert named(names) == name


# --- the public function and the command ----------------------------------------------------


def test_names_with_commas_are_groups_unless_a_run_has_that_name(tmp_path: Path) -> None:
    group(tmp_path, "v1", 0.3, count=2)
    group(tmp_path, "v4", 0.6, count=2)

    found = harness.compare_recipes("v1-seed1,v1-seed2", ["v4-seed1", "v4-seed2"], results=tmp_path)
    assert found.a.labels == ("v1-seed1", "v1-seed2")
    assert list(found.to_pandas()["benchmark"]) == ["gsm8k", "aime24", "average"]
    assert "<table>" in found._repr_html_()
    assert "average better" in repr(found)

    store_run(tmp_path, "v1-seed1,v1-seed2", verdict_rows(marks(60, 0.3)))
    assert Catalogue(tmp_path).group("v1-seed1,v1-seed2") == ["v1-seed1,v1-seed2"]
    assert Catalogue(tmp_path).group("v4-seed1,v4-seed2") == ["v4-seed1", "v4-seed2"]
    with pytest.raises(UserError, match="two trainings or more"):
        harness.compare_recipes("v1-seed1,v1-seed2", "v4-seed1,v4-seed2", results=tmp_path)


def test_two_single_trainings_are_told_to_be_checkpoints_and_not_recipes(tmp_path: Path) -> None:
    a, b = group(tmp_path, "v1", 0.3, count=1)[0], group(tmp_path, "v4", 0.6, count=1)[0]
    unknown = store_run(tmp_path, "u", verdict_rows(marks(3, 0.5)))
    run = a.run
    assert run is not None
    again = store_run(
        tmp_path, "a2", verdict_rows(marks(4, 0.3)), identity=run.identity, lineage=lineage(1)
    )

    assert compare(a, b).of_single_trainings
    assert not compare(a, unknown).of_single_trainings, "how one was trained is not known"
    assert not compare(a, again).of_single_trainings, "they are one checkpoint"
