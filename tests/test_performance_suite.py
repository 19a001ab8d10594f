"""The measurements' own arithmetic, and that what they measure is what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

PERFORMANCE = Path(__file__).parent / "performance"
sys.path.append(str(PERFORMANCE))

import growth  # noqa: E402
import measuring  # noqa: E402
import peers  # noqa: E402
import startup  # noqa: E402
import summary  # noqa: E402
from made import MADE, environment, rows, write_responses  # noqa: E402
from pairs import Pairs, Timed, timed  # noqa: E402
from recorded import LIMIT, length_of, recorded_lengths  # noqa: E402

from benchmarks import BENCHMARKS, STANDARD  # noqa: E402
from benchmarks.source import load_problems  # noqa: E402
from harness.cli import COMMANDS  # noqa: E402
from harness.runs.record import read_run  # noqa: E402

MACHINE = {"processor": "a processor", "cores": 2, "memory_gib": 8, "gpus": []}


def details(*figures: str) -> dict[str, object]:
    return {
        "figures": list(figures),
        "measured": "2026-01-01T00:00:00+00:00",
        "commit": "0123456789",
        "load_before": 0.1,
        "hardware": MACHINE,
    }


def test_a_measurement_replaces_its_own_figures_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    measuring.merge(path, "one", {"old": 1, "kept": 2}, details("old", "kept"))
    measuring.merge(path, "other", {"theirs": 3}, details("theirs"))
    measuring.merge(path, "one", {"kept": 4, "new": 5}, details("kept", "new"))
    latest = json.loads(path.read_text(encoding="utf-8"))
    assert set(latest["details"]) == {"one", "other"}
    assert {k: v for k, v in latest.items() if k != "details"} == {
        "theirs": 3,
        "kept": 4,
        "new": 5,
    }


@pytest.mark.parametrize(
    ("figure", "value", "gpus", "missed"),
    [
        ("run_over_engine", 1.03, [], False),
        ("run_over_engine", 1.031, [], True),
        ("replay_per_second", 19_999, [], True),
        ("sequential_over_run", 1.5, [], False),
        ("sequential_over_run", 1.5, ["a GPU"], True),
        ("command_over_script", 9.0, [], False),
    ],
)
def test_a_missed_target_is_told(figure: str, value: float, gpus: list[str], missed: bool) -> None:
    assert ("MISSED" in measuring.judged(figure, value, {"gpus": gpus})) is missed


def test_every_promised_figure_has_its_target() -> None:
    asked = {
        "run_over_engine": "at most 1.03",
        "run_over_engine_float32": "at most 1.03",
        "sequential_over_run": "at least 1.3",
        "sequential_over_run_float32": "at least 1.3",
        "lm_eval_over_run": "at least 1",
        "replay_per_second": "at least 20000",
        "replay_megabytes": "at most 1000",
        "help_seconds": "at most 0.3",
        "diff_seconds": "at most 1",
        "diff_margin_seconds": "at most 1",
        "rank_seconds": "at most 10",
    }
    assert {figure: str(measuring.target(figure, MACHINE)) for figure in asked} == asked


def test_the_summary_marks_what_was_missed(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    measuring.merge(path, "startup", {"help_seconds": 0.4}, details("help_seconds"))
    measuring.merge(path, "comparing", {"diff_seconds": 0.4}, details("diff_seconds"))
    printed = CliRunner().invoke(summary.main, [str(path)], catch_exceptions=False).output
    (slow,) = [line for line in printed.splitlines() if line.startswith("help_seconds")]
    (quick,) = [line for line in printed.splitlines() if line.startswith("diff_seconds")]
    assert "MISSED" in slow
    assert "MISSED" not in quick
    assert "a processor, 2 cores" in printed


def test_the_stored_figures_are_read_by_the_summary() -> None:
    printed = CliRunner().invoke(summary.main, catch_exceptions=False).output
    assert "run_over_engine" in printed


def test_one_disturbed_pair_of_three_decides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = Pairs("run", "engine")
    for run in (2.0, 50.0, 2.2):
        pairs.add(Timed(run, 7), Timed(2.0, 7))
    assert pairs.ratio == 1.1
    assert pairs.details[0] == {
        "run": {"seconds": 2.0, "tokens": 7},
        "engine": {"seconds": 2.0, "tokens": 7},
    }
    assert "ratio 25.000" in capsys.readouterr().err


def test_pairs_are_taken_in_turn() -> None:
    done = []
    pairs = Pairs("run", "engine")
    for _ in range(3):
        pairs.take(lambda: done.append("run"), lambda: done.append("engine"))
    assert done == ["engine", "run", "run", "engine", "engine", "run"]
    assert timed(lambda: 3).tokens == 3


def test_growth_is_judged_at_the_largest_size() -> None:
    measured = {
        1_000: growth.Measured(1.0, 100),
        10_000: growth.Measured(2.0, 110),
        100_000: growth.Measured(25.0, 120),
    }
    figures = growth.figures(measured)
    assert figures["replay_per_second"] == 4_000
    assert figures["replay_rate_over_tenth"] == 0.8
    assert figures["replay_megabytes"] == 120


def test_every_command_is_timed() -> None:
    timed_commands = {path[0] for path in startup.paths(startup.cli)}
    assert timed_commands == set(COMMANDS)
    assert ["data", "build"] in list(startup.paths(startup.cli))


def test_made_benchmarks_have_the_real_ones_sizes_and_no_question_twice() -> None:
    made = {name: list(rows(name)) for name in STANDARD}
    assert {name: len(found) for name, found in made.items()} == {
        name: BENCHMARKS[name].test.rows for name in STANDARD
    }
    questions = [row["question"] for found in made.values() for row in found]
    assert len(questions) == len(set(questions)) == 2_836


def test_recorded_lengths_have_a_tail_in_every_benchmark() -> None:
    for name, lengths in recorded_lengths().items():
        assert max(lengths) == LIMIT, name
        assert sorted(lengths)[len(lengths) // 4] <= 0.6 * LIMIT, name
    assert length_of("made-aime24/29") == recorded_lengths()["aime24"][29]


def test_made_responses_are_the_same_again_and_graded_as_described(tmp_path: Path) -> None:
    problems = load_problems(BENCHMARKS["demo"])
    write_responses(tmp_path / "r.jsonl", problems, 5)
    again = tmp_path / "again.jsonl"
    write_responses(again, problems, 5)
    assert again.read_bytes() == (tmp_path / "r.jsonl").read_bytes()
    command = [
        *(sys.executable, "-m", "harness", "eval", "--engine", "replay", "--responses", "r.jsonl"),
        *("--benchmarks", "demo", "--temperature", "1", "--n", "5"),
    ]
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True, capture_output=True)
    (record,) = tmp_path.glob("results/runs/*/*/run.json")
    (score,) = read_run(record).scores
    assert score.samples == 1_000
    assert 0.3 < score.accuracy < 0.42
    assert 70 < score.outcomes["truncated"] < 130
    assert 30 < score.outcomes["no answer"] < 70


def test_the_made_benchmarks_are_known_to_a_command(tmp_path: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "harness", "list"],
        cwd=tmp_path,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert all(name in listed for name in (*MADE, "vllm-recorded"))


def test_the_made_benchmarks_are_known_to_a_measurement() -> None:
    """Reading the entry points before they are plugged in would hide them for good."""
    code = "from made import MADE, plug; plug(); from benchmarks import BENCHMARKS as all; "
    code += "print(*(all[name].name for name in MADE))"
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PERFORMANCE)!r}); {code}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.split() == list(MADE)


def test_a_peer_that_drew_something_else_is_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "tokens", lambda plan, texts: sum(map(len, texts.values())))
    ours = {"a": "x" * 100, "b": "y" * 100}
    same = peers.compared(None, {**ours, "b": "z" * 100}, ours)  # type: ignore[arg-type]
    assert same == {"responses": 2, "same_text": 1, "tokens": {"lm_eval": 200, "run": 200}}
    with pytest.raises(click.ClickException, match="1 responses of lm-eval, 2 of the run"):
        peers.compared(None, {"a": ours["a"]}, ours)  # type: ignore[arg-type]
    with pytest.raises(click.ClickException, match="150 tokens of lm-eval, 200 of the run"):
        peers.compared(None, {**ours, "b": "y" * 50}, ours)  # type: ignore[arg-type]
