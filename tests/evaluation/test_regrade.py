"""`regrade`: a new run from old samples, and a list of what changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from replayed import replay_spec

from benchmarks import UserError
from harness.cli import cli
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import prepare
from harness.evaluation.regrade import RewardGrading, _source_sum
from harness.evaluation.regrade import regrade as grade_again
from harness.grading import Grader, grader_version
from harness.grading.compat.rewards import VERSIONS
from harness.runs.catalogue import Catalogue
from harness.runs.file_names import JOURNAL, PARQUET, RECORD
from harness.runs.folder import RunFolder
from harness.runs.record import Run, read_run
from harness.runs.samples_table import finished_samples


@pytest.fixture
def old(tmp_path: Path, responses: Path) -> Path:
    """A complete run of twelve samples under ``tmp_path``, called ``v1``."""
    plan = prepare(replay_spec(responses, limit=12))
    root = tmp_path / "runs"
    with RunFolder.create(root, plan.new_run("v1")) as folder, Grader(workers=1) as grader:
        evaluate(plan, folder, grader=grader)
        return folder.path


def regrade(path: Path, *arguments: str) -> dict[str, Any]:
    root = path.parents[2]
    asked = [str(path), "--results", str(root), "--json", *arguments]
    result = CliRunner().invoke(cli, ["regrade", *asked], catch_exceptions=False)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def edit_record(path: Path, change: Callable[[dict[str, Any]], None]) -> Run:
    fields = json.loads((path / RECORD).read_text(encoding="utf-8"))
    change(fields)
    (path / RECORD).write_text(json.dumps(fields), encoding="utf-8")
    return read_run(path / RECORD)


def contents(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in (RECORD, JOURNAL, PARQUET)}


def with_other_verdicts(path: Path) -> None:
    """Store verdicts of another grader: two right samples wrong, one wrong sample right."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(path / PARQUET).to_pylist()
    for row, outcome in ((0, "wrong"), (3, "wrong"), (1, "correct")):
        rows[row].update(outcome=outcome, rule="old rule")
    pq.write_table(pa.Table.from_pylist(rows), path / PARQUET)


def test_a_regraded_run_is_new_and_the_old_one_untouched(old: Path) -> None:
    before = contents(old)
    done = regrade(old)
    assert contents(old) == before
    path, new = Catalogue(old.parents[2]).find_run(done["run"]["id"])
    assert path != old
    assert new.regraded_from == read_run(old / RECORD).id
    assert new.identity.grader == grader_version()
    assert new.scores == read_run(old / RECORD).scores
    assert finished_samples(path) == finished_samples(old)
    assert done["changes"] == []


def test_the_verdicts_that_changed_are_listed(old: Path) -> None:
    with_other_verdicts(old)
    done = regrade(old)
    listed = [(row["problem_id"], row["before"], row["after"]) for row in done["changes"]]
    assert listed == [
        ("demo/test-0001", "wrong", "correct"),
        ("demo/test-0002", "correct", "wrong"),
        ("demo/test-0004", "wrong", "correct"),
    ]
    assert {row["rule_before"] for row in done["changes"]} == {"old rule"}
    text = CliRunner().invoke(cli, ["regrade", str(old), "--results", str(old.parents[2])]).stdout
    assert "3 verdicts changed: 1 correct -> wrong, 2 wrong -> correct" in text


@pytest.mark.parametrize(("missing", "changes"), [(JOURNAL, []), (PARQUET, None)])
def test_either_file_of_samples_is_enough(missing: str, changes: object, old: Path) -> None:
    (old / missing).unlink()
    done = regrade(old)
    assert done["run"]["scores"][0]["correct"] == 4
    assert done["changes"] == changes


def test_a_run_without_its_samples_is_refused(old: Path) -> None:
    (old / JOURNAL).unlink()
    (old / PARQUET).unlink()
    with pytest.raises(UserError, match="has no samples any more"):
        regrade(old)


def test_a_run_that_lost_a_sample_is_refused(old: Path) -> None:
    (old / PARQUET).unlink()
    lines = (old / JOURNAL).read_text(encoding="utf-8").splitlines(keepends=True)
    (old / JOURNAL).write_text("".join(lines[1:]), encoding="utf-8")
    with pytest.raises(UserError, match="0 of the 1 samples of demo/test-0001"):
        regrade(old)


def test_an_incomplete_run_is_refused(old: Path) -> None:
    edit_record(old, lambda fields: fields.update(status="incomplete"))
    with pytest.raises(UserError, match="is incomplete"):
        regrade(old)


def test_other_problems_are_refused_by_name(old: Path) -> None:
    edit_record(
        old, lambda fields: fields["identity"]["benchmarks"]["demo"].update(sum="0123456789abcdef")
    )
    with pytest.raises(UserError, match=r"other problems of demo.*0123456789ab…"):
        regrade(old)
    assert len(list(old.parents[1].glob("*/*"))) == 1


