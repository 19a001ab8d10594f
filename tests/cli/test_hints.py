"""A command that a message names works when it is copied: as it was started, with its folders."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from replayed import write_responses

from benchmarks import hints
from benchmarks.hints import TAKING, hint, setting, start_of, word
from harness.cli import cli
from harness.common.text import printable
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


@pytest.mark.parametrize("shell", ["bash", "zsh", "ksh"])
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example(text="")
@example(text=os.fsdecode(b"caf\xe9's \\ \xff7"))
@example(text="two\nlines\u202e")
def test_any_path_works_in_a_command_that_is_copied(shell: str, text: str) -> None:
    written = word(text)
    assert printable(written) == written, "it is shown as it is"
    if (found := shutil.which(shell)) is None:
        pytest.skip(f"no {shell} here")
    done = subprocess.run([found, "-c", f"printf %s {written}"], check=True, capture_output=True)
    assert done.stdout == os.fsencode(text)


def test_a_folder_whose_name_is_no_utf8_is_named_as_the_shell_takes_it() -> None:
    hints.remember("--results", os.fsdecode(b"caf\xe9"))
    assert hint("show v1") == r"python -m harness show v1 --results $'caf\351'"


def test_a_setting_is_named_as_it_was_given() -> None:
    assert setting("base_url") == "base_url"
    for command, name, option in (
        ("eval", "data_dir", "--data"),
        ("train", "data_dir", "--data-dir"),
        ("eval", "engine_args", "--engine-arg"),
        ("diff", "engine_args", "engine_args"),
        ("show", "run", "run"),
    ):
        found = cli.get_command(click.Context(cli), command)
        assert found is not None
        with click.Context(found):
            assert setting(name) == option


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--base-url", "ftp://x"], "--base-url is no URL of a server"),
        (["--key-variable", "sk-0123456789abcdefghij"], "--key-variable names the environment"),
        (["--engine-arg", "seed=3"], "--engine-arg seed: the run records"),
    ],
)
def test_an_error_of_a_command_names_the_option(
    given: list[str], told: str, tmp_path: Path
) -> None:
    asked = ["eval", "--engine", "openai", "--model", "m", "--benchmarks", "demo"]
    done = CliRunner().invoke(cli, [*asked, *given, "--results", str(tmp_path)])
    assert told in str(done.exception)


def test_every_setting_that_a_message_names_is_an_option_of_some_command() -> None:
    named = {
        node.args[0].value
        for room in ("benchmarks", "harness", "trainers")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "setting"
        and isinstance(node.args[0], ast.Constant)
    }
    commands = [cli.get_command(click.Context(cli), name) for name in cli.list_commands(None)]  # type: ignore[arg-type]
    options = {one.name for command in commands if command for one in command.params}
    assert named - options == set()
    assert len(named) > 10


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
