"""Recipes in the report: the figure, the headline and the tables, and the two commands."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom

import pytest
from click.testing import CliRunner
from stored import store_run, verdict_rows

from harness.analysis.recipes import RecipeComparison, compare_recipes
from harness.cli import cli
from harness.reporting.html.facts import labelled
from harness.reporting.html.overview import overview
from harness.reporting.html.recipes import compare_recipes_with_first, with_recipes
from harness.reporting.plots import recipes_figure, save_png, svg
from harness.runs.results import Result

SIZES = {"gsm8k": 60, "aime24": 30}
HOSTILE = "</svg><script>alert('$x$')</script> \x1b[2J\u202e"


def group(results: Path, name: str, share: float, *, first: int, count: int = 3) -> list[Result]:
    """Store trainings; each has random answers of its own."""
    made = []
    for seed in range(first, first + count):
        draw = random.Random(seed)
        marks = {
            benchmark: [[draw.random() < share for _ in range(4)] for _ in range(size)]
            for benchmark, size in SIZES.items()
        }
        made.append(store_run(results, f"{name}-seed{seed}", verdict_rows(marks)))
    return made


@pytest.fixture
def groups(tmp_path: Path) -> list[list[Result]]:
    return [group(tmp_path, "v1", 0.3, first=1), group(tmp_path, "v4", 0.6, first=4)]


@pytest.fixture
def found(groups: list[list[Result]]) -> RecipeComparison:
    return compare_recipes(*groups)


def test_the_figure_has_every_training_both_means_and_the_whole_variance(
    found: RecipeComparison,
) -> None:
    left, right = recipes_figure(found).axes
    assert [text.get_text() for text in left.get_yticklabels()] == [
        "gsm8k (60)", "aime24 (30)", "average",
    ]  # fmt: skip
    assert found.average is not None
    rows = [*found.rows, found.average]
    dots = [list(line.get_xdata()) for line in left.lines if line.get_markersize() == 4]
    expected = [
        [100 * score for score in scores]
        for row in rows
        for scores in (row.found.scores_a, row.found.scores_b)
    ]
    assert dots == [pytest.approx(scores) for scores in expected]
    means = [bar.lines[0].get_xdata()[0] for bar in left.containers]
    assert means == pytest.approx([100 * m for row in rows for m in (row.found.a, row.found.b)])
    for row in range(len(rows)):
        bars = [bar[0] for bar in right.containers][4 * row : 4 * row + 4]
        assert sum(bar.get_width() for bar in bars) == pytest.approx(100)


def test_the_figure_is_the_same_each_time_and_names_stay_names(
    groups: list[list[Result]], tmp_path: Path
) -> None:
    hostile = [[replace(one, name=HOSTILE + one.name) for one in side] for side in groups]
    for sides in (groups, hostile):
        found = compare_recipes(*sides)
        text = svg(recipes_figure(found))
        assert text == svg(recipes_figure(found))
        assert not minidom.parseString(text).getElementsByTagName("script")
        assert not {"\x1b", "\u202e"} & set(text)
        save_png({"recipes": recipes_figure(found)}, tmp_path)


def test_the_page_begins_with_the_recipes(groups: list[list[Result]]) -> None:
    pairs = compare_recipes_with_first(groups, anyway=False)
    said = with_recipes(
        overview(labelled([run for side in groups for run in side]), [], "now"), pairs
    )
    assert said.title == "recipes v1, v4"
    assert [section.anchor for section in said.sections] == ["recipes", ""]
    (verdict,) = said.verdicts
    assert (verdict.subject, verdict.word) == ("recipe v4 against v1", "better")
    assert verdict.sentence.startswith("The recipe v4 is better than v1 on average")
    recipes, scores = said.sections
    assert [len(table.rows) for table in recipes.tables] == [3, 6, 3]
    assert scores.title == "Scores"


def test_recipes_that_cannot_be_compared_are_told(groups: list[list[Result]]) -> None:
    (pair,) = compare_recipes_with_first([groups[0], groups[1][:1]], anyway=False)
    said = with_recipes(overview(labelled(groups[0]), [], "now"), [pair])
    assert said.verdicts[0].word == "not compared"
    assert "two trainings or more" in said.verdicts[0].sentence


def run(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_diff_and_report_take_groups(groups: list[list[Result]], tmp_path: Path) -> None:
    sides = [",".join(one.name for one in side) for side in groups]
    printed = run("diff", *sides, "--results", tmp_path)
    assert printed.startswith("The recipe v4 is better than v1 on average")
    fields = json.loads(run("diff", *sides, "--results", tmp_path, "--json"))
    assert fields["average"]["verdict"] == "better"
    run("report", *sides, "--results", tmp_path, "-o", tmp_path / "r.html", "--png", tmp_path / "p")
    assert (tmp_path / "p" / "recipes.png").is_file()
    assert not list((tmp_path / "p").glob("difference*"))


def test_report_of_groups_takes_no_margin(groups: list[list[Result]], tmp_path: Path) -> None:
    sides = [",".join(one.name for one in side) for side in groups]
    asked = ["report", *sides, "--margin", "2", "--results", str(tmp_path)]
    done = CliRunner().invoke(cli, [*asked, "-o", str(tmp_path / "r.html")])
    assert done.exit_code == 2
    assert "--margin is about two runs, and here are groups" in done.output
    assert not (tmp_path / "r.html").exists()


def test_diff_of_groups_lists_no_problems(groups: list[list[Result]], tmp_path: Path) -> None:
    sides = [",".join(one.name for one in side) for side in groups]
    done = CliRunner().invoke(cli, ["diff", *sides, "--show", "fixed", "--results", str(tmp_path)])
    assert done.exit_code != 0
    assert "--show is about two runs" in done.output
