"""The command line: what it prints, what it refuses, how it exits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from replayed import write_responses

from harness.cli import COMMANDS, cli

GOLDEN = Path(__file__).parent.parent / "golden"


def harness(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(asked, check=False, capture_output=True, text=True, cwd=cwd)


def replay(cwd: Path, responses: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    fixed = ["--engine", "replay", "--responses", responses, "--benchmarks", "demo", "--limit", 12]
    return harness("eval", *fixed, *arguments, cwd=cwd)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_frozen(
    command: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To accept a change: `pytest tests/cli/test_cli.py --update-golden`."""
    asked = [command, "--help"] if command else ["--help"]
    monkeypatch.setenv("COLUMNS", "80")
    cli.main(asked, prog_name="python -m harness", standalone_mode=False)
    text = capsys.readouterr().out
    golden = GOLDEN / f"help-{command or 'harness'}.txt"
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_flag_of_eval_is_a_setting_or_named_here() -> None:
    from harness.cli.eval import command
    from harness.runs.field_names import FIELDS

    elsewhere = {
        "name", "tags", "spec_file", "resume", "estimate", "again", "reuse", "data_dir", "results",
        "as_json",
    }  # fmt: skip
    by_n = {"n_by_benchmark"}  # --n gsm8k=1,aime24=32
    assert {p.name for p in command.params} - elsewhere == FIELDS.keys() - by_n


@pytest.mark.parametrize(
    ("command", "now", "earlier"),
    [
        ("eval", "--estimate", "--plan"),
        ("diff", "--allow-mismatch", "--anyway"),
        ("report", "--allow-mismatch", "--anyway"),
    ],
)
def test_an_option_is_also_known_by_its_earlier_name_which_help_leaves_out(
    command: str, now: str, earlier: str, tmp_path: Path
) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    (option,) = [one for one in found.params if now in one.opts]
    assert earlier in option.opts
    text = found.get_help(click.Context(found, **cli.context_settings))
    assert now in text
    assert earlier not in text


def test_eval_prints_a_table_and_stores_the_run(tmp_path: Path, responses: Path) -> None:
    done = replay(tmp_path, responses, "--name", "v1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^demo +4/12 +33\.3 +\[13\.8, 60\.9\] +0 +4 +10", done.stdout, re.MULTILINE)
    assert re.search(r"^average +33\.3", done.stdout, re.MULTILINE)
    assert "only the first 12 problems" in done.stdout
    assert "stored in results/runs/v1/" in done.stdout
    again = replay(tmp_path, responses, "--name", "v1")
    assert "already complete" in again.stderr
    assert again.stdout == done.stdout
    assert len(list((tmp_path / "results/runs/v1").iterdir())) == 1
    anew = replay(tmp_path, responses, "--name", "v1", "--again")
    assert anew.returncode == 0


