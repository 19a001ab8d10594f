"""`eval`, `show` and `table --cost` say what a run took."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from replayed import write_responses
from stored import store_run, verdict_rows

from harness.runs.record import Phases, Usage
from harness.runs.spec import EngineSpec, Server

HERE = Path(__file__).parent.parent


def harness(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(asked, check=False, capture_output=True, text=True, cwd=cwd)


def replay(cwd: Path, responses: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    fixed = ["--engine", "replay", "--responses", responses, "--benchmarks", "demo"]
    return harness("eval", *fixed, *arguments, cwd=cwd)


def test_eval_ends_with_what_it_took(tmp_path: Path, responses: Path) -> None:
    prices = ["--completion-price", 1_000, "--prompt-price", 0]
    done = replay(tmp_path, responses, "--limit", 12, "--name", "v1", "--completion-price", 1_000)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^cost: 12 samples drawn, 126 response tokens, [\d,.]+ tokens/s, "
        r"0\.13 by the prices given$",
        done.stdout,
        re.MULTILINE,
    )
    assert re.search(
        r"^time: .+: prepare .+, start .+, generate .+, finish .+; engine busy [\d.]+ %$",
        done.stdout,
        re.MULTILINE,
    )
    assert "about the cost: no price of prompt tokens was given" in done.stdout
    anew = replay(tmp_path, responses, "--limit", 12, "--name", "v2", "--json", *prices)
    cost = json.loads(anew.stdout)["cost"]
    assert (cost["drawn"], cost["completion_tokens"], cost["prompt_tokens"]) == (12, 126, None)
    assert cost["money"] is None  # its prompts have a price, and nobody counted them
    assert cost["at_least"] is False


def test_show_says_all_of_it(tmp_path: Path, responses: Path) -> None:
    assert replay(tmp_path, responses, "--limit", 12, "--name", "v1").returncode == 0
    shown = harness("show", "v1", cwd=tmp_path).stdout
    assert re.search(r"^drawn +12  samples that", shown, re.MULTILINE)
    assert re.search(r"^prompt tokens +-$", shown, re.MULTILINE)
    assert re.search(r"^events +none$", shown, re.MULTILINE)
    fields = json.loads(harness("show", "v1", "--json", cwd=tmp_path).stdout)
    assert fields["cost"]["completion_tokens"] == 126
    assert fields["cost"]["phases"].keys() == fields["phases"].keys()
    regraded = json.loads(harness("regrade", "v1", "--json", cwd=tmp_path).stdout)["run"]
    assert regraded["cost"]["completion_tokens"] is None
    assert f"{fields['id']}, graded again" in harness("show", regraded["id"], cwd=tmp_path).stdout


def test_a_run_that_adopts_samples_bears_the_cost_of_its_own(tmp_path: Path) -> None:
    responses = write_responses(tmp_path / "r.jsonl", limit=6, n=3)
    sampled = ["--temperature", 1, "--limit", 6]
    assert replay(tmp_path, responses, *sampled, "--n", 2, "--name", "two").returncode == 0
    grown = replay(tmp_path, responses, *sampled, "--n", 3, "--name", "three", "--reuse", "two")
    assert "cost: 6 samples drawn" in grown.stdout
    assert "12 samples are not in it: adopted from" in grown.stdout
    assert "≥" not in grown.stdout


def test_what_a_killed_attempt_drew_is_told_to_be_missing(tmp_path: Path, responses: Path) -> None:
    def attempt(point: str) -> int:
        asked = [sys.executable, HERE / "helpers/killed_run.py", point, tmp_path / "results"]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        return subprocess.run([*asked, responses], check=False, env=environment).returncode

    assert attempt("sample 5") == -9
    assert attempt("never") == 0
    (row,) = json.loads(harness("table", "--cost", "--json", cwd=tmp_path).stdout)
    assert (row["drawn"], row["at_least"]) == (7, True)
    table = harness("table", "--cost", cwd=tmp_path).stdout
    assert re.search(r"^replayed \[1\] +≥ 7 ", table, re.MULTILINE)
    assert "[1] of 7 of 12 samples drawn" in table


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run that tells everything, one of which a part is known, one of before, one regraded."""
    rows = verdict_rows({"demo": [[True, False]] * 10})
    phases = Phases(prepare=2.25, engine_start=38.0, generate=3600.0, handle=36.0, finish=4.0)
    usage = Usage(samples=20, prompt_tokens=2_000, completion_tokens=7_200_000)
    failed = Usage(
        samples=15, prompt_tokens=900, completion_tokens=3_000, events={"retries": 3, "restarts": 1}
    )
    made = {
        "whole": {"phases": phases, "usage": usage},
        "part": {"phases": phases, "usage": failed},
        "old": {"phases": Phases(prepare=1, engine_start=20, generate=100, finish=0.2)},
        "again": {"phases": Phases(finish=3.0), "usage": usage, "regraded_from": "20260101T0000"},
    }
    results = tmp_path / "results"
    for name, changes in made.items():
        store_run(results, name, rows, **changes)
    whole = store_run(tmp_path / "elsewhere", "priced", rows, phases=phases, usage=usage).run
    assert whole is not None
    server = Server(prompt_price=5, completion_price=10)
    spec = whole.spec.model_copy(update={"engine": EngineSpec(name="openai", server=server)})
    store_run(tmp_path / "priced", "priced", rows, phases=phases, usage=failed, spec=spec)
    return results