def test_what_the_engine_failed_on_stays_an_engine_error(old: Path) -> None:
    lines = (old / JOURNAL).read_text(encoding="utf-8").splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "finish_reason": "error", "error": "lost"})
    (old / JOURNAL).write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = regrade(old)
    assert done["run"]["scores"][0]["outcomes"]["engine error"] == 1


def test_what_counts_of_a_response_is_its_prompt_styles_to_say(old: Path) -> None:
    lines = [json.loads(line) for line in (old / JOURNAL).read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["response"] += "\n\nQuestion: the next one\nAnswer: \\boxed{31337}"
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (old / JOURNAL).write_text(text, encoding="utf-8")
    assert regrade(old)["run"]["scores"][0]["correct"] == 0
    from harness.prompts.styles import PROMPT_STYLES

    raw = next(style for style in PROMPT_STYLES.values() if style.end)
    text = text.replace("\\n\\nQuestion:", json.dumps(raw.end)[1:-1])
    (old / JOURNAL).write_text(text, encoding="utf-8")
    edit_record(old, lambda fields: fields["spec"]["prompt"].update(style=raw.name))
    assert regrade(old)["run"]["scores"][0]["correct"] == 4


def test_a_rewards_verdicts_cannot_be_mistaken_for_the_harnesss(old: Path) -> None:
    lines = [json.loads(line) for line in (old / JOURNAL).read_text(encoding="utf-8").splitlines()]
    lines[0]["response"] = "The sum is clear.\n#### 17"
    (old / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = regrade(old, "--reward", "hendrycks-boxed")
    run = done["run"]
    assert run["name"] == "v1@hendrycks-boxed"
    assert run["identity"]["grader"] == f"reward:hendrycks-boxed+{VERSIONS['hendrycks-boxed']}"
    assert run["scores"][0]["correct"] == 3, "only what is boxed"
    assert set(run["scores"][0]["outcomes"]) == {"correct", "wrong"}
    assert Catalogue(old.parents[2]).find_run("v1")[0] == old

    from harness.reporting.text.runs import runs_table, score_table
    from harness.runs.results import of_run

    stored = Catalogue(old.parents[2]).find_run(run["id"])[1]
    for text in (score_table(stored, Path()), runs_table([of_run(Path(), stored)], "text")):
        assert "not the harness's own score" in text
    back = regrade(Catalogue(old.parents[2]).find_run(run["id"])[0])
    assert back["run"]["name"] == "v1"
    assert back["run"]["identity"]["grader"] == grader_version()


def test_a_reward_that_raises_fails_on_that_sample_only(
    old: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def faulty(response: str, gold: str) -> object:
        asked.append(response)
        if len(asked) == 1:
            raise KeyError("\x1b[2J")
        return "yes" if len(asked) == 2 else 1.0

    grading = RewardGrading("gsm8k-strict")
    grading._reward = faulty  # type: ignore[assignment]
    done = grade_again(old, read_run(old / RECORD), grading=grading, root=old.parents[1])
    (score,) = done.new.scores
    assert score.outcomes["grader error"] == 2
    assert score.correct == score.samples - 2
    assert "failed on 2 of 12 samples, first with KeyError: '\\x1b[2J'" in caplog.text


def test_a_reward_that_always_raises_is_told_and_nothing_stored(old: Path) -> None:
    grading = RewardGrading("gsm8k-strict")
    grading._reward = lambda response, gold: 1 / 0
    with pytest.raises(UserError, match="failed on 12 of 12 samples, first with ZeroDivisionError"):
        grade_again(old, read_run(old / RECORD), grading=grading, root=old.parents[1])
    assert len(list(old.parents[1].glob("*/*/run.json"))) == 1


def test_a_reward_without_a_file_has_no_version() -> None:
    with pytest.raises(UserError, match="the file that defines it cannot be read"):
        _source_sum("mine", len)


def test_an_unknown_reward_is_told_which_there_are(old: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'gsm8k-strict'"):
        regrade(old, "--reward", "gsm8k-strikt")


def test_a_regraded_run_can_be_regraded_and_copied(old: Path, tmp_path: Path) -> None:
    first = regrade(old)["run"]
    second = regrade(Catalogue(old.parents[2]).find_run(first["id"])[0])["run"]
    assert second["regraded_from"] == first["id"]
    assert len({read_run(old / RECORD).id, first["id"], second["id"]}) == 3
    elsewhere = tmp_path / "copy"
    shutil.copytree(Catalogue(old.parents[2]).find_run(second["id"])[0], elsewhere)
    assert read_run(elsewhere / RECORD).id == second["id"]
