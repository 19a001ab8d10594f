"""`show`: what it says of a run, of a clone without responses, and of a published row."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from replayed import replay_spec, write_responses
from stored import store_run, verdict_rows

from benchmarks import UserError
from harness.cli import cli
from harness.evaluation.drawing import open_engine
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import prepare
from harness.grading import Grader
from harness.runs.file_names import PARQUET
from harness.runs.folder import RunFolder


def show(results: Path, *arguments: object) -> Result:
    asked = [*map(str, arguments), "--results", str(results)]
    return CliRunner().invoke(cli, ["show", *asked])


def shown(results: Path, *arguments: object) -> str:
    done = show(results, *arguments)
    assert done.exit_code == 0, done.output
    return done.output


def as_json(results: Path, *arguments: object) -> Any:
    return json.loads(shown(results, *arguments, "--json"))


def refusal(results: Path, *arguments: object) -> str:
    done = show(results, *arguments)
    assert done.exit_code == 1
    if isinstance(done.exception, UserError):
        return str(done.exception)
    return done.output


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with one real run, of twelve demo problems and three samples each."""
    root = tmp_path_factory.mktemp("sampled")
    responses = write_responses(root / "r.jsonl", limit=12, n=3)
    plan = prepare(replay_spec(responses, limit=12, n=3))
    runs = root / "results" / "runs"
    with RunFolder.create(runs, plan.new_run("v1")) as folder, Grader() as grader:
        evaluate(plan, folder, grader=grader, engine=open_engine(plan))
    return root / "results"


@pytest.fixture
def cloned(tmp_path: Path) -> Path:
    """Results with a run that came without its samples: one right, one wrong, one cut off."""
    results = tmp_path / "results"
    right, wrong, cut = verdict_rows({"math500": [[True], [False], [False]]})
    cut = cut.model_copy(
        update={"outcomes": ("truncated",), "answers": (None,), "classes": (None,),
                "at_limit": (True,), "tokens": (2048,)}
    )  # fmt: skip
    store_run(results, "handed-on", [right, wrong, cut])
    return results


def test_the_default_view_answers_in_blocks_no_wider_than_a_terminal(sampled: Path) -> None:
    text = shown(sampled, "v1")
    blocks = text.split("\n\n")
    beginnings = [block.split()[0] for block in blocks]
    assert beginnings == ["v1", "outcomes", "response", "accuracy", "several", "groups:", "cost"]
    assert re.search(r"^demo +12/36 +33\.3 ", text, re.MULTILINE)
    assert blocks[1].split()[-4:] == ["demo", "12", "12", "12"]
    at_k = [line.split() for line in blocks[4].splitlines()[2:5]]
    assert [row[-6] for row in at_k] == ["33.3", "66.7", "100.0"]
    assert at_k[0][-3] == "33.3"
    assert all(row[-5].startswith("[") and row[-2].startswith("[") for row in at_k)
    assert "groups: demo --by kind" in text
    assert max(map(len, text.splitlines()[1:])) <= 100


def test_one_sample_a_problem_needs_no_words_about_several(cloned: Path) -> None:
    text = shown(cloned, "handed-on")
    assert "several samples" not in text
    assert "pass@k" not in text
    assert "33.3 – 66.7" in text, "between the truncated one wrong and right"
    assert "groups: math500 --by subject or level" in text


def test_json_carries_the_record_and_the_whole_summary(sampled: Path) -> None:
    fields = as_json(sampled, "v1")
    assert fields["status"] == "complete"
    assert fields["trusted"] is True
    (one,) = fields["summary"]
    assert one["outcomes"] == {"correct": 12, "wrong": 12, "no answer": 12}
    assert [at["k"] for at in one["at_k"]] == [1, 2, 3]
    assert one["at_k"][0]["passed_interval"] == one["interval"]
    assert one["at_k"][-1]["passed_interval"]["high"] == 1.0
    assert one["budgets"][-1]["accuracy"] == pytest.approx(one["accuracy"])
    assert {group["value"] for group in one["groups"]["kind"]} >= {"integer", "fraction"}
    assert set(one["interval"]) == {"low", "high"}


def test_accuracy_by_group(sampled: Path) -> None:
    text = shown(sampled, "v1", "--by", "kind")
    assert text.startswith("demo ")
    assert "integer" in text
    groups = as_json(sampled, "v1", "--by", "kind", "--benchmark", "demo")["demo"]
    assert sum(group["problems"] for group in groups) == 12
    assert "did you mean 'kind'? (known: kind)" in refusal(sampled, "v1", "--by", "kinds")


def test_samples_of_one_outcome(sampled: Path) -> None:
    rows = as_json(sampled, "v1", "--outcome", "no-answer")
    assert len(rows) == 12
    assert {row["outcome"] for row in rows} == {"no answer"}
    text = shown(sampled, "v1", "--outcome", "No Answer", "--rows", 2)
    assert text.count("no answer") == 2
    assert "… and 10 more (--rows)" in text
    assert "did you mean 'truncated'" in refusal(sampled, "v1", "--outcome", "truncate")


