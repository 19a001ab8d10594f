"""One worker process as its driver thread sees it: start, ask, kill.

Only the thread that made a `Worker` may use it: the kernel ends a worker with
the thread that started it. `kill` alone may be called from anywhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn, cast

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONHOME", "LD_LIBRARY_PATH")
"""All that a worker is told of the environment: what it parses is hostile, and the
driver's environment may hold access tokens."""
_OUT_OF_TIME = (-signal.SIGPROF, -signal.SIGALRM)
_ROOT = Path(__file__).resolve().parents[3]


class WorkerFailedError(Exception):
    """The worker died, or answered what it must not."""


class WorkerKilledError(WorkerFailedError):
    """Somebody killed the worker, or the system did: it says nothing of the task it had."""


class WorkerTimeoutError(Exception):
    """The worker did not answer in time; it has to be killed."""


def wall_limit(time_limit: float) -> float:
    """Return the seconds on the clock that a task of ``time_limit`` CPU seconds may take.

    The limit that counts is of CPU time, so that a busy machine, whose inference
    engine goes first, does not turn slow pairs into time-outs.
    """
    return 3 * time_limit


def worker_command(*, time_limit: float, memory_limit: int) -> list[str]:
    """Return the command line of a worker of this process."""
    # -P keeps the current directory, which may hold a file called sympy.py, off the path.
    command = [sys.executable, "-P", "-m", "harness.grading.workers.worker"]
    limits = ["--time", str(time_limit), "--memory", str(memory_limit)]
    # The clock in the worker is the last line: it fires if the driver hangs.
    limits += ["--wall", str(wall_limit(time_limit) + 1)]
    return [*command, "--parent", str(os.getpid()), *limits]


def worker_environment() -> dict[str, str]:
    """Return the few variables a worker needs, and none of the secrets around them."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Sympy orders by hashes here and there; a fixed seed makes verdicts repeatable.
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": "0"}


class Worker:
    """A running worker process."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the process; raises `WorkerFailedError` if it cannot be run."""
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=worker_environment(),
                bufsize=0,
            )
        except OSError as error:
            self._complaints.close()
            raise WorkerFailedError(f"{command[0]} cannot be run: {error}") from error
        self._tasks = cast(IO[bytes], self._process.stdin)
        self._replies = cast(IO[bytes], self._process.stdout)
        # A task may be larger than the pipe, and the worker may have stopped reading.
        os.set_blocking(self._tasks.fileno(), False)
        self._unread = b""

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def wait_until_ready(self, limit: float) -> None:
        """Wait until it takes tasks, for ``limit`` seconds at most.

        Raises `WorkerFailedError` with the worker's last words; it is of no more use then.
        """
        try:
            self._receive(time.monotonic() + limit)
        except (WorkerFailedError, WorkerTimeoutError) as error:
            self.kill()
            raise WorkerFailedError(f"{error}\n{self._last_words()}".strip()) from error

    def ask(self, task: dict[str, str], *, time_limit: float) -> dict[str, object]:
        """Send one task and return the worker's reply, within ``time_limit`` seconds of CPU.

        Raises `WorkerTimeoutError` past the limit and `WorkerFailedError` if the process
        died; in both cases the worker is of no more use.
        """
        deadline = time.monotonic() + wall_limit(time_limit)
        try:
            self._send(json.dumps(task).encode() + b"\n", deadline)
        except OSError as error:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it may live on without its pipe
                self._raise_death(timeout=1)
            raise WorkerFailedError("the worker closed its pipe") from error
        return self._receive(deadline)

    def kill(self) -> None:
        """Kill the process; whoever waits for its reply learns of it at once."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> None:
        """Kill the process, collect it, and close the pipes."""
        self.kill()
        self._process.wait()
        for pipe in (self._tasks, self._replies, self._complaints):
            with contextlib.suppress(OSError):
                pipe.close()

    def _send(self, line: bytes, deadline: float) -> None:
        unsent = memoryview(line)
        while unsent:
            _await(self._tasks, select.POLLOUT, deadline)
            unsent = unsent[os.write(self._tasks.fileno(), unsent) :]

    def _receive(self, deadline: float) -> dict[str, object]:
        while b"\n" not in self._unread:
            self._unread += self._read_some(deadline)
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            message: dict[str, object] = json.loads(line)
        except ValueError as error:
            raise WorkerFailedError("the worker's reply is not JSON") from error
        return message

    def _read_some(self, deadline: float) -> bytes:
        _await(self._replies, select.POLLIN, deadline)
        received = os.read(self._replies.fileno(), 65536)
        if not received:
            self._raise_death()
        return received

    def _raise_death(self, *, timeout: float | None = None) -> NoReturn:
        """Wait for the end of the process and raise what it was."""
        code = self._process.wait(timeout)
        if code in _OUT_OF_TIME:
            raise WorkerTimeoutError("the kernel ended the worker at its limit")
        if code == -signal.SIGKILL:
            raise WorkerKilledError("the worker was killed")
        raise WorkerFailedError("the worker died")

    def _last_words(self) -> str:
        self._process.wait()
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 2_000))
        return self._complaints.read().decode(errors="replace").strip()


def _await(pipe: IO[bytes], event: int, deadline: float) -> None:
    waiting = select.poll()  # unlike select(), it takes any file number
    waiting.register(pipe, event)
    if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise WorkerTimeoutError("no reply in time")
