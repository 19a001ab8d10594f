"""One worker process, as the thread that drives it sees it: start, ask, kill.

Only the thread that made a `Worker` may use it, because the kernel ends a worker
together with the thread that started it. Any thread may call `kill`.
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
from typing import IO, NamedTuple, NoReturn, cast

import psutil

from benchmarks.bounded_json import parse_json

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONHOME", "LD_LIBRARY_PATH")
"""The environment variables that a worker inherits. It parses hostile text, and the driver's
environment may hold access tokens."""
_ROOT = Path(__file__).resolve().parents[3]


class WorkerFailedError(Exception):
    """The worker died, or broke the protocol."""


class WorkerKilledError(WorkerFailedError):
    """A person or the system killed the worker, which says nothing about its task."""


class WorkerTimeoutError(Exception):
    """The worker did not answer in time, and has to be killed."""


class WorkerSilentError(WorkerTimeoutError):
    """The clock ended the worker, before it had its time of the processor."""


def wall_limit(time_limit: float) -> float:
    """Return after how many seconds of silence a worker is given up, unless it computes then.

    ``time_limit`` is what the task may take, in seconds of CPU time.
    """
    return 3 * time_limit


def patience(time_limit: float) -> float:
    """Return the seconds on the clock after which a task is given up in any case.

    They are so many because a worker yields to everybody else: where an inference engine keeps all
    processors busy, it may get as little as a hundredth of one. Such a wait should not change a
    verdict, so it is the kernel that ends a worker, at its limit of CPU time.
    """
    return 100 * time_limit


def worker_command(*, time_limit: float, memory_limit: int) -> list[str]:
    """Return the command line of a worker; ``time_limit`` is in CPU seconds, the other in bytes."""
    # -P keeps the current directory off the path: it may hold a file called sympy.py.
    command = [sys.executable, "-P", "-m", "harness.grading.workers.worker"]
    limits = ["--time", str(time_limit), "--memory", str(memory_limit)]
    # The timer within the worker is the last resort: it ends the worker if the driver hangs.
    limits += ["--wall", str(patience(time_limit) + 1)]
    return [*command, "--parent", str(os.getpid()), *limits]


def worker_environment() -> dict[str, str]:
    """Return the few environment variables that a worker needs, without any secret."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Sympy sometimes orders by hashes; with a fixed seed, verdicts are repeatable.
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": "0"}


class _Wait(NamedTuple):
    """How long to wait for a worker, in seconds on the clock."""

    silence: float
    """The longest silence of a worker that does not compute."""
    until: float
    """When even one that computes is given up, by `time.monotonic`."""


class Worker:
    """A running worker process."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the process; raise `WorkerFailedError` if it cannot be run."""
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
        # A blocking write would hang on a task larger than the pipe if the worker stopped reading.
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
        """Wait until the worker takes tasks, for ``limit`` seconds at most.

        Raises `WorkerFailedError` with the end of the worker's standard error, after killing it.
        """
        try:
            self._receive(_Wait(silence=limit, until=time.monotonic() + limit))
        except (WorkerFailedError, WorkerTimeoutError) as error:
            self.kill()
            raise WorkerFailedError(f"{error}\n{self._last_words()}".strip()) from error

    def ask(self, task: dict[str, str], *, time_limit: float) -> dict[str, object]:
        """Send one task and return the worker's reply, within ``time_limit`` seconds of CPU time.

        Raises `WorkerTimeoutError` past the limit, `WorkerSilentError` if only the clock passed
        one, `WorkerKilledError` if something killed the
        process, and `WorkerFailedError` if it died in any other way. The worker cannot be used
        again after any of them.
        """
        until = time.monotonic() + patience(time_limit)
        wait = _Wait(silence=wall_limit(time_limit), until=until)
        try:
            self._send(json.dumps(task).encode() + b"\n", wait)
        except OSError as error:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it may run on without its pipe
                self._raise_death(timeout=1)
            raise WorkerFailedError("the worker closed its pipe") from error
        return self._receive(wait)

    def kill(self) -> None:
        """Kill the process; a thread that waits for its reply gets an error at once."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> None:
        """Kill the process, wait for its end, and close the pipes."""
        self.kill()
        self._process.wait()
        for pipe in (self._tasks, self._replies, self._complaints):
            with contextlib.suppress(OSError):
                pipe.close()

    def _send(self, line: bytes, wait: _Wait) -> None:
        unsent = memoryview(line)
        while unsent:
            self._await(self._tasks, select.POLLOUT, wait)
            unsent = unsent[os.write(self._tasks.fileno(), unsent) :]

    def _receive(self, wait: _Wait) -> dict[str, object]:
        while b"\n" not in self._unread:
            self._unread += self._read_some(wait)
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            message: dict[str, object] = parse_json(line)
        except ValueError as error:
            raise WorkerFailedError("the worker's reply is not JSON") from error
        return message

    def _read_some(self, wait: _Wait) -> bytes:
        self._await(self._replies, select.POLLIN, wait)
        received = os.read(self._replies.fileno(), 65536)
        if not received:
            self._raise_death()
        return received

    def _await(self, pipe: IO[bytes], event: int, wait: _Wait) -> None:
        waiting = select.poll()  # select() fails for file descriptors above 1023
        waiting.register(pipe, event)
        while not waiting.poll(1000 * max(0.0, min(wait.silence, wait.until - time.monotonic()))):
            given_up = time.monotonic() >= wait.until or not self._computes()
            # It may have answered, or died, between the two looks.
            if given_up and not waiting.poll(0):
                raise WorkerSilentError("no reply in time")

    def _computes(self) -> bool:
        """Say whether the process computes, or would if it had a processor or its memory."""
        computing = (psutil.STATUS_RUNNING, psutil.STATUS_WAKING, psutil.STATUS_DISK_SLEEP)
        try:
            return psutil.Process(self.pid).status() in computing
        except psutil.Error:
            return False

    def _raise_death(self, *, timeout: float | None = None) -> NoReturn:
        """Wait for the end of the process, and raise the error that its exit code stands for."""
        code = self._process.wait(timeout)
        if code == -signal.SIGPROF:
            raise WorkerTimeoutError("the kernel ended the worker at its limit")
        if code == -signal.SIGALRM:
            raise WorkerSilentError("the kernel ended the worker when its patience ended")
        if code == -signal.SIGKILL:
            raise WorkerKilledError("the worker was killed")
        raise WorkerFailedError("the worker died")

    def _last_words(self) -> str:
        self._process.wait()
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 2_000))
        return self._complaints.read().decode(errors="replace").strip()
