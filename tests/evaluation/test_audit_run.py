"""`show RUN --audit`: others are asked about a stored run, and nothing that is stored changes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from shutil import copytree
from typing import Any

import click
import pytest
from bad_server import Asked, BadServer, Reply, says, status
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import BENCHMARKS, UserError
from benchmarks.source import load_problems
from harness.cli import cli
from harness.cli.audit_options import AUDITORS
from harness.engines.openai import rate_limit as pacing
from harness.evaluation import audit_run as auditing
from harness.evaluation.audit_run import earlier_replies
from harness.evaluation.judging.judge import Judge, JudgeSetup, Question
from harness.evaluation.judging.question import LONGEST, NAME, Opinion
from harness.grading.compat.audit import OPINIONS as GRADERS
from harness.runs.file_names import PARQUET


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pacing, "FIRST_DELAY", 0.001)


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with a run of six problems: right, a hundredfold, three unreadable, no answer."""
    root = tmp_path_factory.mktemp("stored")
    problems = load_problems(BENCHMARKS["demo"], limit=6)
    said = [
        f"\\boxed{{{problems[0].answer}}}",
        f"\\boxed{{{problems[1].answer}00}}",
        "\\boxed{any number larger than two}",
        "\\boxed{every one of them that is EQUAL}",
        "\\boxed{every one of them \x1b[2J}",
        "I cannot say.",
    ]
    rows = [{"problem_id": p.id, "response": r} for p, r in zip(problems, said, strict=True)]
    (root / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ["--engine", "replay", "--responses", root / "r.jsonl", "--benchmarks", "demo"]
    done = invoke("eval", *asked, "--limit", 6, "--name", "v1", "--results", root / "results")
    assert done.exit_code == 0, done.output
    return root / "results"


@pytest.fixture
def results(stored: Path, tmp_path: Path) -> Path:
    return copytree(stored, tmp_path / "results")


def folder(results: Path) -> Path:
    (found,) = results.glob("runs/v1/*")
    return found


def sums(results: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder(results).iterdir()
        if not path.name.startswith("opinions")
    }


def audit(results: Path, server: BadServer, *options: object) -> Result:
    judge = ("--audit", "judge", "--judge-url", server.url, "--judge-model", "m")
    return invoke("show", "v1", "--results", results, *judge, *options)


def kept(results: Path) -> list[dict[str, Any]]:
    (path,) = folder(results).glob("opinions-*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def equal(asked: Asked) -> Reply:
    return says("EQUAL", model="m-2026")


def test_opinions_lie_beside_the_run_and_verdicts_and_scores_are_the_same_bytes(
    results: Path,
) -> None:
    before, shown = sums(results), invoke("show", "v1", "--results", results, "--json").stdout
    with BadServer(equal) as server:
        done = audit(results, server, "--audit", "qwen-compat")
    assert done.exit_code == 0, done.output
    assert "judge (m): asked about 4 of 6 (3 unparsable, 1 disputed): 4 equal" in done.stdout
    assert "kept in " in done.stdout
    assert "\x1b" not in done.stdout
    assert [row["opinions"].get("judge") for row in kept(results)] == [
        None, "equal", "equal", "equal", "equal", None,
    ]  # fmt: skip
    assert [row["outcome"] for row in kept(results)] == [
        "correct", "wrong", "unparsable", "unparsable", "unparsable", "no answer",
    ]  # fmt: skip
    assert sums(results) == before
    assert invoke("show", "v1", "--results", results, "--json").stdout == shown


def test_what_the_judge_has_said_is_not_asked_again_and_what_it_has_not_said_is(
    results: Path,
) -> None:
    def script(asked: Asked) -> Reply:
        return status(400) if "larger than two" in asked.prompt else says("DIFFERENT")

    with BadServer(script) as server:
        audit(results, server)
        first = kept(results)
        assert len(server.asked) == 3
        server.script = equal
        done = audit(results, server, "--json")
        assert len(server.asked) == 4
    assert "larger than two" in server.asked[-1].prompt
    told = json.loads(done.stdout)["audit"]["judge"]
    assert told["opinions"] == {"equal": 1, "different": 2}
    assert told["earlier"] == 2
    second = kept(results)
    assert [row["opinions"]["judge"] for row in first[2:5]] == [
        "no opinion", "different", "different",
    ]  # fmt: skip
    assert [row["opinions"]["judge"] for row in second[2:5]] == ["equal", "different", "different"]
    assert [row["judge"]["mark"] for row in second[3:5]] == [
        row["judge"]["mark"] for row in first[3:5]
    ]


def test_another_model_or_setting_is_another_judge_with_a_file_of_its_own(results: Path) -> None:
    with BadServer(equal) as server:
        audit(results, server)
        audit(results, server, "--judge-model", "n")
        audit(results, server, "--judge-max-tokens", 9)
        assert len(server.asked) == 9
        audit(results, server)
        assert len(server.asked) == 9
    assert len([*folder(results).glob("opinions-*.jsonl")]) == 3


def test_the_names_that_the_option_takes_are_those_of_all_auditors() -> None:
    assert (*GRADERS, NAME) == AUDITORS


def test_without_a_judge_nothing_is_kept(results: Path) -> None:
    before = sorted(folder(results).iterdir())
    done = invoke("show", "v1", "--results", results, "--audit", "qwen-compat", "--json")
    assert json.loads(done.stdout)["audit"]["qwen-compat"]["disputed"] == 1
    assert json.loads(done.stdout)["kept_in"] is None
    assert sorted(folder(results).iterdir()) == before


def test_a_run_without_its_samples_and_options_that_do_not_go_together_are_refused(
    results: Path,
) -> None:
    asked = ("show", "v1", "--results", results, "--audit", "math-verify")
    assert invoke(*asked, "--wrong").exit_code == 2
    assert "without --audit judge" in invoke(*asked, "--judge-model", "m").output
    (folder(results) / PARQUET).unlink()
    done = invoke(*asked)
    assert isinstance(done.exception, UserError)
    assert "the samples of this result are not here" in str(done.exception)
    assert not isinstance(done.exception, click.UsageError)


def judge_of() -> Judge:
    return Judge(JudgeSetup(model="m", base_url="http://127.0.0.1:9/v1"))


def line(by: Judge, /, **changes: object) -> str:
    told = {"mark": "f00", "date": "2026-01-01", "sum": by.sum}
    row = {"gold": "1", "extracted": "one", "opinions": {"judge": "equal"}, "judge": told}
    return json.dumps({**row, **changes})


def test_only_whole_opinions_of_the_same_judge_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = judge_of()
    place = tmp_path / f"opinions-{judge.sum}.jsonl"
    told = {"mark": "f00", "date": "2026-01-01", "sum": judge.sum}
    spoilt = [
        "{", "[]", "[" * 9999, "null", line(judge, gold=None), line(judge, opinions={}),
        line(judge, opinions={"judge": "correct"}), line(judge, opinions={"judge": "no opinion"}),
        line(judge, judge={**told, "sum": "another"}), line(judge, judge={**told, "mark": 7}),
        line(judge, judge="EQUAL"), line(judge, gold="7" * (LONGEST + 1)),
    ]  # fmt: skip
    place.write_text("\n".join(spoilt))
    assert earlier_replies(tmp_path, judge) == {}
    place.write_text("\n".join([*spoilt, line(judge), line(judge, gold="2")]))
    found = earlier_replies(tmp_path, judge)
    assert [*found] == [Question(gold=gold, answer="one") for gold in ("1", "2")]
    assert all(reply.earlier and reply.opinion is Opinion.EQUAL for reply in found.values())
    monkeypatch.setattr(auditing, "MOST_KNOWN", 1)
    assert len(earlier_replies(tmp_path, judge)) == 1
    place.unlink()
    assert earlier_replies(tmp_path, judge) == {}
    place.mkdir()
    with pytest.raises(UserError, match="cannot read"):
        earlier_replies(tmp_path, judge)


@given(st.binary(max_size=80))
def test_no_line_ends_in_an_error(content: bytes) -> None:
    auditing._earlier(content, judge_of())
