"""Tests of `python -m harness data fetch` and `data verify`, with a grader that refuses a text."""

import hashlib
import json
from concurrent.futures import Future

import pytest
from click.testing import CliRunner

from benchmarks import BENCHMARKS, Benchmark, Conventions, Problem, Split
from benchmarks.errata import Erratum
from benchmarks.source import canonical_lines
from harness.cli import cli
from harness.evaluation.verify_golds import Check, plain_value
from harness.evaluation.verify_golds import _neighbour as find_neighbour
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
    """Finds the gold in a text by its characters, unless that contains what it refuses."""

    refuses = "nothing"
    confuses = frozenset()

    def __init__(self, *, workers):
        assert workers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, response, gold, *, conventions):
        assert conventions.percent_as_fraction
        right = gold in response or {response, gold} == self.confuses
        outcome = Outcome.CORRECT if right and self.refuses not in response else Outcome.WRONG
        future = Future()
        future.set_result(Verdict(outcome=outcome, extracted=gold, rule="number"))
        return future

    submit_answer = submit


@pytest.fixture
def run(monkeypatch):
    """A function that runs `data …` over the toys with a grader that refuses one text."""
    monkeypatch.setattr("harness.cli.data.BENCHMARKS", TOYS)
    monkeypatch.delenv("HARNESS_DATA", raising=False)

    def invoke(*arguments, refuses="nothing", confuses=()):
        told = {"refuses": refuses, "confuses": set(confuses)}
        grader = type("Grader", (FakeGrader,), told)
        monkeypatch.setattr("harness.grading.Grader", grader)
        return CliRunner().invoke(cli, ["data", *arguments])

    return invoke


def test_a_sound_benchmark_passes(run):
    result = run("verify", "sound")
    assert result.exit_code == 0
    assert result.output.splitlines()[1].split() == [
        "sound",
        "3",
        TOYS["sound"].test.sha256[:12],
        *["3"] * len(Check),
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


@pytest.mark.parametrize(
    ("refuses", "check"),
    [
        (r"\boxed{2}", Check.BOXED),
        (r"\displaystyle 2", Check.TYPESET),
    ],
)
def test_a_gold_its_grader_refuses_is_listed_with_the_reason(run, refuses, check):
    result = run("verify", "--json", "sound", refuses=refuses)
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)
    assert report["passed"] == {each: 2 if each == check else 3 for each in Check}
    (failed,) = report["failed"]
    assert (failed["id"], failed["check"]) == ("sound/2", check)
    assert "gold '2' is graded wrong by number" in failed["reason"]


def test_a_gold_taken_for_its_neighbour_is_listed(run):
    result = run("verify", "sound", confuses=["0", "1"])
    assert result.exit_code == 1
    assert "    sound/0: the next gold '1' is accepted for gold '0' by number" in result.output


def test_a_gold_that_its_box_does_not_give_back_is_listed(run, monkeypatch):
    monkeypatch.setattr("harness.evaluation.verify_golds._RESPONSE", r"\boxed{x%s}")
    result = run("verify", "sound")
    assert result.exit_code == 1
    assert "    sound/1: gold '1' is extracted from its box as 'x1'" in result.output


def test_a_known_erratum_is_shown_and_forgiven(run, monkeypatch):
    erratum = Erratum(problem_id="sound/1", reason="torn", source="here")
    monkeypatch.setattr("harness.evaluation.verify_golds.errata_for", lambda name: (erratum,))
    result = run("verify", "sound", refuses=r"\displaystyle 1")
    assert result.exit_code == 0
    assert "    sound/1: gold '1' is graded wrong by number (a known erratum)" in result.output


@pytest.mark.parametrize(
    ("golds", "neighbour"),
    [
        (["1/2", "0.5", "1", "2"], "1"),
        (["1,500", "1.5e3", "x=1500", r"\frac{3000}{2}", "15"], "15"),
        (["100", "100.9", "102"], "102"),
        (["5", "0"], "0"),
        (["a", " a ", "b"], "b"),
        (["7", "7"], None),
        (["7"], None),
    ],
)
def test_the_neighbour_is_the_next_gold_of_another_value(golds, neighbour):
    problems = [Problem(id=f"toy/{i}", question="?", answer=gold) for i, gold in enumerate(golds)]
    assert find_neighbour(problems, 0, Conventions(relative_tolerance=0.01)) == neighbour


@pytest.mark.parametrize("text", ["", "x", "1/0", "1e", "9" * 1000, "1e999999999", "1 2"])
def test_what_is_no_plain_number_has_no_value(text):
    assert plain_value(text) is None


def test_json_says_the_same(run):
    result = run("verify", "--json", "sound", "changed", refuses=r"\boxed{2}")
    sound, changed = json.loads(result.stdout)
    assert (sound["passed"]["boxed"], sound["fault"], sound["good"]) == (2, None, False)
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
    result = CliRunner().invoke(cli, ["data", "verify", "demo"])
    assert result.exit_code == 0, result.output
    assert result.output.split().count(str(BENCHMARKS["demo"].test.rows)) == 1 + len(Check)
