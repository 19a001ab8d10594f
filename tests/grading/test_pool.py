"""Tests of the pool: a worker that hangs, crashes or never starts costs one task at most."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from harness.grading import Grader, Outcome
from harness.grading.answers.rules import Equivalence
from harness.grading.workers.pool import (
    MEMORY_LIMIT,
    PoolClosedError,
    WorkerPool,
    WorkersUnavailableError,
)

SCRIPTED = [sys.executable, str(Path(__file__).with_name("scripted_worker.py"))]
# A determinant of 81 symbols, which takes sympy hours to expand.
ROWS = r"\\".join("&".join(f"x_{{{row}{column}}}" for column in range(9)) for row in range(9))
ENDLESS = rf"\det\begin{{pmatrix}}{ROWS}\end{{pmatrix}}"


def wait_until(condition: Callable[[], bool], *, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # If no process is left to reap it, it stays a zombie.
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def spent_by_ended_children() -> float:
    """Return the seconds of the processor that this process's ended children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    ("answer", "result"),
    [("hang", Equivalence.TIMEOUT), ("crash", Equivalence.ERROR), ("babble", Equivalence.ERROR)],
)
def test_a_bad_task_costs_one_worker_and_not_the_next_task(
    answer: str, result: Equivalence
) -> None:
    with_pool = WorkerPool(1, time_limit=0.3, command=SCRIPTED)
    for _ in range(3):
        assert with_pool.submit("1", answer).result(20) == result
        assert with_pool.submit("1", "1").result(20) == Equivalence.EQUAL
    with_pool.close()


def test_a_worker_that_retires_is_replaced() -> None:
    pool = WorkerPool(1, command=SCRIPTED)
    pool.submit("1", "1").result(20)
    before = pool.pids()
    assert pool.submit("1", "retire").result(20) == Equivalence.EQUAL
    assert pool.submit("1", "1").result(20) == Equivalence.EQUAL
    assert pool.pids() != before
    pool.close()


def test_a_worker_killed_while_idle_costs_nothing() -> None:
    pool = WorkerPool(1, command=SCRIPTED)
    pool.submit("1", "1").result(20)
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not runs(pid))
    assert pool.submit("1", "1").result(20) == Equivalence.EQUAL
    pool.close()


def test_a_worker_that_computes_is_not_given_up_by_the_clock() -> None:
    """On a busy machine it waits for its turn many times as long as it may compute."""
    pool = WorkerPool(1, time_limit=0.1, command=SCRIPTED)
    assert pool.submit("1", "compute").result(60) == Equivalence.EQUAL
    assert pool.submit("1", "hang").result(60) == Equivalence.TIMEOUT
    pool.close()


def test_one_hanging_task_does_not_hold_up_the_other_worker() -> None:
    pool = WorkerPool(2, time_limit=10, command=SCRIPTED)
    hanging = pool.submit("1", "hang")
    assert [pool.submit("1", str(n)).result(25) for n in range(5)] == [Equivalence.EQUAL] * 5
    assert not hanging.done()
    pool.close(cancel=True)
    with pytest.raises(PoolClosedError):
        hanging.result(5)


def test_a_task_says_how_it_is_to_be_compared() -> None:
    pool = WorkerPool(1, command=SCRIPTED)
    assert pool.submit("1", "which method?").result(20) == Equivalence.DIFFERENT
    asked = pool.submit("1", "which method?", method="math-verify")
    assert asked.result(20) == Equivalence.EQUAL
    pool.close()


def test_a_task_larger_than_a_pipe_arrives() -> None:
    pool = WorkerPool(1, command=SCRIPTED)
    assert pool.submit("1", "x" * 3_000_000).result(20) == Equivalence.EQUAL
    pool.close()


def test_a_worker_that_stops_reading_is_given_up_in_time_and_its_task_is_not() -> None:
    pool = WorkerPool(1, time_limit=0.2, command=SCRIPTED)
    pool.submit("1", "1").result(20)
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGSTOP)
    assert pool.submit("1", "x" * 3_000_000).result(20) == Equivalence.EQUAL
    assert not runs(pid)
    pool.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_only_sleeps_costs_no_task_its_verdict(workers: int, tmp_path: Path) -> None:
    """That says nothing about the task: it has not had its time of the processor."""
    pool = WorkerPool(workers, time_limit=0.1, command=SCRIPTED)
    assert pool.submit(str(tmp_path / "notes"), "hang once").result(20) == Equivalence.EQUAL
    pool.close()


