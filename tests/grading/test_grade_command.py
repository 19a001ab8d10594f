"""Tests of `python -m harness grade`: one verdict per row, in order, whatever the rows are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from benchmarks import Conventions, WrongValueError
from harness.cli import cli
from harness.evaluation import grade_pairs
from harness.evaluation.grade_pairs import WINDOW
from harness.grading.compat.audit import SHOWN


def run(pairs: Path, output: Path | str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["grade", str(pairs), "-o", str(output), *options])


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, lines: list[object]) -> Path:
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(text) + "\n")
    return path


def pair(number: int, answer: object) -> dict[str, object]:
    return {"id": f"p{number}", "gold": "7", "response": f"The answer is {answer}."}


def test_verdicts_come_in_order_beyond_the_window(tmp_path: Path) -> None:
    count = 2 * WINDOW + 3
    pairs = write(tmp_path / "in.jsonl", [pair(n, 7 if n % 2 else 8) for n in range(count)])
    result = run(pairs, tmp_path / "out.jsonl")
    assert result.exit_code == 0
    written = rows(tmp_path / "out.jsonl")
    assert [row["id"] for row in written] == [f"p{n}" for n in range(count)]
    assert [row["correct"] for row in written] == [bool(n % 2) for n in range(count)]
    assert "wrong" in result.stdout


def test_the_pairs_are_not_overwritten_by_their_verdicts(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7)])
    before = pairs.read_bytes()
    (tmp_path / "link").symlink_to(pairs)
    for output in (pairs, tmp_path / "link"):
        result = run(pairs, output)
        assert isinstance(result.exception, WrongValueError)
    with pairs.open("ab") as appended:  # grade in.jsonl -o - >> in.jsonl would never end
        asked = [sys.executable, "-m", "harness", "grade", str(pairs), "-o", "-"]
        done = subprocess.run(asked, stdout=appended, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert pairs.read_bytes() == before


def test_a_row_is_all_that_the_verdict_says(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7)])
    run(pairs, tmp_path / "out.jsonl")
    assert rows(tmp_path / "out.jsonl") == [
        {
            "id": "p1",
            "correct": True,
            "outcome": "correct",
            "extracted": "7",
            "extraction": "answer-is",
            "rule": "identical",
        }
    ]


def test_bad_rows_are_named_and_the_others_graded(tmp_path: Path) -> None:
    bad: list[object] = [
        "{",
        "[1]",
        {"id": 1, "gold": "7"},
        {"gold": 7, "response": "7"},
        "[" * 9999,
    ]
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7), *bad, "", pair(2, 7)])
    result = run(pairs, tmp_path / "out.jsonl")
    assert result.exit_code == 1
    assert "5 of 7 rows" in result.stderr
    written = rows(tmp_path / "out.jsonl")
    assert [row.get("line") for row in written] == [None, 2, 3, 4, 5, 6, None]
    assert written[3]["error"] == '"response" is missing'
    assert written[-1]["correct"] is True


def test_rows_may_go_to_standard_output_and_the_summary_be_json(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7), pair(2, 8)])
    result = run(pairs, "-", "--json")
    assert [json.loads(line)["correct"] for line in result.stdout.splitlines()] == [True, False]
    assert json.loads(result.stderr) == {"rows": 2, "outcomes": {"correct": 1, "wrong": 1}}


def test_rows_may_go_into_a_pipe(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7)])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_text)
        result = run(pairs, pipe)
        assert json.loads(read.result())["id"] == "p1"
    assert result.exit_code == 0
    assert pipe.is_fifo()


def test_the_path_of_standard_output_is_standard_output(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7)])
    command = [sys.executable, "-m", "harness", "grade", str(pairs), "-o", "/dev/stdout"]
    with (tmp_path / "log").open("a") as log:
        log.write("before\n")
        log.flush()
        done = subprocess.run(command, stdout=log, stderr=subprocess.PIPE, text=True, check=True)
    before, row = (tmp_path / "log").read_text().splitlines()
    assert before == "before"
    assert json.loads(row)["correct"] is True
    assert "correct" in done.stderr


def test_a_lone_surrogate_is_written_back(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", ['{"gold": "7", "response": "\\\\boxed{\\ud83d}"}'])
    assert run(pairs, tmp_path / "out.jsonl").exit_code == 0
    assert rows(tmp_path / "out.jsonl")[0]["extracted"] == "\ud83d"


def test_a_missing_file_or_folder_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    assert run(tmp_path / "none.jsonl", tmp_path / "out.jsonl").exit_code == 2
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7)])
    assert "no folder" in str(run(pairs, tmp_path / "none" / "out.jsonl").exception)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


AUDITED = [
    {"id": "same", "gold": "7", "response": r"\boxed{7}"},
    {"id": "hundredfold", "gold": "5", "response": r"\boxed{500}"},
    {"id": "bell\x07", "gold": "5", "response": r"\boxed{500}"},
]


def test_an_audit_adds_opinions_and_lists_what_is_disputed(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [*AUDITED])
    both = ("--audit", "qwen-compat", "--audit", "math-verify")
    result = run(pairs, tmp_path / "out.jsonl", *both)
    assert result.exit_code == 0
    written = rows(tmp_path / "out.jsonl")
    assert [row["disputed"] for row in written] == [False, True, True]
    assert written[1]["correct"] is False
    assert written[1]["opinions"] == {"qwen-compat": "equal", "math-verify": "different"}
    assert "qwen-compat: 2 of 3 disputed (3 equal)" in result.stdout
    assert "math-verify: 0 of 3 disputed (2 different, 1 equal)" in result.stdout
    assert [line.split() for line in result.stdout.splitlines() if "hundredfold" in line] == [
        ["hundredfold", "5", "500", "wrong", "equal"]
    ]
    assert "\x07" not in result.stdout


def test_the_list_of_disputes_is_short_and_the_file_has_all(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [{**AUDITED[1], "id": n} for n in range(SHOWN + 5)])
    result = run(pairs, tmp_path / "out.jsonl", "--audit", "qwen-compat")
    assert sum(bool(row["disputed"]) for row in rows(tmp_path / "out.jsonl")) == SHOWN + 5
    assert "… and 5 more" in result.stdout
    shown = [line for line in result.stdout.splitlines() if line.split()[-2:] == ["wrong", "equal"]]
    assert len(shown) == SHOWN


def test_an_audit_is_counted_in_json(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [*AUDITED])
    result = run(pairs, tmp_path / "out.jsonl", "--json", "--audit", "qwen-compat")
    assert json.loads(result.stdout)["audit"] == {
        "qwen-compat": {"opinions": {"equal": 3}, "disputed": 2}
    }


def test_bad_rows_do_not_stop_an_audit(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", ["{", AUDITED[0]])
    result = run(pairs, tmp_path / "out.jsonl", "--audit", "math-verify")
    assert result.exit_code == 1
    assert [row.get("disputed") for row in rows(tmp_path / "out.jsonl")] == [None, False]


def test_an_unknown_opinion_is_refused(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7)])
    result = run(pairs, tmp_path / "out.jsonl", "--audit", "a-friend")
    assert result.exit_code == 2
    assert "qwen-compat" in result.stderr


def test_a_row_may_name_its_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tolerant = SimpleNamespace(conventions=Conventions(relative_tolerance=0.1))
    monkeypatch.setattr(grade_pairs, "BENCHMARKS", {"tolerant": tolerant})
    close = {"gold": "10.0", "response": r"\boxed{10.5}"}
    pairs = write(tmp_path / "in.jsonl", [{**close, "benchmark": "tolerant"}, close])
    assert run(pairs, tmp_path / "out.jsonl").exit_code == 0
    assert [row["correct"] for row in rows(tmp_path / "out.jsonl")] == [True, False]


def test_an_unknown_benchmark_is_an_error_of_its_row(tmp_path: Path) -> None:
    named = [{**pair(n, 7), "benchmark": name} for n, name in enumerate(["gsm8", 7, None])]
    assert run(write(tmp_path / "in.jsonl", [*named]), tmp_path / "out.jsonl").exit_code == 1
    unknown, no_name, graded = rows(tmp_path / "out.jsonl")
    assert unknown["line"] == 1
    assert "did you mean 'gsm8k'" in str(unknown["error"])
    assert no_name["error"] == '"benchmark" is not a string'
    assert graded["correct"] is True


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    result = run(write(tmp_path / "in.jsonl", []), tmp_path / "out.jsonl")
    assert result.exit_code != 0
    assert "has no rows, so there was nothing to grade" in str(result.exception)


def test_an_empty_gold_is_an_error_of_its_row(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", [{"gold": " ", "response": "\\boxed{4}"}, pair(1, 7)])
    assert run(pairs, tmp_path / "out.jsonl").exit_code == 1
    empty, graded = rows(tmp_path / "out.jsonl")
    assert empty["error"] == '"gold" is empty, so that no response could be right or wrong'
    assert graded["correct"] is True


def test_a_line_too_long_is_an_error_and_is_never_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grade_pairs, "MAXIMUM_LINE", 1 << 20)
    longest = json.dumps({**pair(2, 7), "filler": "x" * (5 << 20)})
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7), longest, "", pair(3, 7), longest])
    assert run(pairs, tmp_path / "out.jsonl").exit_code == 1
    too_long = "longer than 1 MiB"
    written = rows(tmp_path / "out.jsonl")
    assert [row.get("error") for row in written] == [None, too_long, None, too_long]
    assert [row.get("line") for row in written] == [None, 2, None, 5]


def test_few_bytes_of_rows_are_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a window of one row the first is written before the third is read."""
    monkeypatch.setattr(grade_pairs, "WINDOW_BYTES", 1)
    begun: list[int] = []

    class Pairs:
        def begin(self, pair: grade_pairs.Pair) -> Callable[[], dict[str, object]]:
            begun.append(int(pair.id or 0))
            return lambda: {"id": pair.id, "begun": len(begun)}

    pairs = write(tmp_path / "in.jsonl", [{**pair(0, 7), "id": n} for n in range(1, 5)])
    with pairs.open("rb") as lines:
        written = list(grade_pairs.verdict_rows(lines, Pairs()))
    assert [row["begun"] for row in written] == [1, 2, 3, 4]
