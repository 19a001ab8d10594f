"""A training that cannot go on is noticed, and one that is only slow is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainers.supervise import Running
from trainers.verl import liveness
from trainers.verl.liveness import GRACE, SLOWEST, START, TIMES, CannotGoOnError, Liveness

LOGS = Path(__file__).parent / "logs"
RAYLET = 11
RUNNING = {
    10: Running("/env/bin/python", 1),
    RAYLET: Running("/env/ray/raylet", 10),
    12: Running("ray::TaskRunnerV1.run()", RAYLET),
    13: Running("ray::WorkerDict.actor_rollout_update_actor", RAYLET),
    14: Running("VLLM::EngineCore", 16),
    15: Running("ray::IDLE", RAYLET),
    16: Running("ray::vLLMHttpServer", RAYLET),
    17: Running("ray::AgentLoopWorkerTQ", RAYLET),
}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    def __init__(self, log: Path) -> None:
        self.log, self.clock = log, Clock()
        self.log.touch()
        self.alive = Liveness(log, clock=self.clock)

    def passes(self, seconds: float) -> list[str]:
        """Let time pass, with two looks a minute; return what was said."""
        said, end = [], self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now = min(self.clock.now + 30, end)
            said += [line] if (line := self.alive.check()) else []
        return said

    def prints(self, line: str) -> None:
        with self.log.open("a") as file:
            file.write(line + "\n")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "launch-1.log")


def without(*pids: int) -> dict[int, Running]:
    return {pid: process for pid, process in RUNNING.items() if pid not in pids}


@pytest.mark.parametrize("pid", [RAYLET, 12, 13, 14, 16, 17])
def test_a_process_that_is_gone_ends_the_training_after_a_grace(bench: Bench, pid: int) -> None:
    for _ in range(2):
        bench.alive.look(RUNNING)
    bench.passes(60)
    bench.alive.look(without(pid))
    bench.passes(GRACE - 1)  # verl may say more than we can
    bench.alive.is_alive(step=True)
    name = RUNNING[pid].title.rpartition("/")[2].partition(".")[0]
    with pytest.raises(CannotGoOnError, match=f"the process {name} has died"):
        bench.passes(1)


def test_processes_that_come_and_go_are_not_missed(bench: Bench) -> None:
    others = {20: Running("/env/bin/python", 13), 21: Running("ray::grade", RAYLET)}
    for _ in range(2):
        bench.alive.look(RUNNING | others)
    titled = {12: Running("ray::TaskRunnerV1", RAYLET), 13: Running("ray::WorkerDict", RAYLET)}
    bench.alive.look(without(10, 15) | titled)
    assert bench.passes(START / 2 - 60) == []


def test_a_process_that_was_only_just_forked_is_not_missed(bench: Bench) -> None:
    """Seen in a real training: TaskRunnerV1 starts programs while it imports vLLM."""
    forked = {30: Running("ray::TaskRunnerV1.run()", 12), 31: Running("/env/ray/raylet", RAYLET)}
    adopted = {32: Running("ray::WorkerDict", 1)}  # its parent ended at once
    for _ in range(3):
        bench.alive.look(RUNNING | forked)
    bench.alive.look(RUNNING | adopted)
    bench.alive.look(RUNNING)
    assert bench.passes(START / 2 - 60) == []


@pytest.mark.parametrize(
    "line",
    [
        "(EngineCore pid=8) ERROR 11-25 13:00:00 [core.py:1609] Invocation of collective_rpc "
        "method failed",
        "(EngineCore pid=8) ERROR 11-25 13:00:00 [core.py:1368] EngineCore encountered a fatal "
        "error.",
        "\x1b[33m(raylet)\x1b[0m A worker died or was killed while executing a task by an "
        "unexpected system error.",
    ],
)
def test_a_failure_that_nobody_waits_for_ends_the_training(bench: Bench, line: str) -> None:
    bench.prints(line)
    bench.passes(30)  # within half a minute it is read
    bench.passes(GRACE - 1)
    with pytest.raises(CannotGoOnError, match="a process failed"):
        bench.passes(1)


@pytest.mark.parametrize("name", ["vllm-weight-sync", "actor-died"])
def test_what_real_processes_printed_is_noticed(bench: Bench, name: str) -> None:
    """verl hung for ever after the first of these: vLLM could not load the new weights."""
    bench.log.write_bytes((LOGS / f"{name}.log").read_bytes())
    bench.passes(30)
    with pytest.raises(CannotGoOnError, match="a process failed"):
        bench.passes(GRACE)


def test_what_is_printed_while_all_is_well_is_not(bench: Bench) -> None:
    bench.log.write_bytes((LOGS / "ordinary.txt").read_bytes())
    assert bench.passes(START / 2 - 60) == []


def test_after_a_failure_what_goes_on_may_go_on(bench: Bench) -> None:
    """One of several that draw responses died: the others do what they were given."""
    bench.alive.is_alive(step=True)
    bench.prints("(raylet) A worker died or was killed while executing a task")
    for _ in range(10):
        bench.passes(GRACE - 1)
        bench.alive.is_alive()
    with pytest.raises(CannotGoOnError, match="a process failed"):
        bench.passes(GRACE)


def test_a_failure_that_was_overcome_does_not(bench: Bench) -> None:
    bench.prints("(raylet) A worker died or was killed while executing a task")
    bench.passes(30)
    bench.alive.is_alive(step=True)
    assert bench.passes(SLOWEST / 2 - 60) == []


def test_a_response_that_is_missing_is_told_once(bench: Bench) -> None:
    bench.alive.is_alive(step=True)
    for count in range(3):
        bench.prints("(AgentLoopWorkerTQ pid=9) ERROR:2026-12-01 03:53:26,350:Error in _run_prompt")
        bench.alive.is_alive()
        said = bench.passes(60)
        assert len(said) == (count == 0)


def test_the_start_may_take_long_while_something_is_printed(bench: Bench) -> None:
    for _ in range(100):
        bench.prints("Loading checkpoint shards")
        assert bench.passes(START / 4) == []


def test_what_verl_prints_while_it_waits_is_no_sign_of_life(bench: Bench) -> None:
    waiting = "(TaskRunnerV1 pid=7) pending: 0, running: 8, finished: 0, failure: 0"
    said = []
    for _ in range(59):
        bench.prints(waiting)
        said += bench.passes(60)
    assert said == [
        "nothing was done for 30 min 0 s; after 1 h 0 min of that the training is stopped"
    ]
    bench.prints(waiting)
    with pytest.raises(CannotGoOnError, match="nothing was done for 1 h 0 min"):
        bench.passes(60)


def test_after_the_first_step_the_limit_follows_the_longest(bench: Bench) -> None:
    bench.alive.is_alive(step=True)
    bench.alive.learn([10.0, 12.0])
    assert bench.alive.limit == SLOWEST
    bench.alive.learn([2000.0])
    bench.alive.learn([20.0])
    assert bench.alive.limit == TIMES * 2000
    bench.passes(TIMES * 2000 - 60)
    bench.alive.is_alive()  # a response was graded
    bench.passes(TIMES * 2000 - 60)
    with pytest.raises(CannotGoOnError, match="nothing was done for 2 h 47 min"):
        bench.passes(60)


def test_a_resumed_training_has_the_time_of_a_start(bench: Bench) -> None:
    bench.alive.learn([10.0])
    assert bench.alive.limit == START


def test_a_time_in_which_nobody_looked_does_not_count(bench: Bench) -> None:
    """A checkpoint of hundreds of gigabytes was written, or the machine slept."""
    bench.clock.now += 10 * START
    assert bench.alive.check() == ""


def test_a_log_that_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = liveness.Log(tmp_path / "log")
    assert log.new() == []
    log_file = tmp_path / "log"
    log_file.write_bytes(b"one\ntw")
    assert log.new() == ["one"]
    assert log.new() == []
    log_file.write_bytes(b"one\ntwo\n")
    assert log.new() == ["two"]
    monkeypatch.setattr(liveness, "MOST_READ", 100)
    with log_file.open("ab") as file:
        file.write(b"x" * 950 + b"\nthree\n")
    assert [line for _ in range(20) for line in log.new()][-1] == "three"
