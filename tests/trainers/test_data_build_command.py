"""`python -m harness data build`: what it prints, what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import cli

GOLDEN = Path(__file__).parent.parent / "golden" / "help-data-build.txt"


def harness(*arguments, cwd):
    asked = [sys.executable, "-m", "harness", "data", "build", *map(str, arguments)]
    # A folder without the benchmarks' files: nothing is fetched, whatever the network is.
    environment = {**os.environ, "HARNESS_DATA": str(cwd / "none")}
    return subprocess.run(
        asked, check=False, capture_output=True, text=True, cwd=cwd, env=environment
    )


def test_help_is_frozen(request, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    asked = ["data", "build", "--help"]
    cli.main(asked, prog_name="python -m harness", standalone_mode=False)
    text = capsys.readouterr().out
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_demo_is_built_and_told_about(tmp_path):
    done = harness("demo", "--style", "gsm8k", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2,000 rows read, 1,980 for training, 20 held out" in done.stdout
    assert "gsm8k-strict                   842/842          0/1,158" in done.stdout
    assert "0 rows share 13 words in a row" in done.stdout
    unchecked = "minerva_math, gsm8k, amc23, olympiadbench, math500, aime24"
    assert (
        f"not compared with these benchmarks, whose files are not here: {unchecked}" in done.stdout
    )
    again = harness("demo", "--style", "gsm8k", "-o", "out", "--json", cwd=tmp_path)
    assert json.loads(again.stdout) == json.loads((tmp_path / "out/card.json").read_text())
    assert "is the same build already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["demo", "-o", "out"], 2, "Missing option '--style'"),
        (["demo", "--style", "boxd", "-o", "out"], 2, "did you mean 'boxed'"),
        (["rows.jsonl", "--style", "boxed", "-o", "out"], 2, "there is no such file"),
        (["bad.jsonl", "--style", "boxed", "-o", "out"], 1, "0 of 1 rows can be used"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_what_cannot_be_built_is_one_paragraph(arguments, code, message, tmp_path):
    (tmp_path / "bad.jsonl").write_text("torn\n")
    done = harness(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_bad_rows_and_contradictions_are_told(tmp_path):
    rows = [{"prompt": f"Q{n}?", "reasoning": "So.", "answer": "1"} for n in range(3)]
    rows.append({**rows[0], "answer": "2"})
    text = "".join(json.dumps(row) + "\n" for row in rows) + "torn\n"
    (tmp_path / "rows.jsonl").write_text(text)
    done = harness("rows.jsonl", "--style", "boxed", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for told in (
        "5 rows read, 3 for training, 1 held out",
        "1 left out: incomplete or not JSON",
        "1 kept, although an earlier row has the same question with another answer",
        "listed in bad_rows.jsonl",
    ):
        assert told in done.stdout
