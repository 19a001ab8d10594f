"""Processes of an evaluation are killed: the run ends complete and equal to the undisturbed one.

A short share of what `kill_loop.py` does at length, and the moments that chance rarely meets.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluation import Attempt, computed, queued, replayed
from kill_loop import kill_loop
from same_run import differences

from harness.grading.answers.rules import Comparison
from harness.grading.workers.pool import KILLED_ATTEMPTS, WorkerPool
from harness.runs.catalogue import Catalogue

HANGING_WORKER = """
import json, sys, time
print('{"ready": 0}', flush=True)
for line in sys.stdin:
    with open(sys.argv[1], "a+") as log:
        log.write("asked\\n")
        log.seek(0)
        asked = len(log.readlines())
    if asked <= int(sys.argv[2]):
        time.sleep(600)
    print('{"result": "equal"}', flush=True)
"""
"""It answers no task before it was killed as often as it is told to wait for."""


def wait_until(condition: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.timeout(600)
def test_killed_drivers_and_workers_change_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    loop = kill_loop(8, 0, ["driver", "grader"], tmp_path, said.append)
    assert not loop.faults, "\n".join(said)
    assert {kill.victim for kill in loop.kills} == {"driver", "grader"}
    assert len(loop.kills) == 8


@pytest.mark.timeout(600)
def test_killed_engines_change_nothing(tmp_path: Path) -> None:
    """With a made queue in vLLM's place: what matters is that its process is gone."""
    said: list[str] = []
    loop = kill_loop(4, 0, ["engine"], tmp_path, said.append, {"engine": "paced-queue"})
    assert not loop.faults, "\n".join(said)
    assert [kill.victim for kill in loop.kills] == ["engine"] * 4


def test_a_lost_engine_is_told_and_the_same_command_goes_on(tmp_path: Path) -> None:
    attempt = queued(pause=1.0).begin(tmp_path)
    wait_until(lambda: attempt.journaled() or not attempt.running)
    (engine,) = attempt.victims("engine")
    engine.kill()
    ended = attempt.end()
    assert ended.code == 1, ended.said
    assert "harness: the engine failed" in ended.said
    assert "the same command goes on from there" in ended.said
    assert not ended.left


def test_ctrl_c_ends_everything_and_says_how_to_go_on(tmp_path: Path) -> None:
    """Sent to the whole group, as a terminal does; the engine is in one of its own."""
    attempt = queued(pause=1.0).begin(tmp_path)
    wait_until(lambda: attempt.journaled() or not attempt.running)
    os.killpg(attempt.driver.pid, signal.SIGINT)
    ended = attempt.end()
    assert ended.code == 130, ended.said
    assert "the same command goes on from there" in ended.said
    assert "Traceback" not in ended.said
    assert not ended.left


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_an_engine_whose_driver_dies_while_it_starts_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM's own process, where it has one, would wait five minutes for a driver that is gone."""
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    attempt = computed("vllm").begin(tmp_path)
    wait_until(lambda: len(attempt.victims("engine")) > 1 or not attempt.running, seconds=240)
    attempt.driver.kill()
    ended = attempt.end()
    assert ended.code == -signal.SIGKILL
    assert not ended.left


def test_a_run_killed_before_its_folder_has_a_name_leaves_none(tmp_path: Path) -> None:
    """What the beginning of a run left is removed by the next one."""
    evaluation = replayed(tmp_path / "responses.jsonl", problems=3, n=1, pause=0.0)
    assert evaluation.begin(tmp_path / "whole").end().code == 0
    results = tmp_path / "killed"
    unborn = begin_and_kill(lambda: evaluation.begin(results), results)
    assert evaluation.begin(results).end().code == 0
    assert not unborn.exists()
    assert not differences(results, tmp_path / "whole")


def begin_and_kill(begin: Callable[[], Attempt], results: Path) -> Path:
    """Kill a driver while the folder of its run has no name yet, and return that folder."""
    for _ in range(20):  # the folder is there for a few milliseconds
        attempt = begin()
        while attempt.running and not (found := list(results.glob("runs/*/.*"))):
            pass
        attempt.driver.kill()
        attempt.end()
        if found and found[0].exists():
            return found[0]
        for _, run in Catalogue(results).runs:
            assert run.name == "replayed"
    pytest.fail("it was never met in time")


@pytest.mark.parametrize(
    ("kills", "result"), [(2, Comparison.EQUAL), (KILLED_ATTEMPTS, Comparison.ERROR)]
)
def test_a_pair_whose_worker_is_killed_is_asked_again(
    tmp_path: Path, kills: int, result: Comparison
) -> None:
    """So that no kill changes a verdict; but not for ever."""
    log = tmp_path / "asked"
    log.touch()
    pool = WorkerPool(
        1, time_limit=60, command=[sys.executable, "-c", HANGING_WORKER, str(log), str(kills)]
    )
    future = pool.submit("1", "1")
    for number in range(1, kills + 1):
        wait_until(lambda: len(log.read_text().splitlines()) == number)  # noqa: B023
        (pid,) = pool.pids()
        os.kill(pid, signal.SIGKILL)
    assert future.result(60) is result
    assert pool.submit("1", "1").result(60) is Comparison.EQUAL
    pool.close()
