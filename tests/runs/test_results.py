"""Results are found by what a person would call them, and ranked only where they compare."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from stored import store_run, verdict_rows

from benchmarks import UserError
from harness.analysis.compare import compare
from harness.analysis.ranking import grouped, ranks
from harness.cli import cli
from harness.reporting.text.runs import runs_table, score_table
from harness.runs.catalogue import Catalogue
from harness.runs.record import Run, read_run
from harness.runs.results import Result
from harness.runs.scores import OUTDATED
from harness.runs.spec import PromptSpec, Sampling
from harness.runs.verdicts import read_verdicts
from harness.stats.intervals import clustered


def made(folder: Path, name: str, accuracy: float, seed: int = 0, **options: object) -> Result:
    draw = random.Random(seed)
    marks = {b: [[draw.random() < accuracy] for _ in range(100)] for b in ("gsm8k", "aime24")}
    return store_run(folder, name, verdict_rows(marks), **options)  # type: ignore[arg-type]


def test_a_result_is_found_by_name_tag_id_folder_and_published_name(
    shipped: Path, tmp_path: Path
) -> None:
    older = made(tmp_path, "v1", 0.5, tags=("first",))
    newer = made(tmp_path, "v1", 0.6, seed=1)
    assert Catalogue(tmp_path).find("v1").id == newer.id
    assert Catalogue(tmp_path).find("first").id == older.id
    assert Catalogue(tmp_path).find(older.id[:-1]).id == older.id
    assert Catalogue(tmp_path).find(str(older.path)).id == older.id
    for asked in ("openseek-v1", "published:openseek-v1"):
        assert Catalogue(shipped).find(asked).id == "published:openseek-v1"
    with pytest.raises(UserError, match="did you mean 'v1'"):
        Catalogue(tmp_path).find("v11")


def test_a_tag_of_several_names_chooses_none_of_them(tmp_path: Path) -> None:
    made(tmp_path, "v1", 0.5, tags=("both", "one"))
    newest = made(tmp_path, "v1", 0.6, seed=1, tags=("both", "one"))
    made(tmp_path, "v2", 0.7, tags=("both",))
    assert Catalogue(tmp_path).find("one").id == newest.id
    with pytest.raises(UserError, match="it is the tag of 2 names: v1, v2; give one of them"):
        Catalogue(tmp_path).find("both")


def test_the_name_of_an_unfinished_run_comes_before_a_tag(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        made(tmp_path, name, 0.5, tags=("demo",))
    unfinished = made(tmp_path, "demo", 0.6)
    assert unfinished.path is not None
    file = unfinished.path / "run.json"
    fields = json.loads(file.read_text(encoding="utf-8"))
    fields |= {"status": "incomplete", "scores": [], "average": None}
    file.write_text(json.dumps(fields), encoding="utf-8")

    assert Catalogue(tmp_path).find("demo", complete=False).id == unfinished.id
    with pytest.raises(UserError, match=r"^demo \(.*\) is not complete: finish it"):
        Catalogue(tmp_path).find("demo")


def test_the_beginning_of_several_names_lists_them(tmp_path: Path) -> None:
    for name in ("x-v1-seed1", "x-v1-seed2", "x-v4-seed1"):
        made(tmp_path, name, 0.5)
    catalogue = Catalogue(tmp_path)
    with pytest.raises(UserError, match=r"begin so: x-v1-seed1, x-v1-seed2\. .* commas") as raised:
        catalogue.find("x-v1")
    assert "did you mean" not in str(raised.value)
    with pytest.raises(UserError, match=r"names 2 runs with commas .* are for `diff`"):
        catalogue.find("x-v1-seed1,x-v1-seed2")
    with pytest.raises(UserError, match="no space after a comma"):
        catalogue.group("x-v1-seed1,")


def test_an_accuracy_that_the_verdicts_do_not_give_is_refused(tmp_path: Path) -> None:
    result = made(tmp_path, "v1", 0.5)
    assert result.path is not None
    file = result.path / "run.json"
    fields = json.loads(file.read_text(encoding="utf-8"))
    fields["scores"][0]["accuracy"] += 0.01
    file.write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(UserError, match="the record says an accuracy of"):
        _ = Catalogue(tmp_path).find("v1").verdicts


def test_an_attempt_under_way_does_not_hide_the_complete_run(tmp_path: Path) -> None:
    complete = made(tmp_path, "v1", 0.5)
    begun = made(tmp_path, "v1", 0.6, status="incomplete")
    only_begun = made(tmp_path, "v2", 0.6, status="incomplete")
    assert Catalogue(tmp_path).find("v1").id == complete.id
    for asked in (begun.id, "v2", str(only_begun.path)):
        with pytest.raises(UserError, match="is not complete"):
            Catalogue(tmp_path).find(asked)
    assert [result.id for result in Catalogue(tmp_path).list_results()] == [complete.id]


def test_a_run_that_is_not_complete_is_found_if_it_is_wanted(tmp_path: Path) -> None:
    complete = made(tmp_path, "v1", 0.5)
    begun = made(tmp_path, "v1", 0.6, status="incomplete")
    catalogue = Catalogue(tmp_path)
    assert catalogue.find("v1", complete=False).id == complete.id
    assert catalogue.find(begun.id, complete=False).id == begun.id


@pytest.mark.parametrize(
    "command",
    [
        ["diff", "v1", "v2"],
        ["diff", "v1", "v2", "v3"],
        ["rank", "v1", "v2", "v3", "--base", "v4"],
        ["table", "v1", "v2", "v3"],
        ["report", "v1", "v2", "v3", "--output", "report.html"],
        ["show", "v1"],
    ],
    ids=" ".join,
)
def test_a_command_reads_each_record_once(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [made(tmp_path, f"v{number}", 0.5, seed=number).path for number in range(5)]
    read: list[Path] = []

    def reading(path: Path) -> Run:
        read.append(path.parent)
        return read_run(path)

    monkeypatch.setattr("harness.runs.catalogue.read_run", reading)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, [*command, "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert sorted(read) == sorted(filter(None, stored))


def test_a_record_that_was_edited_is_noticed(tmp_path: Path) -> None:
    result = made(tmp_path, "v1", 0.5)
    assert result.path is not None
    assert result.run is not None
    score = result.run.scores[0].model_copy(update={"correct": 99})
    edited = result.run.model_copy(update={"scores": (score, *result.run.scores[1:])})
    (result.path / "run.json").write_text(edited.to_json(), encoding="utf-8")
    with pytest.raises(UserError, match="99 correct of gsm8k"):
        _ = Catalogue(tmp_path).find("v1").verdicts
    done = CliRunner().invoke(cli, ["table", "v1", "--results", str(tmp_path)])
    assert "99 correct of gsm8k" in str(done.exception), "though nothing is ranked"


def test_a_torn_record_says_how_to_use_the_others(tmp_path: Path) -> None:
    torn = made(tmp_path, "v1", 0.5)
    assert torn.path is not None
    (torn.path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=f"move {torn.path} away"):
        Catalogue(tmp_path).list_results()


def test_what_cannot_be_told_apart_shares_a_rank(tmp_path: Path) -> None:
    good, as_good, bad = (
        made(tmp_path, name, accuracy, seed)
        for name, accuracy, seed in (("a", 0.72, 1), ("b", 0.68, 2), ("c", 0.2, 3))
    )
    assert ranks([good, as_good, bad]) == [1, 1, 3]
    assert ranks([bad, good, as_good]) == [3, 1, 1]
    assert ranks([good, good]) == [1, 1]


def test_a_certain_difference_is_told_though_it_does_not_vary(tmp_path: Path) -> None:
    everything, nothing = made(tmp_path, "all", 1.1), made(tmp_path, "none", -0.1)
    assert ranks([everything, nothing]) == [1, 2]


def test_ranks_are_by_the_tests_of_a_comparison(tmp_path: Path) -> None:
    """Four problems fixed and none broken is chance to an exact test, if not to a normal one."""
    marks = [{"aime24": [[number < right] for number in range(30)]} for right in (3, 7)]
    pair = [store_run(tmp_path, name, verdict_rows(m)) for name, m in zip("ab", marks, strict=True)]
    assert compare(*pair).rows[0].verdict == "no evidence"
    assert ranks(pair) == [1, 1]


def test_only_what_was_measured_alike_is_ranked(shipped: Path, tmp_path: Path) -> None:
    alike = [made(tmp_path, name, 0.5, seed) for seed, name in enumerate("ab")]
    other = made(tmp_path, "c", 0.9, prompt=PromptSpec(style="gsm8k-hash"))
    hotter = made(tmp_path, "d", 0.9, sampling=Sampling(temperature=1.0))
    published = Catalogue(shipped).list_results()[-2:]
    groups = grouped([other, *alike, hotter, *published])
    assert [{r.name for r in group.results} for group in groups] == [
        {"a", "b"}, {"d"}, {"c"}, {"openseek-v1", "openseek-v4"},
    ]  # fmt: skip
    assert groups[1].ranks == (None,)
    assert [change.field for change in groups[2].differs] == ["prompt.style"]


def test_a_table_says_what_is_not_comparable_in_footnotes(tmp_path: Path) -> None:
    made(tmp_path, "a", 0.5)
    made(tmp_path, "b", 0.9, 1)
    made(tmp_path, "c|d", 0.9, prompt=PromptSpec(style="gsm8k-hash"))
    results = Catalogue(tmp_path).list_results()
    text = runs_table(results, "text")
    lines = text.splitlines()
    assert lines[2].split()[:2] == ["a1", "b"]
    assert lines[3].split()[:2] == ["a2", "a"]
    assert lines[4].split()[:3] == ["b", "c|d", "[1]"]
    assert "[1] not comparable with the first row: prompt.style gsm8k-hash instead of boxed" in text
    assert "c\\|d [1]" in runs_table(results, "markdown")
    assert "- [1] not comparable" in runs_table(results, "markdown")
    latex = runs_table(results, "latex")
    assert r"beyond chance (5 \%, corrected" in latex
    assert r"prompt.style gsm8k-hash" in latex
    rows = {row["name"]: row for row in json.loads(runs_table(results, "json"))}
    assert (rows["a"]["rank"], rows["a"]["group"]) == (2, 0)
    assert (rows["c|d"]["rank"], rows["c|d"]["group"]) == (None, 1)
    assert rows["c|d"]["prompt"] == "gsm8k-hash"


def test_the_order_of_results_changes_no_row(tmp_path: Path) -> None:
    for seed in range(4):
        made(tmp_path, f"v{seed}", 0.3 + 0.15 * seed, seed)
    results = Catalogue(tmp_path).list_results()
    assert runs_table(results, "csv") == runs_table(results[::-1], "csv")


def outdated(folder: Path) -> Path:
    """Store a run as earlier versions did: its interval is narrow, and named as they named it."""
    marks = {"gsm8k": [[number == 0, *[False] * 15] for number in range(30)]}
    stored = store_run(folder, "old", verdict_rows(marks))
    assert stored.path is not None
    file = stored.path / "run.json"
    fields = json.loads(file.read_text(encoding="utf-8"))
    for part in (fields["scores"][0], fields["average"]):
        part["interval"] = {"low": 0.0, "high": 0.006}
    fields["scores"][0]["interval_method"] = OUTDATED
    file.write_text(json.dumps(fields), encoding="utf-8")
    return stored.path


def test_an_outdated_interval_is_made_anew_wherever_it_is_shown(tmp_path: Path) -> None:
    outdated(tmp_path)
    result = Catalogue(tmp_path).find("old")
    expected = clustered([1 / 16] + [0.0] * 29)
    assert result.run is not None
    assert result.run.average is not None
    assert result.scores["gsm8k"].interval == result.run.scores[0].interval == expected
    assert result.run.average.interval.high == pytest.approx(expected.high)
    compared = compare(result, replace(result, id="again")).rows[0]
    assert compared.a.interval == expected
    for method in (result.scores["gsm8k"], result.run.scores[0], compared.a):
        assert method.interval_method == "Bayesian bootstrap, clustered by problem"
    assert "interval: Bayesian bootstrap" in score_table(result.run, tmp_path)


def test_an_outdated_interval_without_verdicts_keeps_its_name(tmp_path: Path) -> None:
    (outdated(tmp_path) / "verdicts.jsonl").unlink()
    result = Catalogue(tmp_path).find("old")
    assert result.run is not None
    assert result.scores["gsm8k"].interval.high == 0.006
    assert result.scores["gsm8k"].interval_method == OUTDATED
    assert "too narrow where problems are few" in score_table(result.run, tmp_path)
    assert OUTDATED in runs_table([result], "text")


def test_every_table_shows_intervals(tmp_path: Path) -> None:
    marks = {"gsm8k": [[True]] * 8 + [[False]] * 32, "aime24": [[False]] * 30}
    result = store_run(tmp_path, "v1", verdict_rows(marks))
    for form in ("text", "markdown", "latex"):
        text = runs_table([result], form)  # type: ignore[arg-type]
        assert "20.00 [10.5, 34.8]" in text
        assert "0.00 [0.0, 11.4]" in text
        assert (
            "95 % intervals (wilson; average: MOVER over them)".replace(
                "%", r"\%" if form == "latex" else "%"
            )
            in text
        )
    (row,) = json.loads(runs_table([result], "json"))
    assert (row["gsm8k"], row["gsm8k low"]) == (20.0, pytest.approx(10.4998, abs=1e-3))
    assert row["average low"] < row["average"] == 10.0 < row["average high"]
    assert row["intervals"] == "wilson; average: MOVER over them"
    columns = "gsm8k,aime24,average,gsm8k low,gsm8k high,aime24 low,aime24 high,average low,"
    assert columns in runs_table([result], "csv")


def test_counts_that_nobody_has_and_a_problem_twice_are_refused(tmp_path: Path) -> None:
    stored = store_run(tmp_path, "v1", verdict_rows({"gsm8k": [[True], [False]]}))
    assert stored.path is not None
    lines = (stored.path / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    (stored.path / "verdicts.jsonl").write_text("\n".join([*lines, lines[-1]]), encoding="utf-8")
    with pytest.raises(UserError, match="is in it more than once"):
        read_verdicts(stored.path)
    record = stored.path / "run.json"
    fields = json.loads(record.read_text(encoding="utf-8"))
    for field, value in (("samples", 10**400), ("samples", -5), ("outcomes", {"wrong": 10**20})):
        changed = {**fields, "scores": [{**fields["scores"][0], field: value}]}
        record.write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(UserError, match=field):
            Catalogue(tmp_path).find("v1")
