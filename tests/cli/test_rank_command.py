"""`rank`, and `diff` of more than two runs, as people use them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from stored import store_run, verdict_rows

from harness.cli import cli


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name, right in (("v1", 30), ("v2", 33), ("v3", 80)):
        marks = {"gsm8k": [[n < right] for n in range(90)], "aime24": [[n < 3] for n in range(30)]}
        store_run(tmp_path, name, verdict_rows(marks))
    return tmp_path


def harness(results: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--results", str(results)])


def test_runs_are_ranked(results: Path) -> None:
    done = harness(results, "rank", "v1", "v2", "v3")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "v3 is the best: it is better than each of the 2 other runs"
    assert lines[1].startswith("v3 has the highest average, 49.44 %; ")
    table = [line.split()[:2] for line in lines[5:8]]
    assert table == [["1", "v3"], ["2-3", "v2"], ["2-3", "v1"]]
    assert "the plain mean of 2 benchmarks, 120 problems" in done.output


@pytest.mark.parametrize(
    "arguments", [("rank", "--base", "v1", "v2", "v3"), ("diff", "v1", "v2", "v3")], ids=" ".join
)
def test_runs_are_compared_with_a_base(results: Path, arguments: tuple[str, ...]) -> None:
    done = harness(results, *arguments)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("against v1: better: v3; no evidence: v2\n")
    as_json = json.loads(harness(results, *arguments, "--json").output)
    assert as_json["base"]["name"] == "v1"
    assert [run["name"] for run in as_json["runs"]] == ["v3", "v2"]
    assert as_json["runs"][0]["against_base"]["verdict"] == "better"
    assert as_json["runs"][0]["against_base"]["adjusted_p"] < 0.001
    assert as_json["winner"]["names"] == ["v3"]


def test_ranks_are_in_the_json(results: Path) -> None:
    found = json.loads(harness(results, "rank", "v2", "v3", "v1", "--json").output)
    assert [run["ranks"] for run in found["runs"]] == [[1, 1], [2, 3], [2, 3]]
    assert found["winner"]["certain"]
    assert len(found["pairs"]) == 3
    assert found["base"] is None


def test_show_is_about_two_runs(results: Path) -> None:
    done = harness(results, "diff", "v1", "v2", "v3", "--show", "fixed")
    assert done.exit_code == 2
    assert "--show is about two runs: a comparison of many runs has no margin" in done.output


def test_one_run_against_a_base_was_not_chosen(results: Path) -> None:
    names = sorted(path.name for path in (results / "runs").iterdir())[:2]
    arguments = ["rank", "--base", *names]
    text = harness(results, *arguments).output
    assert "highest" not in text
    assert json.loads(harness(results, *arguments, "--json").output)["winner"] is None
    two = harness(results, "rank", *names).output
    assert "1 other run" not in two


def test_one_run_is_no_ranking() -> None:
    assert CliRunner().invoke(cli, ["rank"]).exit_code == 2