def test_a_task_that_ran_out_of_time_beside_others_is_tried_again_alone(tmp_path: Path) -> None:
    notes = str(tmp_path / "notes")
    pool = WorkerPool(2, command=SCRIPTED)
    warm = [pool.submit("1", str(number)) for number in range(4)]
    assert [future.result(20) for future in warm] == [Equivalence.EQUAL] * 4
    asked = [pool.submit(notes, "take a while"), pool.submit(notes, "burn once")]
    asked += [pool.submit(notes, "take a while") for _ in range(20)]
    assert [future.result(20) for future in asked] == [Equivalence.EQUAL] * 22
    pool.close()
    told = Path(notes).read_text().splitlines()
    second = [index for index, line in enumerate(told) if line == "attempt"][1]
    assert told[second + 1] == "end of the second attempt"  # nothing else went on meanwhile
    before, after = told[:second], told[second + 2 :]
    assert before.count("begin") == before.count("end")
    assert after.count("begin") == after.count("end") > 0


def test_a_task_that_runs_out_of_time_twice_has_had_its_chance(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    pool = WorkerPool(2, command=SCRIPTED)
    asked = [pool.submit(str(notes), "burn") for _ in range(2)]
    assert [future.result(20) for future in asked] == [Equivalence.TIMEOUT] * 2
    assert notes.read_text().count("burn") <= 4
    pool.close()


def test_a_task_that_ran_out_of_time_alone_is_not_tried_again(tmp_path: Path) -> None:
    """The second attempt would be the first again, and a hostile row would cost twice as much."""
    notes = tmp_path / "notes"
    pool = WorkerPool(2, command=SCRIPTED)
    assert pool.submit(str(notes), "burn").result(20) == Equivalence.TIMEOUT
    assert notes.read_text() == "burn\n"
    pool.close()


def test_a_pool_that_is_closed_while_tasks_are_tried_again_ends(tmp_path: Path) -> None:
    pool = WorkerPool(3, time_limit=0.1, command=SCRIPTED)
    asked = [pool.submit(str(tmp_path / "notes"), "hang") for _ in range(6)]
    time.sleep(0.5)
    pool.close(cancel=True)
    assert all(future.exception(0) or future.result() for future in asked)
    assert pool.pids() == []


def test_tasks_come_from_any_thread() -> None:
    pool = WorkerPool(2, command=SCRIPTED)
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda n: pool.submit("1", str(n)).result(20), range(100))
        assert list(answers) == [Equivalence.EQUAL] * 100
    pool.close()


def test_no_process_starts_before_it_is_needed_and_none_stays_after() -> None:
    pool = WorkerPool(2, command=SCRIPTED)
    assert pool.pids() == []
    futures = [pool.submit("1", str(n)) for n in range(20)]
    pool.close()
    assert [future.result(0) for future in futures] == [Equivalence.EQUAL] * 20
    assert pool.pids() == []
    with pytest.raises(PoolClosedError):
        pool.submit("1", "1")


def test_a_first_worker_can_start_before_there_is_a_task() -> None:
    pool = WorkerPool(2, command=SCRIPTED)
    pool.warm_up()
    pool.warm_up()
    assert wait_until(lambda: len(pool.pids()) == 1)
    started = pool.pids()
    assert pool.submit("1", "practised?").result(20) == Equivalence.EQUAL
    assert pool.pids() == started
    pool.close()
    assert pool.pids() == []


@pytest.mark.parametrize("cancel", [True, False])
def test_a_pool_is_closed_while_its_first_worker_starts(cancel: bool) -> None:
    pool = WorkerPool(1, command=[sys.executable, "-c", "input()"])  # says nothing: it never is up
    pool.warm_up()
    pool.close(cancel=cancel)
    assert pool.pids() == []


def test_a_worker_that_never_starts_is_an_error_with_its_reason() -> None:
    broken = [sys.executable, "-c", "import sys; sys.exit('no module named sympy')"]
    pool = WorkerPool(2, command=broken)
    for _ in range(2):
        with pytest.raises(WorkersUnavailableError, match="no module named sympy"):
            pool.submit("1", "1").result(20)
    pool.close()


def test_the_memory_limit_holds_from_the_start() -> None:
    pool = WorkerPool(1, memory_limit=48 << 20)
    with pytest.raises(WorkersUnavailableError):
        pool.submit("1", "1").result(60)
    pool.close()


def test_a_program_that_does_not_exist_is_the_same_error() -> None:
    pool = WorkerPool(1, command=["/nonexistent/python"])
    with pytest.raises(WorkersUnavailableError, match="nonexistent"):
        pool.submit("1", "1").result(20)
    pool.close()


def test_a_real_hang_is_killed_and_the_next_answer_is_graded() -> None:
    with Grader(workers=1, time_limit=1.5) as grader:
        grader.grade_answer(r"\sum_{k=1}^{3} k", "6")
        began = time.monotonic()
        verdict = grader.grade_answer(ENDLESS, "0")
        assert verdict.outcome is Outcome.GRADER_TIMEOUT
        assert time.monotonic() - began < 20
        assert grader.grade_answer(r"\sum_{k=1}^{4} k", "10").correct


