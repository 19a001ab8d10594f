"""Notices that a training cannot go on, although verl has not ended and says nothing.

verl waits without a time limit for what its processes owe each other, and some of these waits
never end (0.9.1):

- It sends weights through a socket to vLLM's process, and waits there for an answer before it asks
  whether the receiver failed (`update_weights` in `workers/rollout/vllm_rollout/vllm_rollout.py`).
- It starts the drawing of responses and does not keep what it started; then it looks for finished
  ones in a loop without an end (`AgentLoopWorkerTQ.generate_sequences`, `ReplayBuffer.sample`).

So three things are looked at from outside: whether a process is gone that lives as long as the
training, whether a process said that it failed in a way that nobody waits for, and whether
anything was done at all for far longer than a step has ever taken.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness.common.text import duration
from harness.common.tracebacks import log_lines
from trainers.supervise import Running

GRACE = 60.0
"""Seconds that verl has to end by itself, and to say more than we can, once it cannot go on."""
START = 3600.0
"""Seconds without any sign of life before the first step: to load a large model from a slow disk,
to compile its kernels, and to draw the first responses takes minutes, and rarely an hour."""
SLOWEST = 1800.0
"""The least limit after the first step, in seconds: a save onto a slow disk is no step that was
seen before, and an hour of GPUs is less than a training that was ended without need."""
TIMES = 5.0
"""How many times as long as the longest step so far a step may take without a sign of life."""
LONGEST_TICK = 60.0
"""Seconds that count at most between two looks: while a checkpoint is written, or the machine
sleeps, nobody looks, and what happened meanwhile is not known."""
MOST_READ = 8 << 20
"""Bytes of the log that are read at a time."""

_PROCESS = re.compile(
    r"VLLM::\w+|SGLANG::\w+|sglang::\w+"
    r"|ray::(?:WorkerDict|TaskRunner\w*|\w*HttpServer|AgentLoopWorker\w*|RewardLoopWorker"
    r"|GlobalRequestLoadBalancer|TransferQueueController|SimpleStorageUnit)"
    r"|\braylet\b|\bgcs_server\b"
)
"""The titles of processes that live as long as a training. Others come and go: Ray keeps idle
workers, and grading workers are replaced when they take too long."""

_FAILED = re.compile(
    # vLLM answers a failed call to its engine, but verl does not wait for this answer.
    r"Invocation of \w+ method failed"  # vllm/v1/engine/core.py
    r"|EngineCore encountered a fatal error|EngineCore failed to start"  # the same
    r"|Worker proc \S+ died unexpectedly"  # vllm/v1/executor/multiproc_executor.py
    # Ray tells the driver that it killed something; what was started and not kept is lost.
    r"|A worker died or was killed while executing a task"
    r"|worker\(s\) were killed due to the node running low on memory"
)
"""What a process prints after which verl waits for ever, or ends."""
_LOST = re.compile(r"Error in _run_prompt")
"""What verl prints when a response could not be drawn or rewarded (`ppo/v1/agent_loop_tq.py`). It
goes on with the others: the group is smaller, or the step."""
_WAITING = re.compile(r"pending: \d+, running: \d+, finished: \d+, failure: \d+")
"""What verl prints every minute while it waits; it is no sign that anything is done."""


def _role(process: Running) -> re.Match[str] | None:
    return _PROCESS.search(process.title)


class CannotGoOnError(Exception):
    """A training cannot go on; the text says why, without what the log says."""


class Log:
    """What verl prints, read as it comes."""

    def __init__(self, path: Path) -> None:
        """Read what is appended to ``path``."""
        self._path = path
        self._position = 0

    def new(self) -> list[str]:
        """Return the whole lines since the last call, without colours and names of processes."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                content = file.read(MOST_READ)
        except OSError:
            return []
        whole, newline, _ = content.rpartition(b"\n")
        if not newline and len(content) < MOST_READ:
            return []
        self._position += len(whole) + len(newline) if newline else len(content)
        return [line.text for line in log_lines(whole)]


class Liveness:
    """Decides whether a training still goes on."""

    def __init__(self, log: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read ``log``; ``clock`` returns the time in seconds."""
        self.log = log
        """What is read."""
        self._lines, self._clock = Log(log), clock
        self._last = clock()
        self._idle = 0.0
        self._started = False
        """Whether this launch has done a step."""
        self._longest = 0.0
        self._roles: dict[int, str] = {}
        """The processes of the last look that live as long as the training."""
        self._known: set[int] = set()
        """Those that were there at the look before, too."""
        self._gone: tuple[float, str] | None = None
        self._failed: tuple[float, str] | None = None
        self._warned = False
        self._lost = 0
        """How many responses were lost."""
        self._told = False
        """Whether that was said."""

    def learn(self, durations: Iterable[float]) -> None:
        """Take in how long steps took, in seconds."""
        self._longest = max([self._longest, *durations])

    @property
    def limit(self) -> float:
        """How many seconds may pass without a sign of life."""
        return max(SLOWEST if self._started else START, TIMES * self._longest)

    def is_alive(self, *, step: bool = False) -> None:
        """Note that something was done; with ``step``, that a whole step was."""
        self._idle = 0.0
        self._warned = False
        if step:
            self._started = True
            self._failed = None  # whatever it was, it was overcome

    def look(self, processes: Mapping[int, Running]) -> None:
        """Take in the living processes, by their ids."""
        gone = [self._roles[pid] for pid in self._known if pid not in processes]
        if gone and self._gone is None:
            self._gone = self._clock(), gone[0]
        roles = {pid: match[0] for pid, each in processes.items() if (match := _role(each))}
        # Until it runs its own program, a forked process has the title of its parent.
        own = {pid for pid, role in roles.items() if roles.get(processes[pid].parent) != role}
        # One that lost its parent meanwhile is told by not being there at the next look.
        self._known = own & self._roles.keys()
        self._roles = {pid: roles[pid] for pid in own}

    def check(self) -> str:
        """Return a line, once, about a long silence or about responses that are missing.

        Raises:
            CannotGoOnError: the training will not go on.
        """
        now = self._clock()
        self._idle += min(now - self._last, LONGEST_TICK)
        self._last = now
        self._read(now)
        if self._gone and now - self._gone[0] >= GRACE:
            raise CannotGoOnError(f"the process {self._gone[1]} has died, and verl waits for it")
        if self._failed and min(now - self._failed[0], self._idle) >= GRACE:
            raise CannotGoOnError("a process failed, and verl waits for it")
        if self._idle >= self.limit:
            raise CannotGoOnError(f"nothing was done for {duration(round(self._idle))}")
        if self._lost and not self._told:
            self._told = True
            return (
                "a response could not be drawn or rewarded, and is missing from its step; verl's "
                "log says why after its words `Error in _run_prompt`"
            )
        if self._idle >= self.limit / 2 and not self._warned:
            self._warned = True
            return (
                f"nothing was done for {duration(round(self._idle))}; after "
                f"{duration(round(self.limit))} of that the training is stopped"
            )
        return ""

    def _read(self, now: float) -> None:
        """Read what was printed. Before the first step, any line shows that something is done."""
        for line in self._lines.new():
            self._lost += _LOST.search(line) is not None
            if _FAILED.search(line) and self._failed is None:
                self._failed = now, line
            if not self._started and line.strip() and not _WAITING.search(line):
                self._idle = 0.0
