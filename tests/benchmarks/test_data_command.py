"""`python -m harness data fetch` and `data verify`, with a grader that is told what to refuse."""

import hashlib
import json
from concurrent.futures import Future

import pytest
from click.testing import CliRunner

from benchmarks import BENCHMARKS, Benchmark, Problem, Split
from benchmarks.source import canonical_lines
from harness.cli.data import command
from harness.grading import Outcome, Verdict

ROWS = [{"id": number, "answer": str(number)} for number in range(3)]


def make(name, *, sha256=None, urls=(), generated=True):
    pinned = sha256 or hashlib.sha256(canonical_lines(ROWS)).hexdigest()
    generate = (lambda: ROWS) if generated else None
    return Benchmark(
        name=name,
        about="a toy",
        licence="none",
        paper="none",
        test=Split(rows=3, sha256=pinned, urls=urls, generate=generate),
        to_problem=lambda row: Problem(
            id=f"{name}/{row['id']}", question="What?", answer=row["answer"]
        ),
    )


TOYS = {
    "sound": make("sound"),
    "changed": make("changed", sha256="0" * 64),
    "remote": make("remote", generated=False, urls=("http://127.0.0.1:9/test.jsonl",)),
}


class FakeGrader:
    """Accepts every response but those that contain what it refuses."""

    refuses = "nothing"

    def __init__(self, *, workers):
        assert workers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, response, gold):
        outcome = Outcome.WRONG if self.refuses in response else Outcome.CORRECT
        future = Future()
        future.set_result(Verdict(outcome=outcome, extracted=gold, rule="number"))
        return future


@pytest.fixture
def run(monkeypatch):
    """A function that runs `data …` over the toys with a grader that refuses one text."""
    monkeypatch.setattr("harness.cli.data.BENCHMARKS", TOYS)
    monkeypatch.delenv("HARNESS_DATA", raising=False)

    def invoke(*arguments, refuses="nothing"):
        grader = type("Grader", (FakeGrader,), {"refuses": refuses})
        monkeypatch.setattr("harness.grading.Grader", grader)
        return CliRunner().invoke(command, arguments)

    return invoke


def test_a_sound_benchmark_passes(run):
    result = run("verify", "sound")
    assert result.exit_code == 0
    assert result.output.splitlines()[1].split() == [
        "sound",
        "3",
        TOYS["sound"].test.sha256[:12],
        "3/3",
        "ok",
    ]


def test_every_benchmark_is_reported_not_only_the_first_fault(run):
    result = run("verify")
    assert result.exit_code == 1
    rows = [line.split() for line in result.output.splitlines() if not line.startswith("    ")]
    assert {row[0]: row[-1] for row in rows[1:]} == {
        "sound": "ok",
        "changed": "FAILED",
        "remote": "FAILED",
    }
    assert "not the pinned bytes" in result.output
    assert "harness data fetch remote" in result.output


@pytest.mark.parametrize("refuses", [r"\boxed{2}", r"\displaystyle 2}"])
def test_a_gold_its_grader_refuses_is_listed_with_the_reason(run, refuses):
    result = run("verify", "sound", refuses=refuses)
    assert result.exit_code == 1
    assert "2/3" in result.output
    assert "    sound/2: gold '2' graded wrong by number, read as '2'" in result.output


def test_json_says_the_same(run):
    result = run("verify", "--json", "sound", "changed", refuses=r"\boxed{2}")
    sound, changed = json.loads(result.stdout)
    assert (sound["accepted"], sound["fault"], sound["good"]) == (2, None, False)
    assert [gold["id"] for gold in sound["failed"]] == ["sound/2"]
    assert "not the pinned bytes" in changed["fault"]


def test_verify_reads_a_folder(run, tmp_path, monkeypatch):
    monkeypatch.setitem(TOYS, "remote", make("remote", generated=False))
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "test.jsonl").write_bytes(canonical_lines(ROWS))
    assert run("verify", "remote", "--data", str(tmp_path)).exit_code == 0


def test_fetch_goes_on_after_a_fault_and_exits_with_1(run):
    result = run("fetch", "remote", "sound")
    assert result.exit_code == 1
    assert result.stdout == "sound/test  generated, nothing to fetch\n"
    assert "remote/test cannot be fetched" in result.stderr


def test_the_embedded_benchmark_passes_its_own_verification():
    result = CliRunner().invoke(command, ["verify", "demo"])
    assert result.exit_code == 0, result.output
    assert f"{BENCHMARKS['demo'].test.rows}/" in result.output
