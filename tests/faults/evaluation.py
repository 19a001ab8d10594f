"""An evaluation by the command line that can be started, watched, killed and started again.

It is watched from outside only, by its processes and its files. Each attempt has a mark in its
environment and a session of its own, so that all processes that it started are found, whatever
their parent is by then.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil

from benchmarks import BENCHMARKS
from benchmarks.source import load_problems
from harness.runs.file_names import JOURNAL

HERE = Path(__file__).parent
HELPERS = HERE.parent / "helpers"
MARK = "HARNESS_FAULT_ATTEMPT"
LONGEST_ATTEMPT = 300.0
"""Seconds after which an attempt that is still running counts as hanging."""
GONE_WITHIN = 15.0
"""Seconds within which all processes that a killed process started must be gone."""
WORKER = "harness.grading.workers.worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The arguments of the command line, except the folder of the results."""

    name: str
    arguments: tuple[str, ...]
    samples: int
    path: tuple[Path, ...] = ()
    """Folders of modules that the command finds before all others."""

    def begin(self, results: Path) -> Attempt:
        """Start the command, or start it again."""
        fixed = ["--results", str(results), "--json"]
        asked = [sys.executable, "-m", "harness", "eval", *self.arguments, *fixed]
        return Attempt(asked, results, self.path)


def replayed(responses: Path, *, problems: int = 24, n: int = 4, pause: float = 0.02) -> Evaluation:
    """Replay responses slowly. A third of them can only be decided by a grading worker."""
    write_hard_responses(responses, problems=problems, n=n)
    return Evaluation(
        name="slow-replay",
        samples=problems * n,
        arguments=(
            *("--model", "replayed", "--benchmarks", "demo", "--limit", str(problems)),
            *("--n", str(n), "--temperature", "1"),
            *("--engine", "slow-replay", "--responses", str(responses)),
            *("--engine-arg", f"pause={pause}"),
        ),
    )


def computed(engine: str, *extra: str, problems: int = 60) -> Evaluation:
    """Compute responses of the demo model, greedily, by a real engine."""
    return Evaluation(
        name=engine,
        samples=problems,
        arguments=(
            *("--model", "demo", "--benchmarks", "demo", "--limit", str(problems)),
            *("--engine", engine, "--engine-arg", "enforce_eager=true", "--dtype", "float32"),
            *extra,
        ),
    )


def queued(folder: Path, *, problems: int = 60, pause: float = 0.2) -> Evaluation:
    """Have a made queue answer in vLLM's place; it starts at once and computes nothing."""
    engine = "paced-queue"
    folder.mkdir()
    # What is imported while the engine starts.
    (folder / "vllm.py").write_text("LLM = None\n", encoding="utf-8")
    return Evaluation(
        name=engine,
        samples=problems,
        arguments=(
            *("--model", "made", "--benchmarks", "demo", "--limit", str(problems)),
            *("--engine", engine, "--engine-arg", f"pause={pause}"),
        ),
        path=(folder, HELPERS),
    )


def write_hard_responses(path: Path, *, problems: int, n: int) -> None:
    """Write right, wrong and hard answers to the first demo problems; none is given twice.

    A hard one takes a worker a tenth of a second, which is far from the limit on any machine.
    Otherwise a verdict would depend on how busy the machine is.
    """
    asked = load_problems(BENCHMARKS["demo"], limit=problems)
    with path.open("w", encoding="utf-8") as file:
        for number, problem in enumerate(asked):
            for index in range(n):
                hard = rf"\sum_{{k=1}}^{{{number + 2}}} {31 * index + 3 + number % 5} k"
                answer = (problem.answer, f"-7{number}{index}", hard)[(number + index) % 3]
                row = {
                    "problem_id": problem.id,
                    "index": index,
                    "response": f"So \\boxed{{{answer}}}.",
                    "completion_tokens": 5 + number,
                }
                file.write(json.dumps(row) + "\n")


