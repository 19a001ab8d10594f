"""However a training ends, what it started is gone, and nothing else is."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.errors import UserError
from trainers import supervise

ROOT = Path(__file__).parents[2]

# A daemon that left parent, session and environment behind, and does not listen; and a command
# that starts one, does not listen either, and says what it hears.
DETACHED = """
import os, signal, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("daemon.partial", "w") as file:
    file.write(str(os.getpid()))
os.rename("daemon.partial", "daemon")
time.sleep(600)
"""
COMMAND = f"""
import os, signal, subprocess, sys, time
def hear(number, frame):
    print("heard", signal.Signals(number).name, flush=True)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, hear)
subprocess.run([sys.executable, "-c", {DETACHED!r}], env={{}})
while not os.path.exists("daemon"):
    time.sleep(0.01)
print("ready", flush=True)
while not os.path.exists("enough"):
    time.sleep(0.01)
"""
HARNESS = """
import sys
from pathlib import Path
from trainers import supervise
folder = Path(sys.argv[1])
with supervise.hold(folder) as held:
    supervise.run(
        [sys.executable, "-c", sys.argv[2]], environment={}, log=folder / "log", folder=folder,
        on_tick=lambda: None, held=held, grace_seconds=float(sys.argv[3]),
    )
"""


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of the training's, though it is a child of ours too."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def hangup() -> Iterator[None]:
    """SIGHUP as it is for most: under nohup it is ignored, and these tests run there, too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Callable[[float], subprocess.Popen[bytes]]]:
    """Start a process that trains into the folder, once the training is under way."""
    started = []

    def start(grace: float) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", HARNESS, str(tmp_path), COMMAND, str(grace)]
        started.append(subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL))
        until(lambda: says(tmp_path, "ready"))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def run(folder: Path, *words: str, **options: Any) -> int:
    options = {"environment": {}, "on_tick": lambda: None, "grace_seconds": 0.2} | options
    return supervise.run(list(words), log=folder / "log", folder=folder, **options)


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.02)


def says(folder: Path, text: str) -> bool:
    return (folder / "log").exists() and text in (folder / "log").read_text()


def daemon_gone(folder: Path) -> bool:
    try:
        process = psutil.Process(int((folder / "daemon").read_text()))
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9)])
def test_it_returns_the_exit_code(tmp_path: Path, script: str, code: int) -> None:
    assert run(tmp_path, "bash", "-c", script) == code


def test_output_is_appended_and_variables_are_added(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    run(tmp_path, "bash", "-c", "echo $WORD; echo bad >&2; pwd", environment={"WORD": "said"})
    assert (tmp_path / "log").read_text() == f"before\nsaid\nbad\n{tmp_path}\n"


def test_a_module_in_the_folder_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "psutil.py").write_text("raise SystemExit(7)")
    assert run(tmp_path, "true") == 0


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent-program cannot be run: No such file"):
        run(tmp_path, "absent-program")


def test_what_outlives_the_command_is_ended(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "enough").touch()
    assert run(tmp_path, sys.executable, "-c", COMMAND) == 0
    assert daemon_gone(tmp_path)
    assert bystander.poll() is None


def test_an_exception_of_the_watcher_stops_the_training(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    def look() -> None:
        if says(tmp_path, "ready"):
            raise LookupError("no such metric")

    with pytest.raises(LookupError, match="no such metric"):
        run(tmp_path, sys.executable, "-c", COMMAND, on_tick=look)
    assert daemon_gone(tmp_path)
    assert bystander.poll() is None
    # It was asked, ever more firmly, before it was killed.
    assert (tmp_path / "log").read_text() == "ready\nheard SIGINT\nheard SIGTERM\n"


def test_the_living_processes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bystander: subprocess.Popen[bytes]
) -> None:
    monkeypatch.setattr(supervise, "LOOK", 0.0)
    monkeypatch.setattr(supervise, "TICK", 0.02)
    seen: list[supervise.Running] = []

    def look(processes: Mapping[int, supervise.Running]) -> None:
        assert bystander.pid not in processes
        sleeps = [each for each in processes.values() if each.title == "sleep"]
        if sleeps:
            seen.extend(sleeps)
            assert processes[sleeps[0].parent].title == "bash"
            raise LookupError("seen")

    script = "sleep 600 & wait"
    with pytest.raises(LookupError, match="seen"):
        run(tmp_path, "bash", "-c", script, on_look=look)
    assert len(seen) == 1


