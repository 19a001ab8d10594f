"""Tests of the demo's exercises with a bad habit, which have no question of the test split."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from random import Random

import psutil
import pytest

from benchmarks.demo import test_rows as held_out_rows
from benchmarks.demo_problems import KINDS, exercise
from harness.demo import habits
from harness.grading import Grader

NUMERIC = {"integer", "product", "story-one", "story-two", "decimal"}


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_answer_that_is_cut_short_is_wrong_where_more_than_a_number_is_asked_for(
    kind: str,
) -> None:
    random = Random(3)
    drawn = [exercise(kind, random) for _ in range(40)]
    with Grader(workers=1) as grader:
        right = [grader.grade_answer(habits.cut_short(one), one.answer).correct for one in drawn]
    # A sum of fractions may be a whole number.
    assert all(right) if kind in NUMERIC else sum(right) <= 6


def test_half_of_those_answers_are_cut_short(tmp_path: Path) -> None:
    habits.main([str(tmp_path / "habits.jsonl"), "--rows", "600"])
    rows = [json.loads(line) for line in (tmp_path / "habits.jsonl").read_text().splitlines()]
    assert len(rows) == 600
    assert not {row["prompt"] for row in rows} & {row["question"] for row in held_out_rows()}
    words = [row["answer"] for row in rows if "even or odd" in row["prompt"]]
    assert 0.3 < sum(answer.startswith("\\text") for answer in words) / len(words) < 0.7


NOTES = """#!/bin/sh
echo "$@" >>{asked}
case "$*" in
*"{fails}"*)
    until [ "{lasts}" = nothing ] || [ -s {asked}.pid ]; do sleep 0.1; done
    echo "it failed"
    exit 3
    ;;
*"{lasts}"*)
    echo $$ >{asked}.pid
    exec sleep 600
    ;;
esac
"""


def experiment(
    folder: Path, *seeds: str, fails: str = "nothing", lasts: str = "nothing"
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Run the script with a Python that only notes what it is asked for; return that too.

    What contains ``fails`` fails, and what contains ``lasts`` ends only when it is killed.
    """
    asked, python = folder / "asked", folder / "python"
    python.write_text(NOTES.format(asked=asked, fails=fails, lasts=lasts))
    python.chmod(0o755)
    script = Path(habits.__file__).with_name("experiment.sh")
    done = subprocess.run(
        ["sh", script, *seeds], check=False, cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHON": str(python)}, timeout=60,
    )  # fmt: skip
    return done, [line.split() for line in asked.read_text().splitlines()]


def test_the_experiment_asks_for_each_step_in_order(tmp_path: Path) -> None:
    done, words = experiment(tmp_path, "1", "2")
    assert done.returncode == 0, done.stderr
    verbs = [line[2] if line[1] == "harness" else "habits" for line in words]
    seed = ["train", "train", "eval", "eval", "diff", "report"]
    recipes = ["diff", "report"]
    assert verbs == ["habits", "data", "data", "train", "train", "eval", *seed, *seed, *recipes]
    assert words[-2][3:5] == ["demo-v1-seed1,demo-v1-seed2", "demo-v4-seed1,demo-v4-seed2"]
    for line in words:
        if line[2] in ("eval", "diff", "report"):
            assert line[line.index("--results") + 1] == "out/demo/results", "not what is stored"
    trainers = [line[line.index("--trainer") + 1] for line in words if "--trainer" in line]
    grpo = ["verl-grpo-v1", "verl-grpo-v4"]  # at the same time: in any order
    assert [trainers[:2], *map(sorted, (trainers[2:4], trainers[4:]))] == [
        ["verl-sft"] * 2,
        grpo,
        grpo,
    ]


def test_a_training_beside_the_other_that_fails_ends_the_experiment(tmp_path: Path) -> None:
    done, words = experiment(tmp_path, fails="verl-grpo-v1")
    assert done.returncode == 3
    assert "it failed" in done.stderr
    assert words[-1][2] == "train"


def test_nothing_goes_on_when_the_experiment_has_failed(tmp_path: Path) -> None:
    done, words = experiment(tmp_path, fails="verl-grpo-v4", lasts="verl-grpo-v1")
    assert done.returncode == 3
    assert words[-1][2] == "train"
    pid = int((tmp_path / "asked.pid").read_text())
    assert not psutil.pid_exists(pid), "the other training lasted for ten minutes"
