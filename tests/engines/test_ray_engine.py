"""Real vLLM replicas on real Ray, through the command line; some of them killed."""

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

from harness.runs.catalogue import list_runs
from harness.runs.file_names import JOURNAL
from harness.runs.record import Run
from harness.runs.sample import Sample

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
PATIENCE = 300.0
"""Seconds for something that comes after two engines have started on a busy machine."""


def command(results: Path, *arguments: str) -> list[str]:
    asked = [
        *("--model", "demo", "--benchmarks", "demo", "--limit", "100"),
        *("--temperature", "1", "--n", "4", "--dtype", "float32", "--json"),
        *("--engine-arg", "enforce_eager=true", "--engine-arg", "max_num_seqs=8"),
        *("--results", str(results)),
    ]
    return [sys.executable, "-m", "harness", "eval", *asked, *arguments]


def on_ray(results: Path, *arguments: str) -> list[str]:
    return command(results, "--engine", "ray", *arguments)


def stored(results: Path) -> dict[str, Sample]:
    ((path, _),) = list_runs(results / "runs")
    lines = (path / JOURNAL).read_bytes().splitlines()
    samples = {f"{one.problem_id}#{one.index}": one for one in map(Sample.from_json, lines)}
    assert len(samples) == len(lines), "no sample is stored twice"
    return samples


def journaled(results: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in results.glob(f"runs/*/*/{JOURNAL}"))


def start(asked: list[str], results: Path, *, samples: int) -> subprocess.Popen[str]:
    """Start an evaluation and return when it has so many samples."""
    process = subprocess.Popen(
        asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE
    while journaled(results) < samples:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def replicas(driver: int) -> list[psutil.Process]:
    """Return the actors of a driver: Ray names a process by what it does."""
    found = psutil.Process(driver).children(recursive=True)
    return [one for one in found if one.cmdline() and one.cmdline()[0].startswith("ray::Replica")]


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive, [one.cmdline() for one in alive]


def test_two_replicas_say_what_one_engine_says_whoever_is_killed(tmp_path: Path) -> None:
    """The driver first, then, as the same command goes on, both replicas at once."""
    done = subprocess.run(command(tmp_path / "vllm"), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = tmp_path / "ray"
    asked = on_ray(results, "--replicas", "2")

    process = start(asked, results, samples=1)
    assert len(replicas(process.pid)) == 2
    started = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert_gone(started)
    before = journaled(results)
    assert before < 400

    process = start(asked, results, samples=before + 1)
    for replica in replicas(process.pid):
        replica.send_signal(signal.SIGKILL)
    started = psutil.Process(process.pid).children(recursive=True)
    out, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    assert_gone(started)

    fields = json.loads(out)
    run = Run.model_validate({name: fields[name] for name in Run.model_fields})
    assert run.usage.events["replica restarts"] == 2
    assert 1 <= run.usage.events["requests asked again"] <= 16
    ours, theirs = stored(results), stored(tmp_path / "vllm")
    assert ours.keys() == theirs.keys()
    assert {one.seed for one in ours.values()} == {one.seed for one in theirs.values()}
    same = [ours[key].response == theirs[key].response for key in ours]
    assert sum(same) >= 0.95 * len(same), "the same seeds; batches may differ in the last digit"


def test_a_node_that_never_comes_is_told_in_time(tmp_path: Path) -> None:
    more = str(len(os.sched_getaffinity(0)) + 1)
    began = time.monotonic()
    done = subprocess.run(
        on_ray(tmp_path, "--replicas", more, "--node-wait", "3"),
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert time.monotonic() - began < 120
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
    assert f"of {more} has no node after 3 s: each needs 1 " in told
    assert "--node-wait" in told


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        on_ray(tmp_path, "--ray-address", "127.0.0.1:1"),
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
    assert "the cluster at 127.0.0.1:1 cannot be reached" in told


def test_an_engine_that_cannot_start_is_told_as_vllm_tells_it(tmp_path: Path) -> None:
    done = subprocess.run(
        on_ray(tmp_path, "--engine-arg", "max_num_seqs=0"),
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
    assert "vLLM cannot load" in told