@pytest.mark.parametrize("method", ["compare", "math-verify", "qwen-compat"])
def test_a_hostile_row_takes_less_than_two_seconds_of_the_processor(method: str) -> None:
    """No clock is read: on a busy machine the worker waits for its turn as long as it must."""
    pool = WorkerPool(1)
    pool.submit("x", "y").result(60)
    (pid,) = pool.pids()
    ended, starting = spent_by_ended_children(), sum(psutil.Process(pid).cpu_times()[:2])
    hostile = pool.submit(
        "0", ENDLESS if method == "compare" else rf"\boxed{{{ENDLESS}}}", method=method
    )
    assert hostile.result(60) == Equivalence.TIMEOUT
    assert pool.pids() == []
    assert 0 < spent_by_ended_children() - ended - starting < 2
    pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_kernel_holds_a_worker_to_three_hundred_mebibytes() -> None:
    pool = WorkerPool(1)
    pool.submit("a+b", "b+a").result(60)
    (pid,) = pool.pids()
    (limit,) = re.findall(r"Max address space +(\d+)", Path(f"/proc/{pid}/limits").read_text())
    assert int(limit) == MEMORY_LIMIT <= 300 << 20
    (held,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert int(held) * 1024 < MEMORY_LIMIT / 2  # or it would retire after every task
    pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_inherits_no_secret_and_yields_to_others(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_never_to_be_seen")
    pool = WorkerPool(1)
    assert pool.submit("a+b", "b+a").result(60) == Equivalence.EQUAL
    (pid,) = pool.pids()
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"PATH=" in environment
    assert b"hf_never_to_be_seen" not in environment
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    pool.close()


DRIVER = """
import sys
from harness.grading.workers.pool import WorkerPool
pool = WorkerPool(2, time_limit=60)
pool.submit("x", "x+1").result()
busy = pool.submit("0", sys.argv[1])
while len(pool.pids()) < 1: pass
print(*pool.pids(), flush=True)
busy.result()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_no_worker_outlives_a_driver_that_is_killed() -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, ENDLESS], stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    pids = [int(pid) for pid in driver.stdout.readline().split()]
    assert pids
    assert all(runs(pid) for pid in pids)
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert wait_until(lambda: not any(runs(pid) for pid in pids))


LARGE_DRIVER = """
from harness.grading.workers.pool import WorkerPool
held = b"x" * (700 << 20)
pool = WorkerPool(1, time_limit=60)
pids = set()
for number in range(4):
    pool.submit("x", f"x+{number}").result()
    pids |= set(pool.pids())
pool.close()
print(len(pids))
"""


def test_a_worker_of_a_large_driver_is_not_taken_for_large() -> None:
    """Once, a driver with an inference engine in memory got a new worker for every pair."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE_DRIVER], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "1"


FORKING_DRIVER = """
import os
from harness.grading.workers.pool import WorkerPool
pool = WorkerPool(1)
pool.submit("x", "x+1").result()
child = os.fork()
print(pool.submit("x+y", "y+x").result(60).value, len(pool.pids()), flush=True)
if child:
    os.waitpid(child, 0)
    print(pool.submit("x", "x+2").result(60).value)
pool.close()
"""


def test_a_pool_serves_its_process_and_the_child_that_this_forks() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING_DRIVER],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split("\n") == ["equal 1", "equal 1", "different", ""]
    assert done.stderr == ""


RAY_DRIVER = """
import sys
import ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")

@ray.remote
class Trainer:
    def rewards(self):
        from harness.grading import shared_grader
        pairs = ["x(x+1)", "x^2", SPELLING]
        futures = [shared_grader().submit(rf"\\boxed{{{answer}}}", "x^2+x") for answer in pairs]
        return [future.result().correct for future in futures]

    def opinions(self):
        from harness.grading.workers.pool import WorkerPool
        pool = WorkerPool(1)
        asked = pool.submit("x^2+x", r"\\boxed{x(x+1)}", method="math-verify")
        return asked.result().value

trainer = Trainer.remote()
print(ray.get(trainer.rewards.remote()), ray.get(trainer.opinions.remote()))
ray.shutdown()
"""


@pytest.mark.engine
def test_a_ray_actor_grades(ray_cluster: str) -> None:
    program = RAY_DRIVER.replace("SPELLING", repr(r"x + x\cdot x"))
    done = subprocess.run(
        [sys.executable, "-c", program, ray_cluster],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout.split("\n")[-2] == "[True, False, True] equal"
