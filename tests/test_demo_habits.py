"""The demo's start is taught what its data say: half of the answers wrong, none from the test."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from benchmarks.demo import test_rows as held_out_rows
from benchmarks.demo_problems import KINDS, exercise
from harness.demo import habits
from harness.grading import Grader


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_misshapen_answer_is_wrong(kind: str) -> None:
    random = Random(3)
    drawn = [exercise(kind, random) for _ in range(40)]
    with Grader(workers=1) as grader:
        right = [grader.grade_answer(habits.misshapen(one), one.answer).correct for one in drawn]
    # A vector of twice the same number, or a root and its opposite, has no other form.
    assert sum(right) <= 6


def test_half_of_the_answers_are_right_and_no_question_is_of_the_test_split(tmp_path: Path) -> None:
    habits.main([str(tmp_path / "habits.jsonl"), "--rows", "600"])
    rows = [json.loads(line) for line in (tmp_path / "habits.jsonl").read_text().splitlines()]
    assert len(rows) == 600
    assert not {row["prompt"] for row in rows} & {row["question"] for row in held_out_rows()}
    numbers = [row for row in rows if row["reasoning"].count("=") == 1 and "+" in row["reasoning"]]
    said = [row["reasoning"].rstrip(".").rpartition(" = ")[2] == row["answer"] for row in numbers]
    assert 0.3 < sum(said) / len(said) < 0.7
