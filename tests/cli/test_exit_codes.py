"""Exit codes: 2 where an option or a value is refused, 1 where what was asked cannot be done."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from replayed import write_responses
from stored import store_run, verdict_rows

from harness.cli import main
from harness.runs.spec import Sampling

EVAL = "eval --model demo --benchmarks demo --limit 2"
TRAIN = "train --model demo --data demo --output out --dry-run --trainer"
REPLAY = "eval --engine replay --benchmarks demo --limit 12 --responses"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a few runs and files."""
    folder = tmp_path_factory.mktemp("work")
    rows = verdict_rows({"gsm8k": [[True], [False]]})
    store_run(folder / "results", "v1", rows)
    warm = store_run(folder / "results", "warm", rows, sampling=Sampling(temperature=0.7))
    assert warm.path is not None
    warm.path.rename(folder / "results/runs/warm/run")
    write_responses(folder / "r.jsonl", limit=12)
    (folder / "torn.jsonl").write_text("{", encoding="utf-8")
    (folder / "list.json").write_text("[]", encoding="utf-8")
    (folder / "record.json").write_text('{"schema_version": 2}', encoding="utf-8")
    (folder / "cold.json").write_text(json.dumps({"sampling": {"temprature": 1}}), encoding="utf-8")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize(
    "asked",
    [
        "evall",
        "eval --modell demo",
        "eval",
        f"{EVAL} --engine vlm",
        f"{EVAL} --prompt boxd",
        f"{EVAL} --temperature -1",
        f"{EVAL} --n 4",
        f"{EVAL} --n gsm8k=4 --temperature 1",
        f"{EVAL} --engine openai --base-url server",
        f"{EVAL} --engine openai --base-url http://a --engine-arg stream=true",
        f"{EVAL} --engine openai --base-url http://a --deterministic",
        f"{EVAL} --spec none.json",
        f"{EVAL} --spec torn.jsonl",
        f"{EVAL} --spec list.json",
        f"{EVAL} --spec record.json",
        f"{EVAL} --spec cold.json",
        f"{EVAL} --resume none",
        "eval --model ./nowhere",
        "eval --model empty",
        "eval --model demo --benchmarks aime2024",
        f"{REPLAY} none.jsonl",
        f"{REPLAY} r.jsonl --shots 99999",
        f"{REPLAY} r.jsonl --reuse none",
        "check-determinism --model demo --engine vlm",
        "show none",
        "show v1 --benchmark gsm8",
        "show v1 --outcome wron",
        "show v1 --problem gsm8k/9",
        "show v1 --by levl",
        "table none",
        "table --tag none",
        "table --write --check",
        "diff v1 none",
        "diff v1 v1 --show all",
        "report",
        "report none",
        "regrade none",
        "score none.jsonl",
        "score r.jsonl --format own",
        "score r.jsonl --benchmark dem",
        "grade none.jsonl -o -",
        "list engine",
        "data fetch gsm8",
        "data verify gsm8",
        "data build gsm8 --style boxed -o out",
        "data build demo --style box -o out",
        "data build demo --style boxed -o out --limit 0",
        "data build demo --style boxed -o out --ngram 0",
        "data build demo --style boxed -o out --revision main",
        f"{TRAIN} verl",
        f"{TRAIN} verl-grpo-v4 --steps 0",
        f"{TRAIN} verl-grpo-v4 --nodes 2",
        f"{TRAIN} verl-grpo-v4 --logger wandbb",
    ],
)
def test_a_refused_option_or_value_ends_with_2(
    asked: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(asked, folder, monkeypatch) == 2, capsys.readouterr().err


@pytest.mark.parametrize(
    "asked",
    [
        "eval --model demo --benchmarks gsm8k --data empty",
        f"{REPLAY} torn.jsonl",
        f"{REPLAY} r.jsonl --resume results/runs/warm/run",
        f"{REPLAY} r.jsonl --reuse warm",
        "diff v1 warm",
        "table --check",
        "report v1 -o none/r.html",
        "regrade v1",
        "score torn.jsonl",
    ],
)
def test_what_cannot_be_done_ends_with_1(
    asked: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(asked, folder, monkeypatch) == 1, capsys.readouterr().err


def code_of(asked: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    for variable in ("HARNESS_RESULTS", "HARNESS_DATA", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["harness", *asked.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code