def test_show_lists_wrong_samples_and_disarms_them(tmp_path: Path) -> None:
    responses = tmp_path / "r.jsonl"
    hostile = "\x1b[2J\x1b]0;owned\x07 [red]x[/red] \\boxed{\x1b[31m-424242}\u202e"
    rows = [{"problem_id": f"demo/test-{n:04}", "response": hostile} for n in range(1, 12)]
    rows.append({"problem_id": "demo/test-0012", "response": "no answer at all"})
    responses.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert replay(tmp_path, responses, "--name", "bad").returncode == 0
    for arguments in (["--wrong"], ["--problem", "demo/test-0003"]):
        shown = harness("show", "bad", *arguments, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert "demo/test-0003" in shown.stdout
        assert not {"\x1b", "\x07", "\u202e"} & set(shown.stdout)
    assert "\\x1b[2J" in shown.stdout
    as_json = json.loads(harness("show", "bad", "--wrong", "--json", cwd=tmp_path).stdout)
    assert len(as_json) == 12


def test_table_prints_runs_in_every_format(tmp_path: Path, responses: Path) -> None:
    assert replay(tmp_path, responses, "--name", "v1").returncode == 0
    shown = {
        form: harness("table", "--format", form, cwd=tmp_path).stdout
        for form in ("text", "markdown", "csv", "latex", "json")
    }
    assert all("v1" in text and "33.3" in text for text in shown.values())
    assert json.loads(shown["json"])[0]["average"] == pytest.approx(100 / 3)
    assert shown["csv"].startswith("rank,group,name,demo,average")
    assert shown["latex"].startswith("\\begin{tabular}")


def test_a_table_of_nothing_says_how_to_make_a_run(tmp_path: Path) -> None:
    done = harness("table", cwd=tmp_path)
    assert done.returncode == 1
    assert "python -m harness eval --model demo" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["eval"], 2, "which model?"),
        (["eval", "--model", "./nowhere"], 2, "there is no such folder"),
        (["eval", "--model", "demo", "--benchmarks", "aime2024"], 2, "did you mean 'aime24'"),
        (["eval", "--model", "demo", "--engine", "vlm"], 2, "did you mean 'vllm'"),
        (["eval", "--model", "demo", "--benchmarks", "demo", "--prompt", "boxd"], 2,
         "did you mean 'boxed'"),
        (["eval", "--model", "demo", "--n", "4"], 2, "temperature above 0"),
        (["eval", "--model", "demo", "--n", "many"], 2, "expected a count such as 4"),
        (["eval", "--model", "demo", "--engine-arg", "nonsense"], 2, "is not key=value"),
        (["eval", "--engine", "replay", "--benchmarks", "demo"], 2, "in responses"),
        (["eval", "--model", "demo", "--benchmarks", "gsm8k", "--data", "empty"], 1, "gsm8k"),
        (["show", "nothing"], 2, "no run under"),
        (["nonsense"], 2, "No such command"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_paragraph_and_an_exit_code(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    done = harness(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_resuming_another_run_is_refused_by_name_of_the_field(
    tmp_path: Path, responses: Path
) -> None:
    assert replay(tmp_path, responses, "--name", "v1").returncode == 0
    (folder,) = (tmp_path / "results/runs/v1").iterdir()
    done = replay(tmp_path, responses, "--resume", folder, "--max-tokens", 7)
    assert done.returncode == 1
    assert "sampling.max_tokens: 2048 -> 7" in done.stderr


def test_a_spec_file_is_overridden_by_flags(tmp_path: Path, responses: Path) -> None:
    assert replay(tmp_path, responses, "--name", "v1").returncode == 0
    (folder,) = (tmp_path / "results/runs/v1").iterdir()
    done = harness(
        "eval", "--spec", folder / "run.json", "--limit", 3, "--name", "v2", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert run["scores"][0]["samples"] == 3
    assert run["spec"]["engine"]["responses"] == str(responses)


def test_a_saved_response_that_is_torn_is_told_by_its_line(tmp_path: Path) -> None:
    responses = write_responses(tmp_path / "r.jsonl", limit=12)
    with responses.open("a", encoding="utf-8") as file:
        file.write('{"problem_id": "demo/te')
    done = replay(tmp_path, responses)
    assert done.returncode == 1
    assert "line 13" in done.stderr


def test_list_names_what_there_is(tmp_path: Path) -> None:
    done = harness("list", cwd=tmp_path)
    names = ["minerva_math", "aime24", "vllm", "replay", "verl-grpo-v4", "openseek-sft", "none yet"]
    for name in names:
        assert name in done.stdout
    rows = json.loads(harness("list", "benchmarks", "--json", cwd=tmp_path).stdout)["benchmarks"]
    assert [row["problems"] for row in rows][:6] == [272, 1319, 40, 675, 500, 30]


def test_more_samples_keep_the_first(tmp_path: Path) -> None:
    responses = write_responses(tmp_path / "r.jsonl", limit=12, n=3)
    sampled = ["--temperature", 1, "--limit", 6, "--json"]
    first = json.loads(replay(tmp_path, responses, *sampled, "--n", 2, "--name", "two").stdout)
    grown = replay(tmp_path, responses, *sampled, "--n", 3, "--name", "three", "--reuse", "two")
    run = json.loads(grown.stdout)
    assert run["reused"] == {first["id"]: 12}
    assert run["scores"][0]["samples"] == 18
    hotter = replay(
        tmp_path, responses, "--temperature", 0.5, "--n", 3, "--name", "x", "--reuse", "two"
    )
    assert hotter.returncode == 1
    assert "sampling.temperature: 1.0 -> 0.5" in hotter.stderr


def test_a_plan_says_what_a_run_would_cost_and_spends_nothing(
    tmp_path: Path, responses: Path
) -> None:
    done = replay(tmp_path, responses, "--estimate")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^demo +12 +12 .*points$", done.stdout, re.MULTILINE)
    assert "no stored run tells" in done.stdout
    assert not (tmp_path / "results").exists()
    plan = json.loads(replay(tmp_path, responses, "--plan", "--json").stdout)
    assert plan["rows"][0]["samples"] == 12
    assert 0 < plan["average_detectable"] < 1


def test_a_tag_finds_a_run_and_can_be_added_later(tmp_path: Path, responses: Path) -> None:
    assert replay(tmp_path, responses, "--name", "v1", "--tag", "sweep").returncode == 0
    assert replay(tmp_path, responses, "--name", "v1", "--tag", "paper").returncode == 0
    for tag in ("sweep", "paper"):
        shown = json.loads(harness("show", tag, "--json", cwd=tmp_path).stdout)
        assert shown["tags"] == ["sweep", "paper"]
    assert len(list((tmp_path / "results/runs/v1").iterdir())) == 1


def test_one_is_counted_as_one_and_an_unknown_length_is_called_so(tmp_path: Path) -> None:
    rows = tmp_path / "r.jsonl"
    rows.write_text('{"problem_id": "demo/test-0001", "response": "1"}\n', encoding="utf-8")
    scored = harness("score", rows, "--name", "one", "--benchmark", "demo", cwd=tmp_path)
    assert scored.stdout.startswith("1 response read as harness")
    shown = harness("show", "one", "--problem", "demo/test-0001", cwd=tmp_path).stdout
    assert "length unknown, end unknown" in shown


def test_help_names_everything_that_list_shows() -> None:
    from harness.cli.list import KINDS

    assert [kind for kind in KINDS if kind.removesuffix("s") not in COMMANDS["list"]] == []