def test_wrong_samples_and_whole_responses(sampled: Path) -> None:
    assert len(as_json(sampled, "v1", "--wrong", "--benchmark", "demo")) == 24
    text = shown(sampled, "v1", "--problem", "demo/test-0001")
    assert text.count("demo/test-0001  sample") == 3
    assert "I cannot say." in text
    assert "no such sample" in refusal(sampled, "v1", "--problem", "demo/nowhere")
    assert "did you mean 'demo'" in refusal(sampled, "v1", "--benchmark", "dem")


def test_a_problem_that_is_not_there_is_answered_with_an_id_of_this_run(cloned: Path) -> None:
    assert "its ids look like math500/0" in refusal(cloned, "handed-on", "--problem", "demo/66")


def test_a_clone_without_samples_lists_what_its_verdicts_know(cloned: Path) -> None:
    text = shown(cloned, "handed-on", "--wrong")
    assert "math500/1" in text
    assert "truncated" in text
    assert "math500/0" not in text
    assert f"without its {PARQUET}" in text
    cut = as_json(cloned, "handed-on", "--outcome", "truncated")
    assert [row["problem_id"] for row in cut] == ["math500/2"]
    assert cut[0]["finish_reason"] == "length"
    assert cut[0]["gold"] is cut[0]["extraction"] is cut[0]["response"] is None
    one = shown(cloned, "handed-on", "--problem", "math500/1")
    assert "responses and golds are not here" in one
    assert "wrong" in one


def test_a_clone_lists_the_same_samples_as_the_run_it_was_made_of(
    sampled: Path, tmp_path: Path
) -> None:
    (folder,) = (sampled / "runs" / "v1").iterdir()
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("run.json", "verdicts.jsonl"):
        (clone / name).write_bytes((folder / name).read_bytes())
    known = ("problem_id", "index", "outcome", "extracted", "completion_tokens")
    listed = [
        [tuple(row[name] for name in known) for row in as_json(sampled, source, "--wrong")]
        for source in (folder, clone)
    ]
    assert listed[0] == listed[1]
    assert as_json(sampled, folder) == as_json(sampled, clone)


def test_a_run_of_before_verdicts_were_kept_says_how_to_make_them(cloned: Path) -> None:
    (folder,) = (cloned / "runs" / "handed-on").iterdir()
    (folder / "verdicts.jsonl").unlink()
    text = shown(cloned, "handed-on")
    assert f"python -m harness regrade {folder.name}" in text
    assert as_json(cloned, "handed-on")["summary"] is None
    assert "came without its samples" in refusal(cloned, "handed-on", "--wrong")


def test_an_incomplete_run_says_so(tmp_path: Path) -> None:
    results = tmp_path / "results"
    responses = write_responses(tmp_path / "r.jsonl", limit=2)
    plan = prepare(replay_spec(responses, limit=2))
    RunFolder.create(results / "runs", plan.new_run("begun")).close()
    assert "no scores yet: the run is not complete" in shown(results, "begun")
    assert as_json(results, "begun")["status"] == "incomplete"
    assert "the run is incomplete" in refusal(results, "begun", "--wrong")


def test_a_published_row_has_its_counts_and_its_source(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    source = {
        "schema_version": 1,
        "title": "A paper\x1b[2J",
        "url": "https://example.org/paper",
        "results": [
            {
                "name": "theirs",
                "settings": {"temperature": 0.6},
                "scores": {
                    "math500": {"problems": 500, "correct": 119},
                    "aime24": {"problems": 30, "accuracy": "3.3"},
                },
            }
        ],
    }
    (folder / "paper.json").write_text(json.dumps(source), encoding="utf-8")
    text = shown(tmp_path, "theirs")
    assert "119/500" in text
    assert "published:theirs" in text
    assert "temperature 0.6" in text
    assert "A paper\\x1b[2J\nhttps://example.org/paper" in text
    assert as_json(tmp_path, "theirs")["scores"]["math500"]["correct"] == 119
    assert "published as counts" in refusal(tmp_path, "theirs", "--wrong")
    assert "did you mean 'theirs'" in refusal(tmp_path, "their")


def test_names_and_answers_are_disarmed(tmp_path: Path) -> None:
    (row,) = verdict_rows({"math500": [[False]]})
    hostile = row.model_copy(
        update={"answers": ("\x1b[31m\u202e7",), "groups": {"level": "\x1b[2J", "k\x07": "x"}}
    )
    store_run(tmp_path, "bad", [hostile])
    for arguments in ([], ["--wrong"], ["--by", "level"], ["--problem", row.problem_id]):
        assert not {"\x1b", "\x07", "\u202e"} & set(shown(tmp_path, "bad", *arguments))


def test_the_default_view_imports_no_table_library(cloned: Path) -> None:
    program = (
        "import sys\n"
        "from harness.cli.show import command\n"
        f"command(['handed-on', '--results', {str(cloned)!r}], standalone_mode=False)\n"
        "print('HEAVY', {'pandas', 'pyarrow', 'torch', 'matplotlib', 'sympy'} & set(sys.modules))\n"
    )
    asked = [sys.executable, "-c", program]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    assert "HEAVY set()" in done.stdout
