"""`python -m harness grade`: rows in, verdicts out, in order, whatever the rows are."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from harness.cli.grade import WINDOW, command


def run(pairs: Path, output: Path | str, *options: str) -> Result:
    return CliRunner().invoke(command, [str(pairs), "-o", str(output), *options])


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


def test_a_lone_surrogate_is_written_back(tmp_path: Path) -> None:
    pairs = write(tmp_path / "in.jsonl", ['{"gold": "7", "response": "\\\\boxed{\\ud83d}"}'])
    assert run(pairs, tmp_path / "out.jsonl").exit_code == 0
    assert rows(tmp_path / "out.jsonl")[0]["extracted"] == "\ud83d"


def test_a_missing_file_or_folder_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    assert run(tmp_path / "none.jsonl", tmp_path / "out.jsonl").exit_code == 2
    pairs = write(tmp_path / "in.jsonl", [pair(1, 7)])
    assert "no folder" in str(run(pairs, tmp_path / "none" / "out.jsonl").exception)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