def without_ids(text: str) -> str:
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "20260101T000000Z-00000000", text)


def test_the_table_of_costs_is_frozen(stored: Path, request: pytest.FixtureRequest) -> None:
    """To accept a change: `pytest tests/test_cost_cli.py --update-golden`."""
    text = without_ids(harness("table", "--cost", cwd=stored.parent).stdout)
    golden = HERE / "golden" / "table-cost.txt"
    if request.config.getoption("--update-golden"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_form_tells_the_unknown_from_zero(stored: Path) -> None:
    def shown(form: str) -> str:
        done = harness("table", "--cost", "--format", form, cwd=stored.parent)
        assert done.returncode == 0, done.stderr
        return done.stdout

    rows = {row["name"]: row for row in json.loads(shown("json"))}
    assert rows["whole"]["tokens_per_second"] == 2_000
    assert rows["whole"]["events"] == {}
    assert rows["part"]["events"] == {"retries": 3, "restarts": 1}
    assert (rows["old"]["wall_seconds"], rows["old"]["drawn"]) == (121.2, None)
    assert rows["again"]["wall_seconds"] is None
    cells = {row["name"]: row for row in csv.DictReader(io.StringIO(shown("csv")))}
    assert (cells["whole"]["events"], cells["old"]["events"]) == ("none", "")
    assert (cells["whole"]["generate_seconds"], cells["again"]["generate_seconds"]) == (
        "3600.0",
        "",
    )
    assert re.search(r"^\| old \[2\] +\|( +- \|){6} +2 min 1 s", shown("markdown"), re.MULTILINE)
    assert shown("latex").startswith("\\begin{tabular}")


def test_money_has_a_column_where_there_is_any(stored: Path) -> None:
    assert "money" not in harness("table", "--cost", cwd=stored.parent).stdout
    priced = harness("table", "--cost", "--results", "priced", cwd=stored.parent).stdout
    assert re.search(r" money .* ≥ 0\.034 ", priced, re.DOTALL)


def test_published_results_have_no_cost(shipped: Path, tmp_path: Path) -> None:
    asked = ["table", "--cost", "--json", "--results", shipped]
    names = [row["name"] for row in json.loads(harness(*asked, cwd=tmp_path).stdout)]
    assert "demo-start" in names
    assert "openseek-v1" not in names
    done = harness("table", "openseek-v1", "--cost", "--results", shipped, cwd=tmp_path)
    assert done.returncode == 1
    assert "openseek-v1" in done.stderr


def test_costs_are_not_written_into_the_kept_tables(stored: Path) -> None:
    done = harness("table", "--cost", "--write", cwd=stored.parent)
    assert done.returncode == 2
    assert not (stored / "TABLE.md").exists()
