"""The file of verdicts: what is compared, complete and small."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from replayed import replay_spec, write_responses
from stored import verdict_rows

from benchmarks import UserError
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import prepare
from harness.grading import Grader
from harness.runs.file_names import PARQUET
from harness.runs.folder import RunFolder
from harness.runs.record import Run
from harness.runs.verdicts import (
    LONGEST_ANSWER,
    VERDICTS,
    read_verdicts,
    to_lines,
)


def run_of(root: Path, responses: Path, *, n: int = 1) -> tuple[Path, Run]:
    plan = prepare(replay_spec(responses, limit=12, n=n))
    with RunFolder.create(root, plan.new_run("replayed")) as folder, Grader() as grader:
        return folder.path, evaluate(plan, folder, grader=grader)


def test_a_complete_run_has_its_verdicts_and_their_sum(tmp_path: Path) -> None:
    responses = write_responses(tmp_path / "responses.jsonl", limit=12, n=3)
    path, run = run_of(tmp_path / "runs", responses, n=3)
    rows = read_verdicts(path)
    assert rows is not None
    assert len(rows) == 12
    assert sum(row.correct for row in rows) == run.scores[0].correct
    assert rows[0].indices == (0, 1, 2)
    assert rows[0].outcomes == ("correct", "wrong", "no answer")
    assert rows[0].classes == (0, 1, None)
    assert rows[0].tokens == (5, 5, 5)
    assert rows[0].groups.keys() == {"kind"}
    assert run.verdicts_sum == hashlib.sha256((path / VERDICTS).read_bytes()).hexdigest()
    assert (path / VERDICTS).stat().st_size < (path / PARQUET).stat().st_size * 2


def test_the_responses_are_not_in_it(tmp_path: Path) -> None:
    rows = [
        {"problem_id": f"demo/test-{n:04}", "response": f"SECRET \\boxed{{{n}}}"}
        for n in range(1, 13)
    ]
    responses = tmp_path / "r.jsonl"
    responses.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path, _ = run_of(tmp_path / "runs", responses)
    assert "SECRET" not in (path / VERDICTS).read_text(encoding="utf-8")


def test_an_answer_of_any_length_is_cut(tmp_path: Path) -> None:
    essay = "x" * 1_000
    rows = [
        {"problem_id": f"demo/test-{n:04}", "response": f"\\boxed{{{essay}}}"} for n in range(1, 13)
    ]
    responses = tmp_path / "r.jsonl"
    responses.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path, _ = run_of(tmp_path / "runs", responses)
    found = read_verdicts(path)
    assert found is not None
    assert {len(answer or "") for row in found for answer in row.answers} == {LONGEST_ANSWER}


def test_a_line_without_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.runs.verdicts.LONGEST_LINE", 1000)
    (tmp_path / VERDICTS).write_bytes(b'{"schema_version": 1}\n' + b"x" * 5000)
    with pytest.raises(UserError, match="a line is longer than"):
        read_verdicts(tmp_path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = verdict_rows({"gsm8k": [[True, False], [False, False]], "demo": [[True]]})
    (tmp_path / VERDICTS).write_bytes(to_lines(rows))
    assert read_verdicts(tmp_path) == rows
    assert read_verdicts(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "schema version None"),
        (b'{"schema_version": 99}\n', "schema version 99"),
        (b"not json\n", "not JSON lines"),
        (b'{"schema_version": 1}\n{"benchmark": "gsm8k"}\n', "problem_id"),
        (
            to_lines(verdict_rows({"gsm8k": [[True]]})).replace(b'["correct"]', b"[]"),
            "different lengths",
        ),
    ],
)
def test_what_is_no_file_of_verdicts_is_told(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / VERDICTS).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_verdicts(tmp_path)
