"""What the pages say of commands, rows and code is so."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from harness.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)?(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _command_lines() -> Iterator[tuple[str, str]]:
    """Yield every command of ours that a page shows, in a block or between backticks."""
    for page in PAGES:
        text = page.read_text("utf-8").replace("\\\n", " ")
        for found in re.finditer(r"(?:python -m|^\$ python -m) harness ([a-z][^\n`#|]*)", text):
            yield page.name, found[1].strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(_command_lines())))
def test_a_command_that_is_shown_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line.replace("'", ""))
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None
        command = found
    known = {name for option in command.params for name in option.opts}

    assert {word for word in words if re.match(r"--?[a-z]", word)} <= known


def _rows(title: str) -> str:
    page = (ROOT / "docs" / "import.md").read_text("utf-8")
    (block,) = [content for _, named, content in FENCE.findall(page) if named == title]
    return str(block)


@pytest.mark.parametrize("title", ["harness", "qwen", "lm-eval", "lighteval"])
def test_score_reads_the_row_of_each_format(title: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(_rows(title), encoding="utf-8")
    asked = ["score", str(file), "--benchmark", "demo", "--results", str(tmp_path), "--json"]

    done = CliRunner().invoke(cli, asked)

    assert done.exit_code == 0, done.output
    (score,) = json.loads(done.stdout)["run"]["scores"]
    assert score["correct"] == 1
    assert f"saved:{title}" == json.loads(done.stdout)["run"]["spec"]["engine"]["name"]


def test_grade_reads_its_rows_and_writes_the_one_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(_rows("grade"), encoding="utf-8")

    done = CliRunner().invoke(cli, ["grade", str(tmp_path / "pairs.jsonl"), "-o", "-"])

    outcomes = [json.loads(line)["outcome"] for line in done.stdout.splitlines()]
    assert outcomes == ["correct", "correct", "truncated"]
    assert done.stdout.splitlines()[0] in (ROOT / "docs" / "import.md").read_text("utf-8")


def test_replay_reads_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "responses.jsonl"
    file.write_text(_rows("replay"), encoding="utf-8")
    asked = ["eval", "--engine", "replay", "--responses", str(file), "--benchmarks", "demo"]

    done = CliRunner().invoke(cli, [*asked, "--limit", "2", "--results", str(tmp_path), "--json"])

    (score,) = json.loads(done.stdout)["scores"]
    assert score["outcomes"] == {"correct": 1, "wrong": 1}


def test_every_outcome_is_defined() -> None:
    from harness.grading import Outcome

    page = (ROOT / "docs" / "grading.md").read_text("utf-8")
    section = page.partition("## The nine outcomes")[2].partition("\n## ")[0]

    assert re.findall(r"^### (.*)$", section, re.MULTILINE) == [str(one) for one in Outcome]


def test_every_page_is_listed_and_begins_with_what_it_is_for() -> None:
    listed = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)

    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_what_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "README.md").read_text("utf-8"))

    assert len(links) > 15
    assert not [link for link in links if not (ROOT / link).is_file()]


@pytest.mark.parametrize(
    "title", ["mybench.py", "shouting.py", "copying_trainer.py", "lenient.py", "mytool.py"]
)
def test_a_worked_example_is_code_that_runs(title: str) -> None:
    page = (ROOT / "docs" / "extend.md").read_text("utf-8")
    (code,) = [content for _, named, content in FENCE.findall(page) if named == title]

    exec(compile(code, title, "exec"), {"__name__": title.removesuffix(".py")})


def test_the_engine_that_is_shown_is_installed_and_evaluates(tmp_path: Path) -> None:
    """As a reader would do it: two files, an installation, and the command of the page."""
    page = (ROOT / "docs" / "extend.md").read_text("utf-8")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("shouting.py", "pyproject.toml"):
        (code,) = [content for _, named, content in FENCE.findall(page) if named == name]
        (source / name).write_text(code, encoding="utf-8")
    (line,) = re.findall(r"^python -m harness (eval --engine shouting .*)$", page, re.MULTILINE)
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    asked = ["pip", "install", *offline, "--target", str(tmp_path / "site"), str(source)]
    installed = subprocess.run(
        [sys.executable, "-m", *asked], check=False, capture_output=True, text=True
    )
    assert installed.returncode == 0, installed.stderr

    path = os.pathsep.join([str(tmp_path / "site"), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "harness", *shlex.split(line), "--json"],
        check=False, capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert run["spec"]["engine"]["name"] == "shouting"
    assert run["scores"][0]["samples"] == 200

    bare = tmp_path / "bare"  # without what the installation left beside the source
    bare.mkdir()
    for name in ("shouting.py", "pyproject.toml"):
        (bare / name).write_bytes((source / name).read_bytes())
    alone = subprocess.run(
        [sys.executable, "-m", "harness", *shlex.split(line)],
        check=False, capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(bare), os.environ["PYTHONPATH"]])},
    )  # fmt: skip
    assert "shouting" in alone.stderr
    assert alone.returncode == 2


def test_entry_points_that_are_shown_are_toml() -> None:
    page = (ROOT / "docs" / "extend.md").read_text("utf-8")
    blocks = [content for language, _, content in FENCE.findall(page) if language == "toml"]

    assert len(blocks) == 4
    for block in blocks:
        assert tomllib.loads(block)["project"]["entry-points"]


def test_published_results_that_are_shown_are_readable(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "extend.md").read_text("utf-8")
    (shown,) = [content for language, _, content in FENCE.findall(page) if language == "json"]
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "theirs.json").write_text(shown, encoding="utf-8")

    done = CliRunner().invoke(cli, ["show", "their-model", "--results", str(tmp_path)])

    assert "84.2" in done.output
