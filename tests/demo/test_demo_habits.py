"""Tests of the demo's exercises with a bad habit, which have no question of the test split."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from random import Random

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


def test_the_experiment_asks_for_each_step_in_order(tmp_path: Path) -> None:
    """With a Python that only notes what it is asked for."""
    asked, python = tmp_path / "asked", tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    python.chmod(0o755)
    script = Path(habits.__file__).with_name("experiment.sh")
    environment = {**os.environ, "PYTHON": str(python)}
    subprocess.run(["sh", script, "1", "2"], check=True, cwd=tmp_path, env=environment)
    words = [line.split() for line in asked.read_text().splitlines()]
    verbs = [line[2] if line[1] == "harness" else "habits" for line in words]
    seed = ["train", "eval", "train", "eval", "diff", "report"]
    assert verbs == ["habits", "data", "data", "train", "train", "eval", *seed, *seed]
    for line in words:
        if line[2] in ("eval", "diff", "report"):
            assert line[line.index("--results") + 1] == "out/demo/results", "not what is stored"
    trainers = [line[line.index("--trainer") + 1] for line in words if "--trainer" in line]
    assert trainers == ["verl-sft"] * 2 + ["verl-grpo-v1", "verl-grpo-v4"] * 2
