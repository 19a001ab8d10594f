"""`diff` and `table` as people use them: on a fresh clone, offline, on runs of several shapes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stored import store_run, verdict_rows

from harness.runs.spec import Sampling


def harness(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        check=False, capture_output=True, text=True, cwd=cwd,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    marks = {"gsm8k": [[n % 3 == 0] for n in range(90)], "aime24": [[n < 3] for n in range(30)]}
    better = {**marks, "gsm8k": [[n % 3 != 1 or n == 4] for n in range(90)]}
    results = tmp_path / "results"
    store_run(results, "v1", verdict_rows(marks))
    store_run(results, "v4", verdict_rows(better))
    store_run(results, "warm", verdict_rows(better), sampling=Sampling(temperature=0.7))
    return tmp_path


def test_the_published_versions_are_compared_on_a_fresh_clone(
    shipped: Path, tmp_path: Path
) -> None:
    shutil.copytree(shipped / "published", tmp_path / "results" / "published")
    done = harness("diff", "openseek-v1", "openseek-v4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line[:1].isalpha()}
    assert lines["average"].split()[1:4] == ["11.892", "13.911", "+2.0"]
    assert lines["gsm8k"].endswith("better")
    assert lines["math500"].endswith("better")
    assert lines["amc23"].endswith("no evidence")
    assert "amc23: 40 problems can show a true difference of" in done.stdout


def test_two_runs_are_compared_problem_by_problem(folder: Path) -> None:
    done = harness("diff", "v1", "v4", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "McNemar mid-p" in done.stdout
    assert "31 / 0" in done.stdout
    as_json = json.loads(harness("diff", "v1", "v4", "--json", cwd=folder).stdout)
    gsm8k, aime24 = as_json["benchmarks"]
    assert (gsm8k["verdict"], aime24["verdict"]) == ("better", "no evidence")
    assert len(gsm8k["fixed"]) == 31
    average = as_json["average"]["difference"]
    assert average["test"] == "sign flips, mid-p, clustered by problem, over all problems"
    assert average["interval_method"] == "MOVER over the benchmarks' intervals"


def test_what_was_fixed_and_broken_is_listed_with_both_answers(folder: Path) -> None:
    shown = harness("diff", "v1", "v4", "--show", "fixed", "--rows", 3, cwd=folder).stdout
    assert shown.startswith("31 problems fixed:")
    assert "gsm8k/2" in shown
    assert "… and 28 more (--rows)" in shown
    assert (
        "no problem is broken" in harness("diff", "v1", "v4", "--show", "broken", cwd=folder).stdout
    )


def test_runs_measured_otherwise_are_refused_unless_asked_for(folder: Path) -> None:
    done = harness("diff", "v1", "warm", cwd=folder)
    assert done.returncode == 1
    assert "sampling.temperature: 0.0 -> 0.7" in done.stderr
    assert "--allow-mismatch" in done.stderr
    assert "Traceback" not in done.stderr
    assert (
        "NOT MEASURED ALIKE" in harness("diff", "v1", "warm", "--allow-mismatch", cwd=folder).stdout
    )


def test_which_problems_cannot_be_told_of_counts(shipped: Path, tmp_path: Path) -> None:
    shutil.copytree(shipped / "published", tmp_path / "results" / "published")
    done = harness("diff", "openseek-v1", "openseek-v4", "--show", "fixed", cwd=tmp_path)
    assert done.returncode == 1
    assert "only counts are known" in done.stderr


def test_the_written_tables_are_checked_against_the_runs(folder: Path) -> None:
    stale = harness("table", "--check", cwd=folder)
    assert stale.returncode == 1
    assert "python -m harness table --write" in stale.stderr
    assert harness("table", "--write", cwd=folder).returncode == 0
    assert harness("table", "--check", cwd=folder).returncode == 0
    assert "v4" in (folder / "results/TABLE.md").read_text(encoding="utf-8")
    store_run(folder / "results", "v5", verdict_rows({"gsm8k": [[True]]}))
    assert harness("table", "--check", cwd=folder).returncode == 1


def test_runs_that_git_ignores_are_not_in_the_written_tables(folder: Path) -> None:
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True, env=quiet)
    (folder / ".gitignore").write_text("/results/runs/warm/\n", encoding="utf-8")
    assert harness("table", "--write", cwd=folder).returncode == 0
    written = (folder / "results/table.csv").read_text(encoding="utf-8")
    assert "v4" in written
    assert "warm" not in written


def test_the_tables_of_this_repository_are_current(shipped: Path) -> None:
    """What git tracks of `results` is what the tables are made from; local runs are not."""
    assert (shipped / "TABLE.md").is_file()
    done = harness("table", "--check", cwd=shipped.parent)
    assert done.returncode == 0, done.stderr


def test_a_table_of_a_tag(folder: Path) -> None:
    rows = verdict_rows({"gsm8k": [[True]]})
    store_run(folder / "results", "tagged", rows, tags=("sweep",))
    rows_json = json.loads(harness("table", "--tag", "sweep", "--json", cwd=folder).stdout)
    assert [row["name"] for row in rows_json] == ["tagged"]
    assert "tagged nothing" in harness("table", "--tag", "nothing", cwd=folder).stderr


def test_names_that_are_hostile_to_a_terminal_are_disarmed(tmp_path: Path) -> None:
    rows = verdict_rows({"gsm8k": [[True]], "aime24": [[False]]})
    hostile = rows[0].model_copy(update={"answers": ("\x1b[2J\u202e",), "outcomes": ("wrong",)})
    store_run(tmp_path / "results", "a", [hostile, rows[1]])
    store_run(tmp_path / "results", "b", rows)
    shown = harness("diff", "a", "b", "--show", "fixed", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "\\x1b[2J" in shown.stdout
    assert not {"\x1b", "\u202e"} & set(shown.stdout)


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        ("v1 v4 --gate better", 0, "gate better: holds: on average"),
        ("v4 v1 --gate better", 3, "gate better: DOES NOT HOLD"),
        ("v1 v4 --margin 1 --gate not-worse", 0, "gate not-worse: holds"),
        ("v4 v1 --margin 1 --gate not-worse", 3, "gate not-worse: DOES NOT HOLD"),
        (
            "v1 v4 --margin 1 --gate same",
            3,
            "that B is the same as A within 1 point on average is not shown",
        ),
        ("v1 v4 --gate same", 2, "--gate same needs --margin"),
        ("v1 v4 --margin 1%", 2, "expected a number of percentage points"),
        ("v1 v4 --margin 0", 2, "--margin"),
        ("v1 v4 --margin nan", 2, "--margin"),
        ("v1 warm --gate better", 1, "not measured alike"),
        ("v1 v4 --gate better --show broken", 0, "gate better: holds"),
    ],
)
def test_a_gate_sets_the_exit_code(asked: str, code: int, says: str, folder: Path) -> None:
    done = harness("diff", *asked.split(), cwd=folder)
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr


def test_a_gate_and_a_margin_are_in_json(folder: Path) -> None:
    done = harness("diff", "v4", "v1", "--margin", 2, "--gate", "not-worse", "--json", cwd=folder)
    assert done.returncode == 3
    fields = json.loads(done.stdout)
    assert fields["margin"] == pytest.approx(0.02)
    assert fields["gate"]["about"] == "average"
    assert fields["gate"]["holds"] is False
    assert fields["gate"]["reason"].startswith("gate not-worse: DOES NOT HOLD")
    assert fields["benchmarks"][0]["margin"]["verdict"] == "worse"
    assert 0 <= fields["benchmarks"][0]["probability"] <= 1
