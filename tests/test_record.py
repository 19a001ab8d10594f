"""Old records stay readable: what they lack has a default, and the tables show them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from replayed import replay_spec

from harness.plan import prepare
from harness.record import read_run
from harness.tables import run_fields, runs_table, score_table

STORED = sorted((Path(__file__).parent.parent / "results" / "runs").glob("*/*/run.json"))
ADDED = {"regraded_from", "saved"}


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.parent.name)
def test_every_stored_run_is_read_and_shown(path: Path) -> None:
    run = read_run(path)
    assert run.id == path.parent.name
    assert run.name in runs_table([run], "text")
    assert all(score.benchmark in score_table(run) for score in run.scores)
    assert run_fields(run)["trusted"] is True


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
