"""Tests that kill processes of an evaluation: the run must end complete and unchanged.

They are a few of the kills that `kill_loop.py` makes, and the moments that it rarely draws.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import killed_run
import pytest
from evaluation import Attempt, computed, queued, replayed
from kill_loop import kill_loop
from real_runs import journaled
from same_run import differences

from harness.grading.answers.rules import Equivalence
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
"""A worker that answers no task before workers were killed as often as its argument says."""


pytestmark = pytest.mark.slow


def wait_until(condition: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.timeout(600)
def test_killed_drivers_and_workers_change_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    loop = kill_loop(5, 0, ["driver", "grader"], tmp_path, said.append)
    assert not loop.faults, "\n".join(said)
    assert {kill.victim for kill in loop.kills} == {"driver", "grader"}
    assert len(loop.kills) == 5


@pytest.mark.timeout(600)
def test_a_lost_engine_and_a_ctrl_c_are_told_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """A fake queue stands in vLLM's place, since only the end of its process matters.

    Ctrl-C goes to the whole process group, as from a terminal; the engine has its own group.
    """
    slow, results = queued(tmp_path / "modules", pause=0.5), tmp_path / "disturbed"

    def begin(samples: int) -> Attempt:
        attempt = slow.begin(results)
        wait_until(lambda: journaled(results) > samples or not attempt.running)
        return attempt

    attempt = begin(0)
    (engine,) = attempt.victims("engine")
    engine.kill()
    ended = attempt.end()
    assert ended.code == 1, ended.said
    assert "harness: the engine failed" in ended.said
    assert "the same command goes on from there" in ended.said
    assert not ended.left

    attempt = begin(journaled(results))
    os.killpg(attempt.driver.pid, signal.SIGINT)
    ended = attempt.end()
    assert ended.code == 130, ended.said
    assert "the same command goes on from there" in ended.said
    assert "Traceback" not in ended.said
    assert not ended.left

    assert journaled(results) < slow.samples
    assert not slow.begin(results).end().faults(None)
    assert not slow.begin(tmp_path / "whole").end().faults(None)
    assert not differences(results, tmp_path / "whole")


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_an_engine_whose_driver_dies_while_it_starts_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise vLLM's own process would wait five minutes for a driver that is gone."""
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    attempt = computed("vllm").begin(tmp_path)
    wait_until(lambda: len(attempt.victims("engine")) > 1 or not attempt.running, seconds=240)
    attempt.driver.kill()
    ended = attempt.end()
    assert ended.code == -signal.SIGKILL
    assert not ended.left


def test_a_run_killed_before_its_folder_has_a_name_leaves_none(
    tmp_path: Path, responses: Path
) -> None:
    """What the beginning of a run left is removed by the next one."""
    evaluation = replayed(tmp_path / "hard.jsonl", problems=3, n=1, pause=0.0)
    assert evaluation.begin(tmp_path / "whole").end().code == 0
    results = tmp_path / "killed"
    asked = ["before the name", str(results), str(responses)]
    killed = [sys.executable, str(killed_run.__file__), *asked]
    assert subprocess.run(killed, check=False).returncode == -signal.SIGKILL
    (unborn,) = results.glob("runs/replayed/.*")
    assert not Catalogue(results).runs
    assert evaluation.begin(results).end().code == 0
    assert not unborn.exists()
    assert not differences(results, tmp_path / "whole")


@pytest.mark.parametrize(
    ("kills", "result"), [(2, Equivalence.EQUAL), (KILLED_ATTEMPTS, Equivalence.ERROR)]
)
def test_a_pair_whose_worker_is_killed_is_asked_again(
    tmp_path: Path, kills: int, result: Equivalence
) -> None:
    """A kill must not change a verdict, but the attempts must come to an end."""
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
    assert pool.submit("1", "1").result(60) is Equivalence.EQUAL
    pool.close()
