"""What the table of graders counts, and that a grader which hangs or is missing is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

PERFORMANCE = Path(__file__).parent / "performance"
sys.path.append(str(PERFORMANCE))

import accuracy  # noqa: E402
import asking  # noqa: E402
import labelled  # noqa: E402
import peer_grader  # noqa: E402
from accuracy import count  # noqa: E402
from asking import CannotRunError, Peer, Reply  # noqa: E402

from benchmarks import BENCHMARKS  # noqa: E402
from harness.grading import Grader  # noqa: E402

SCRIPTED = """
import json, sys, time
print(json.dumps({"a package": "1.0"}), flush=True)
for line in sys.stdin:
    response, gold = json.loads(line)
    if response == "hang":
        time.sleep(600)
    if response == "die":
        sys.exit(3)
    print(json.dumps([None if response == "odd" else response == gold, response]), flush=True)
"""
ROWS = [
    {"gold": "1", "response": "1", "expected": True, "level": "pair"},
    {"gold": "1", "response": "2", "expected": True, "level": "pair"},
    {"gold": "1", "response": "1", "expected": False, "level": "pair"},
    {"gold": "1", "response": "2", "expected": False, "level": "pair"},
    {"gold": "1", "response": "hang", "expected": True, "level": "pair"},
    {"gold": "1", "response": "die", "expected": False, "level": "pair"},
    {"gold": "1", "response": "odd", "expected": True, "level": "pair"},
    {"gold": "1", "response": "1", "expected": True, "level": "pair"},
    {"gold": "1", "response": "1", "expected": True, "level": "pair", "convention": True},
    {"gold": "1", "response": "1", "expected": False, "level": "pair", "convention": True},
    {"gold": "1", "response": "1", "expected": None, "level": "pair"},
]
COUNTS = {
    "rows": 8,
    "right": 4,
    "false_negatives": 3,
    "false_positives": 1,
    "without_verdict": 3,
    "hung": 2,
    "convention_rows": 2,
    "convention_right": 1,
}


def written(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def scripted(limit: float = 1.0) -> Peer:
    return Peer("scripted", [sys.executable, "-c", SCRIPTED], row_limit=limit)


def test_every_answer_of_a_grader_is_counted_once(tmp_path: Path) -> None:
    rows = labelled.read(written(tmp_path / "rows.jsonl", *ROWS))
    peer = scripted()
    try:
        replies = [peer.ask(row.response, row.gold) for row in rows]
    finally:
        peer.close()
    assert replies[0] == Reply(True, "1")
    assert replies[4] == replies[5] == Reply(None, hung=True)
    assert replies[7].right  # it goes on behind a row that it was killed on
    assert peer.versions == {"a package": "1.0"}
    assert count(rows, replies) == COUNTS


def test_rows_keep_what_the_grader_has_to_know(tmp_path: Path) -> None:
    tolerant = next(
        name for name in BENCHMARKS if BENCHMARKS[name].conventions != labelled.MATHEMATICS
    )
    cut = {"gold": "5", "response": "So we get 5", "expected": False, "truncated": True}
    rows = labelled.read(
        written(
            tmp_path / "rows.jsonl",
            {"gold": "5", "response": "So we get 5", "expected": True},
            cut,
            {**cut, "benchmark": tolerant, "id": "a", "kind": "b"},
            {"gold": "5", "answer": "5", "correct": True, "benchmark": "of nobody"},
        )
    )
    assert [row.truncated for row in rows] == [False, True, True, False]
    assert rows[2].conventions == BENCHMARKS[tolerant].conventions
    assert (rows[2].id, rows[2].kind, rows[1].id) == ("a", "b", "2")
    assert rows[3].conventions == labelled.MATHEMATICS
    with Grader(workers=1) as grader:
        verdicts = [row.submit(grader).result() for row in rows]
    assert [verdict.correct for verdict in verdicts] == [row.label for row in rows]
    assert verdicts[1].outcome.value == "truncated"


def test_a_bare_answer_is_put_in_a_box_for_those_who_look_for_one(tmp_path: Path) -> None:
    rows = labelled.read(
        written(
            tmp_path / "rows.jsonl",
            {"gold": "5", "answer": "5", "correct": True},
            {"gold": "5", "answer": "\\boxed{5}", "correct": True},
            {"gold": "5", "response": "It is 5.", "expected": True},
        )
    )
    assert [row.boxed for row in rows] == ["\\boxed{5}", "\\boxed{5}", "It is 5."]


def test_a_collection_may_lack_files(tmp_path: Path) -> None:
    written(tmp_path / "written.jsonl", ROWS[0])
    assert list(labelled.files(tmp_path)) == ["written"]
    assert len(labelled.files(None)["own cases"]) > 100


def test_a_grader_that_is_missing_stands_in_the_table(tmp_path: Path) -> None:
    rows = {"written": labelled.read(written(tmp_path / "rows.jsonl", *ROWS))}
    broken = tmp_path / "trl"
    broken.mkdir()
    (broken / "failed").write_text("error: some\n  cause: no such package\n")
    missing = {
        name: accuracy.measured(name, rows, tmp_path)
        for name in ("trl accuracy_reward", "lighteval pass_at_k_math")
    }
    ours = {"versions": {"grader": "7"}, "files": {"written": COUNTS}}
    table = accuracy.table({"this grader": ours, **missing})
    assert "| this grader 7 | 50.0 % | 3 | 1 | 3 (2) | 1/2 |" in table
    assert "| trl accuracy_reward | it cannot be installed: cause: no such package |" in table
    assert "| lighteval pass_at_k_math | it is not installed |" in table
    assert {line.count("|") for line in table.splitlines() if line.startswith("|")} == {7}


def test_a_grader_that_does_not_start_is_told() -> None:
    peer = Peer("broken", [sys.executable, "-c", "import nothing_of_this_name"])
    with pytest.raises(CannotRunError, match="imported"):
        peer.ask("1", "1")


@pytest.mark.parametrize("name", ["math-verify", "qwen-compat"])
def test_graders_of_the_projects_own_environment_answer(name: str) -> None:
    peer = asking.peer(name, None)
    try:
        assert peer.ask("So $x = \\boxed{\\frac{1}{2}}$.", "0.5").right is True
        assert peer.ask("So $x = \\boxed{\\frac{1}{3}}$.", "0.5").right is False
    finally:
        peer.close()


def test_every_grader_has_its_environment_and_its_way_to_be_asked() -> None:
    assert asking.HOMES.keys() == peer_grader.GRADERS.keys()
    lines = (PERFORMANCE / "grading_peers.txt").read_text().splitlines()
    made = {line.split()[0] for line in lines if line and not line.startswith("#")}
    assert made == {home for home in asking.HOMES.values() if home}


def test_a_table_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{accuracy.BEGIN}\nold\n{accuracy.END}\nbelow\n")
    for text in ("new\n", "newer\n"):
        accuracy.put_into(page, text)
    assert page.read_text() == f"above\n{accuracy.BEGIN}\nnewer\n{accuracy.END}\nbelow\n"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="accuracy"):
        accuracy.put_into(page, "new")


def test_disagreements_name_who_calls_a_row_right(tmp_path: Path) -> None:
    rows = labelled.read(
        written(
            tmp_path / "rows.jsonl",
            {"id": "agreed", "gold": "2", "response": "$\\boxed{2}$", "source_score": True},
            {"id": "source", "gold": "2", "response": "$\\boxed{3}$", "source_score": True},
            {"id": "both", "gold": "2", "response": "$\\boxed{2}$", "source_score": False},
        )
    )
    path = tmp_path / "out.jsonl"
    accuracy.write_disagreements(rows, path)
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["class"]) for row in found] == [
        ("source", "right for source"),
        ("both", "right for ours and math-verify"),
    ]
    assert found[0]["ours"]["extracted"] == "3"
    assert found[0]["math_verify"] == {"right": False, "found": "3"}
