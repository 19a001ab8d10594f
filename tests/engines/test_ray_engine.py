"""Tests of real vLLM replicas on a real Ray cluster, by the command line; some are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import killed_replica
import psutil
import pytest
from killed_replica import named
from real_runs import (
    PATIENCE,
    SAMPLED,
    assert_gone,
    await_samples,
    command,
    journaled,
    launch,
    start,
    stored,
)

from harness.runs.record import Run

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


def on_ray(results: Path, *arguments: str) -> list[str]:
    few = ("--engine-arg", "max_num_seqs=8")
    return command(results, *SAMPLED, *few, "--engine", "ray", *arguments)


def replicas(driver: subprocess.Popen[str], number: int) -> list[psutil.Process]:
    """Wait until a driver has so many replicas, and return their processes.

    Ray names a process by what it does. One that only begins has no name yet, or Ray's own.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        children = psutil.Process(driver.pid).children(recursive=True)
        found = [one for one in children if named(one).startswith("ray::Replica")]
        if len(found) >= number:
            return found
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_left_of_a_driver_that_is_killed(tmp_path: Path) -> None:
    process = start(on_ray(tmp_path), tmp_path)
    replicas(process, 1)
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert 0 < journaled(tmp_path) < 200
    assert_gone(started)


def test_two_replicas_say_what_one_engine_says_though_one_is_killed(
    sampled: Path, tmp_path: Path
) -> None:
    asked = on_ray(tmp_path, "--replicas", "2")
    process = launch([sys.executable, killed_replica.__file__, *asked[asked.index("eval") :]])
    await_samples(process, tmp_path, 1)
    started = psutil.Process(process.pid).children(recursive=True)
    out, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    assert_gone(started)

    fields = json.loads(out)
    run = Run.model_validate({name: fields[name] for name in Run.model_fields})
    assert run.usage.events["replica restarts"] == 1
    assert 1 <= run.usage.events["requests asked again"] <= 8
    ours, theirs = stored(tmp_path), stored(sampled)
    assert ours.keys() == theirs.keys()
    assert {one.seed for one in ours.values()} == {one.seed for one in theirs.values()}
    same = [ours[key].response == theirs[key].response for key in ours]
    assert sum(same) >= 0.95 * len(same), "the same seeds; batches may differ in the last digit"


def told(asked: list[str]) -> str:
    """Return the one line that the command prints when it fails."""
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
    return line


def test_a_node_that_never_comes_is_told_in_time(ray_cluster: str, tmp_path: Path) -> None:
    began = time.monotonic()
    asked = ("--ray-address", ray_cluster, "--replicas", "3", "--node-wait", "3")
    line = told(on_ray(tmp_path, *asked))
    assert time.monotonic() - began < 120
    assert "of 3 has no node after 3 s: each replica needs 1 " in line
    assert "--node-wait" in line


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    line = told(on_ray(tmp_path, "--ray-address", "127.0.0.1:1"))
    assert "the cluster at 127.0.0.1:1 cannot be reached" in line


def test_an_engine_that_cannot_start_is_told_as_vllm_tells_it(
    ray_cluster: str, tmp_path: Path
) -> None:
    asked = ("--ray-address", ray_cluster, "--engine-arg", "max_num_seqs=0")
    assert "vLLM cannot load" in told(on_ray(tmp_path, *asked))
