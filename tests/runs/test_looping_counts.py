"""How many truncated responses loop is counted wherever it is told how many are truncated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from replayed import replay_spec
from stored import store_run, verdict_rows

from harness.api import load_run
from harness.cli import cli
from harness.evaluation.drawing import open_engine
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import prepare
from harness.grading import Grader
from harness.reporting.html.facts import labelled
from harness.reporting.html.overview import overview
from harness.runs.folder import RunFolder
from harness.runs.record import Score
from harness.runs.scores import BenchmarkScore
from harness.runs.verdicts import ProblemVerdicts, read_verdicts

LOOP = "Wait, let me check that again. " * 40
ENDS = [
    {"response": LOOP, "finish_reason": "length"},
    {"response": "<think>" + LOOP, "finish_reason": "length"},
    {"response": "We add the first two numbers and", "finish_reason": "length"},
    {"response": "\\boxed{-7} " + LOOP, "finish_reason": "length"},
    {"response": LOOP, "finish_reason": "stop"},
    {"response": "", "reasoning": LOOP, "finish_reason": "length"},
]


def draw(root: Path, name: str, ends: list[dict[str, str]]) -> None:
    responses = root / f"{name}.jsonl"
    rows = [
        {"problem_id": f"demo/test-{n:04}", "completion_tokens": 9, **end}
        for n, end in enumerate(ends, 1)
    ]
    responses.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    plan = prepare(replay_spec(responses, limit=len(ends)))
    runs = root / "results" / "runs"
    with RunFolder.create(runs, plan.new_run(name)) as folder, Grader() as grader:
        evaluate(plan, folder, grader=grader, engine=open_engine(plan))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("looping")
    draw(root, "v1", ENDS)
    draw(root, "v2", [ENDS[0], *[ENDS[2]] * 5])
    return root / "results"


def cut_off(looping: tuple[bool, ...] | None) -> ProblemVerdicts:
    (row,) = verdict_rows({"demo": [[False, False]]})
    return row.model_copy(
        update={
            "outcomes": ("truncated", "wrong"), "answers": (None, "1"), "classes": (None, 1),
            "at_limit": (True, False), "looping": looping,
        }
    )  # fmt: skip


def shown(results: Path, *arguments: str) -> str:
    done = CliRunner().invoke(cli, [*arguments, "--results", str(results)])
    assert done.exit_code == 0, done.output
    return done.output


def columns(text: str, heading: str) -> list[dict[str, str]]:
    """Return the rows of the first table that has this heading; columns are two blanks apart."""
    lines = text.splitlines()
    at = next(n for n, line in enumerate(lines) if heading in line)
    heads = [head.strip() for head in lines[at].split("  ") if head.strip()]
    rows = []
    for line in lines[at + 2 :]:
        cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        if len(cells) != len(heads):
            break
        rows.append(dict(zip(heads, cells, strict=True)))
    return rows


def test_only_truncated_responses_are_asked(results: Path) -> None:
    result = load_run("v1", results=results)
    assert result.run is not None
    assert result.path is not None
    (score,) = result.run.scores
    assert score.outcomes == {"wrong": 1, "no answer": 1, "truncated": 4}
    assert score.looping == 3
    rows = read_verdicts(result.path) or []
    assert [row.looping for row in rows] == [(True,), (True,), (False,), None, None, (True,)]
    assert result.scores["demo"].looping == 3


def test_show_counts_them_beside_the_truncated(results: Path) -> None:
    text = shown(results, "show", "v1")
    (scores,) = columns(text, "95 % interval")
    assert (scores["truncated"], scores["of these looping"]) == ("4", "3")
    (outcomes,) = columns(text, "outcomes")
    assert (outcomes["truncated"], outcomes["of these looping"]) == ("4", "3")
    fields = json.loads(shown(results, "show", "v1", "--json"))
    assert fields["scores"][0]["looping"] == fields["summary"][0]["looping"] == 3
    looping = shown(results, "show", "v1", "--problem", "demo/test-0001")
    assert "repeating itself at the end" in looping
    only_cut = shown(results, "show", "v1", "--problem", "demo/test-0003")
    assert "repeating itself" not in only_cut


def test_diff_counts_them(results: Path) -> None:
    (behaviour,) = columns(shown(results, "diff", "v1", "v2"), "at token limit")
    assert behaviour["of these looping"] == "50.0 -> 16.7 %"
    (row,) = json.loads(shown(results, "diff", "v1", "v2", "--json"))["benchmarks"]
    assert (row["a"]["looping"], row["b"]["looping"]) == (3 / 6, 1 / 6)


def test_the_report_counts_them(results: Path) -> None:
    versions = labelled([load_run(name, results=results) for name in ("v1", "v2")])
    table = overview(versions, [], "today").outcomes
    assert table is not None
    place = table.heads.index("of these looping")
    assert table.heads[place - 1] == "truncated"
    cells = [row[place] for row in table.rows]
    assert [(cell.text, cell.detail) for cell in cells] == [("3", "50.0 %"), ("1", "16.7 %")]


def test_a_run_from_before_anybody_looked_says_that_it_is_not_known(tmp_path: Path) -> None:
    old = cut_off(None)
    assert "looping" not in old.model_dump(mode="json"), "such rows stay as they were"
    assert old.looped is None
    assert BenchmarkScore.of("demo", [old]).looping is None
    store_run(tmp_path, "old", [old])
    table = overview(labelled([load_run("old", results=tmp_path)]), [], "today").outcomes
    assert table is not None
    assert table.rows[0][table.heads.index("of these looping")].text == "\u2013"
    text = shown(tmp_path, "show", "old")
    (scores,) = columns(text, "95 % interval")
    assert (scores["truncated"], scores["of these looping"]) == ("1", "-")
    fields = json.loads(shown(tmp_path, "show", "old", "--json"))
    assert fields["scores"][0]["looping"] is None
    assert fields["summary"][0]["looping"] is None


def test_nothing_truncated_is_nothing_looping() -> None:
    rows = verdict_rows({"demo": [[True], [False]]})
    assert BenchmarkScore.of("demo", rows).looping == 0


def test_some_of_which_it_is_not_known_leave_the_count_unknown() -> None:
    rows = [cut_off((True, False)), cut_off(None)]
    assert BenchmarkScore.of("demo", rows[:1]).looping == 1
    assert BenchmarkScore.of("demo", rows).looping is None
    ends_unknown = rows[0].model_copy(update={"at_limit": (True, None)})
    assert BenchmarkScore.of("demo", [ends_unknown]).looping is None


def test_a_mark_for_each_sample_or_none() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        ProblemVerdicts.model_validate({**cut_off(None).model_dump(), "looping": (True,)})
    assert ProblemVerdicts.model_validate_json(cut_off((True, False)).model_dump_json()).looped == 1


def test_an_older_record_is_read() -> None:
    interval = {"low": 0.0, "high": 1.0}
    old = Score.model_validate(
        {
            "benchmark": "demo", "problems": 1, "samples": 1, "correct": 0, "accuracy": 0.0,
            "interval": interval, "interval_method": "wilson", "outcomes": {"truncated": 1},
            "at_limit": 1, "mean_response_tokens": None,
        }
    )  # fmt: skip
    assert old.looping is None