@pytest.mark.usefixtures("hangup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_it_started_and_nothing_else(
    tmp_path: Path, bystander: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    sent: list[int] = []
    told: list[str] = []
    before = signal.getsignal(number)

    def look() -> None:
        if says(tmp_path, "ready") and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        run(
            tmp_path, sys.executable, "-c", COMMAND,
            on_tick=look, on_stop=lambda: told.append("stopping"),
        )  # fmt: skip
    assert daemon_gone(tmp_path)
    assert told == ["stopping"]
    assert bystander.poll() is None
    assert signal.getsignal(number) is before


def test_a_second_interrupt_does_not_wait_for_the_grace(tmp_path: Path) -> None:
    def look() -> None:
        if says(tmp_path, "ready") and not says(tmp_path, "heard"):
            os.kill(os.getpid(), signal.SIGINT)
            until(lambda: says(tmp_path, "heard SIGINT"))
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):  # the time limit of the tests is below this grace
        run(tmp_path, sys.executable, "-c", COMMAND, on_tick=look, grace_seconds=3600)
    assert daemon_gone(tmp_path)
    assert not says(tmp_path, "SIGTERM")


def test_it_runs_outside_the_main_thread_too(tmp_path: Path) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run(tmp_path, "bash", "-c", "exit 4")))
    thread.start()
    thread.join()
    assert codes == [4]


def test_nothing_lives_on_when_the_harness_is_killed(
    tmp_path: Path,
    harness: Callable[[float], subprocess.Popen[bytes]],
    bystander: subprocess.Popen[bytes],
) -> None:
    process = harness(3600)
    process.kill()
    process.wait()
    # The folder is to be had as soon as its processes are gone, and no sooner.
    with supervise.hold(tmp_path):
        assert daemon_gone(tmp_path)
    assert bystander.poll() is None


def test_the_command_dies_with_a_killed_guard(
    tmp_path: Path, harness: Callable[[float], subprocess.Popen[bytes]]
) -> None:
    process = harness(3600)
    (guard,) = psutil.Process(process.pid).children()
    (command,) = [child for child in guard.children() if "daemon" not in child.name()][:1]
    guard.kill()
    assert process.wait() == 0  # the script above does not look at the code
    assert not command.is_running() or command.status() == psutil.STATUS_ZOMBIE
    os.kill(int((tmp_path / "daemon").read_text()), signal.SIGKILL)  # unmarked: beyond our reach


def test_what_a_killed_guard_left_is_ended_by_the_next_training(tmp_path: Path) -> None:
    marked = {**os.environ, supervise.MARK: "left-behind"}
    left = subprocess.Popen(["sleep", "600"], env=marked)
    other = subprocess.Popen(["sleep", "600"], env={**marked, supervise.MARK: "another"})
    try:
        (tmp_path / supervise.LOCK).write_text(json.dumps({"marker": "left-behind"}))
        with supervise.hold(tmp_path):
            left.wait(10)
            assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_a_folder_is_trained_into_by_one_at_a_time(tmp_path: Path) -> None:
    with (
        supervise.hold(tmp_path),
        pytest.raises(UserError, match=rf"another process \(pid {os.getpid()}\)"),
        supervise.hold(tmp_path),
    ):
        pass
    with supervise.hold(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written to"), supervise.hold(tmp_path / "file"):
        pass


RAY = """
import os, subprocess, sys, time
import ray
ray.init(address="local", num_cpus=2, include_dashboard=False)
@ray.remote
class Engine:
    def start(self):
        # As vLLM does: a process of the actor's own, in a session of its own.
        words = [sys.executable, "-c", "import time; time.sleep(600)"]
        return subprocess.Popen(words, start_new_session=True).pid
engine = Engine.remote()
ray.get(engine.start.remote())
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.engine
def test_nothing_of_ray_is_left(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    """The hard case: a driver that is killed cannot take its daemons along."""
    started: list[psutil.Process] = []
    # Other tests of this process may have started a browser or grading workers.
    others = psutil.Process().children(recursive=True)

    def look() -> None:
        if says(tmp_path, "ready") and not started:
            running = psutil.Process().children(recursive=True)
            started.extend(each for each in running if each not in others)
            here = [each for each in psutil.Process().children() if each not in others]
            (guard,) = (each for each in here if each.children())
            guard.children()[0].kill()

    code = run(tmp_path, sys.executable, "-c", RAY, on_tick=look, grace_seconds=20)
    assert started, (tmp_path / "log").read_text()  # Ray itself may not have come up
    assert code == -signal.SIGKILL
    left = [(each.name(), each.status()) for each in started if each.is_running()]
    assert left == []
    assert bystander.poll() is None
    assert (
        len(started) > 6
    )  # guard, driver, gcs, raylet, agents, workers, engine, and the bystander
    assert bystander.poll() is None
