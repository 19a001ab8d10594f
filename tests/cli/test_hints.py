"""A command that a message names works when it is copied: as it was started, with its folders."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from replayed import write_responses

from benchmarks import hints
from benchmarks.hints import TAKING, hint, start_of
from harness.cli import cli
from trainers.verl.advice import ADVICE

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"python -m harness [a-z]")


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints._Begun, "start", hints.USUAL)
    monkeypatch.setattr(hints._Begun, "given", {})


@pytest.mark.parametrize(
    ("typed", "start"),
    [
        (["python", "-m", "harness", "list", "runs"], "python -m harness"),
        (["/a b/python3", "-P", "-m", "harness", "list", "runs"], "'/a b/python3' -P -m harness"),
        (["python", "/else/where/harness", "list", "runs"], "/else/where/harness"),
        (["python", "-c", "main()", "list", "runs"], "python -m harness"),
        (["python", "-m", "pytest", "list", "runs"], "python -m harness"),
        (["list", "runs"], "python -m harness"),
    ],
)
def test_a_command_is_named_as_it_was_started(typed: list[str], start: str) -> None:
    assert start_of(typed, 2) == start


def test_a_script_on_the_path_is_named_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "harness"
    script.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start_of(["python", str(script)], 0) == "harness"


def test_only_commands_that_take_a_folder_are_given_it() -> None:
    hints.begin("harness")
    hints.remember("--results", "my results")
    hints.remember("--data", "D")
    assert hint("show v1 --wrong") == "harness show v1 --wrong --results 'my results'"
    assert hint("regrade v1") == "harness regrade v1 --results 'my results' --data D"
    assert hint("data fetch") == "harness data fetch"
    assert hint("show v1 --results other") == "harness show v1 --results other"
    hints.forget("--results")
    assert hint("show v1") == "harness show v1"


def test_the_options_are_those_that_the_commands_have() -> None:
    for option, commands in TAKING.items():
        for name in commands:
            found = cli.get_command(click.Context(cli), name)
            assert found is not None
            assert option in {opt for one in found.params for opt in one.opts}


def test_what_eval_advises_works_when_it_is_copied(tmp_path: Path) -> None:
    write_responses(tmp_path / "r.jsonl", limit=4)
    asked = [
        *(sys.executable, "-m", "harness", "eval", "--engine", "replay", "--responses", "r.jsonl"),
        *("--benchmarks", "demo", "--limit", "4", "--results", "my results"),
    ]
    done = subprocess.run(asked, check=True, capture_output=True, text=True, cwd=tmp_path)
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("next: ")]
    words = shlex.split(line.removeprefix("next: "))
    assert words[0] == sys.executable
    shown = subprocess.run(words, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "demo/test-0002" in shown.stdout


def test_what_the_environment_names_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path))
    done = CliRunner().invoke(cli, ["table"])
    assert str(done.exception).endswith("python -m harness eval --model demo --benchmarks demo")
    done = CliRunner().invoke(cli, ["table", "--results", str(tmp_path)])
    assert str(done.exception).endswith(f"--benchmarks demo --results {tmp_path}")
    assert hint("show v1") == "python -m harness show v1", "forgotten with the command"


def test_advice_to_a_training_names_the_command_as_it_was_started() -> None:
    hints.begin("harness")
    said = [one.said for one in ADVICE if "data build" in one.what_to_do]
    assert len(said) == 2
    assert all("`harness data build`" in text for text in said)


def texts() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of every string of the product that is no docstring or help."""
    for room in ("benchmarks", "harness", "trainers"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            told = [
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            ]
            for node in ast.walk(tree):
                is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
                if is_text and node not in told:
                    yield f"{path.relative_to(ROOT)}", node.value


def test_no_message_names_a_command_by_itself() -> None:
    """Help shows examples, and what is stored or sent on is read elsewhere."""
    elsewhere = {"harness/reporting/html/overview.py", "harness/reporting/kept_tables.py"}
    found = {
        place
        for place, text in texts()
        if COMMAND.search(text) and not text.startswith(("\b\nExamples:", "Start with: "))
    }
    assert found - elsewhere == set()