class Attempt:
    """One start of the command, and every process that it starts."""

    def __init__(self, command: list[str], results: Path, path: tuple[Path, ...]) -> None:
        self._results = results
        self._mark = uuid4().hex
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end
        folders = [*map(str, path), str(HERE / "plugins")]
        folders += filter(None, [os.environ.get("PYTHONPATH")])
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folders), MARK: self._mark},
            start_new_session=True,
            # Python ignores Ctrl-C where its parent does, as a shell's background job.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.driver = psutil.Process(self._process.pid)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.began

    @property
    def running(self) -> bool:
        """Whether the driver still runs."""
        return self._process.poll() is None

    def journaled(self) -> int:
        """Return how many bytes of samples this attempt and those before it have stored."""
        return sum(path.stat().st_size for path in self._results.glob(f"runs/*/*/{JOURNAL}"))

    def writes_a_file(self) -> bool:
        """Say whether a file of the run is being written, which is renamed when it is complete."""
        try:
            return any(self._results.glob("runs/*/*/*.partial"))
        except FileNotFoundError:  # a new run's folder, which just got its name
            return True

    def children(self) -> list[psutil.Process]:
        """Return all current descendants of the driver."""
        try:
            return self.driver.children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def victims(self, kind: str) -> list[psutil.Process]:
        """Return the processes of a kind that run now."""
        if kind == "driver":
            return [self.driver] if self.running else []
        return [child for child in self.children() if _kind(child) == kind]

    def everything(self) -> Iterator[psutil.Process]:
        """Yield every process of this attempt, orphans included."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if process.status() != psutil.STATUS_ZOMBIE and self._has_mark(process):
                    yield process

    def _has_mark(self, process: psutil.Process) -> bool:
        # A grading worker does not inherit the environment, and an engine may leave the session.
        return os.getsid(process.pid) == self.driver.pid or (
            process.environ().get(MARK) == self._mark
        )

    def end(self) -> Ended:
        """Wait for the driver and then for all that it started; kill what still runs after that."""
        hung = False
        try:
            self._process.wait(max(1.0, LONGEST_ATTEMPT - self.seconds))
        except subprocess.TimeoutExpired:
            hung = True
            self._process.kill()
            self._process.wait()
        seconds, left = self.seconds, self._outlived()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        self._said.close()
        code = self._process.returncode
        return Ended(code=code, seconds=seconds, said=said, hung=hung, left=left)

    def _outlived(self) -> tuple[str, ...]:
        give_up = time.monotonic() + GONE_WITHIN
        while (left := list(self.everything())) and time.monotonic() < give_up:
            time.sleep(0.05)
        names = []
        for process in left:
            with suppress(psutil.Error):
                names.append(f"{process.pid} {' '.join(process.cmdline())[:80] or process.name()}")
                process.kill()
        return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended."""

    code: int
    seconds: float
    said: str
    """The attempt's standard error."""
    hung: bool
    left: tuple[str, ...]
    """Processes that outlived it by more than `GONE_WITHIN`, which were killed then."""

    def faults(self, victim: str | None) -> list[str]:
        """Return what is wrong with the attempt's end, after a kill of ``victim`` or of none."""
        found = [f"outlived by {process}" for process in self.left]
        if self.hung:
            return [*found, f"hung for {self.seconds:.0f} s"]
        expected = {"driver": (-signal.SIGKILL,), "engine": (0, 1)}.get(str(victim), (0,))
        if self.code not in expected:
            found.append(f"exit status {self.code} after a kill of {victim}: {self.last_words}")
        if victim == "engine" and self.code == 1 and "harness: " not in self.said:
            found.append(f"a lost engine is not told: {self.last_words}")
        if victim != "engine" and "Traceback" in self.said:  # vLLM prints tracebacks of its own
            found.append(f"a traceback: {self.said[-500:]}")
        return found

    @property
    def last_words(self) -> str:
        """The last line on stderr."""
        return (self.said.strip().splitlines() or ["nothing said"])[-1][-200:]


def _kind(process: psutil.Process) -> str:
    try:
        title, name = " ".join(process.cmdline()), process.name()
    except psutil.Error:
        return "gone"
    if WORKER in title:
        return "grader"
    if title.startswith("ray::Replica"):
        return "replica"
    if "harness.engines.vllm.process" in title:
        return "engine"
    # vLLM names its process only when it is imported. Until then it looks like any spawned one.
    spawned = "multiprocessing.spawn" in title or "--multiprocessing-fork" in title
    return "engine" if spawned or "EngineCore" in title or "EngineCore" in name else "other"
