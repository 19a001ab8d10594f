"""Old records stay readable: what they lack has a default, and the tables show them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from replayed import replay_spec
from shipped import shipped_runs

from harness.evaluation.plan import prepare
from harness.reporting.text.runs import run_fields, runs_table, score_table
from harness.runs.record import MIGRATIONS, SCHEMA_VERSION, Run, read_run
from harness.runs.results import of_run

GOLDEN = sorted((Path(__file__).parent.parent / "golden" / "runs").glob("schema-*/run.json"))
ADDED = {"regraded_from", "saved"}


@pytest.mark.parametrize("name", shipped_runs())
def test_every_stored_run_is_read_and_shown(name: str, shipped: Path) -> None:
    path = shipped.parent / name
    run = read_run(path)
    assert run.id == path.parent.name
    assert run.name in runs_table([of_run(Path(), run)], "text")
    assert all(score.benchmark in score_table(run, Path()) for score in run.scores)
    assert run_fields(run)["trusted"] is True


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_a_record_of_every_past_schema_is_read(path: Path) -> None:
    """A golden file a version; none is ever changed, and a new version adds one."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    assert path.parent.name == f"schema-{fields['schema_version']}"
    run = read_run(path)
    assert run.schema_version == SCHEMA_VERSION
    assert [score.model_dump()["correct"] for score in run.scores] == [
        score["correct"] for score in fields["scores"]
    ]
    assert read_run(path) == Run.model_validate(json.loads(run.to_json()))


def test_every_schema_has_its_golden_file() -> None:
    versions = {int(path.parent.name.removeprefix("schema-")) for path in GOLDEN}
    assert versions == {*MIGRATIONS, SCHEMA_VERSION}


def test_verdicts_of_every_past_schema_are_read() -> None:
    (folder,) = (path.parent for path in GOLDEN if (path.parent / "verdicts.jsonl").is_file())
    run = read_run(folder / "run.json")
    rows = of_run(folder, run).verdicts
    assert rows is not None
    assert sum(row.correct for row in rows["demo"]) == run.scores[0].correct


def test_a_record_from_before_these_fields_is_read(tmp_path: Path, responses: Path) -> None:
    run = prepare(replay_spec(responses, limit=1)).new_run("old")
    fields = {k: v for k, v in json.loads(run.to_json()).items() if k not in ADDED}
    for identity in fields["identity"]["benchmarks"].values():
        del identity["conventions"]
    path = tmp_path / "run.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    old = read_run(path)
    assert old.regraded_from is None
    assert old.saved is None
    assert old.identity.benchmarks["demo"].conventions == ""
