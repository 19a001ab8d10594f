"""A pool of worker processes that can be killed, each driven by a thread of its own.

An executor of the standard library cannot kill a worker that hangs in C code, so
a few hostile answers would occupy it for good and every later task would time
out. Here a hanging worker is killed and replaced. Any thread may submit a task,
and every task ends within its limit. After a fork, the child may use the pool,
too, and gets workers of its own.

A task is not given up because of what else the machine does. Its limit is one of
CPU time, but that is no constant: processes that share caches, memory or a core
with others take more of it for the same work. So a task that ran out of time
while another worker was at work is tried once more, alone. One that was alone
already is not: the second attempt would be the first again. A task whose worker
was ended by the clock, because it slept or never got a processor, is always tried
again, with a new worker.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from benchmarks.errors import UserError
from harness.grading.answers.rules import Equivalence
from harness.grading.workers.process import (
    Worker,
    WorkerFailedError,
    WorkerKilledError,
    WorkerSilentError,
    WorkerTimeoutError,
    worker_command,
)

START_ATTEMPTS = 3
"""How often starting a worker is tried before the pool gives up."""
KILLED_ATTEMPTS = 3
"""How often a pair is tried if something kills its worker. One kill by a person must not change a
verdict, and a pair that makes the system kill every worker must come to an end."""
START_LIMIT = 120.0
"""Seconds that a worker may take to import sympy; it is generous, as the machine may be busy."""
TIME_LIMIT = 1.5
"""Seconds of CPU time that an attempt at a task may take. With the kill, it costs less than two."""
MEMORY_LIMIT = 300 << 20
"""Bytes of address space that a worker may take; a new worker takes about a quarter of them."""


class PoolClosedError(RuntimeError):
    """The pool was closed before this task was done."""


class WorkersUnavailableError(UserError):
    """No worker can be started. Grading is impossible, and must not look like wrong answers."""


@dataclass(frozen=True, slots=True)
class _Task:
    gold: str
    answer: str
    method: str
    future: Future[Equivalence] = field(default_factory=Future)


class WorkerPool:
    """Compares pairs in up to ``workers`` processes, which start when they are first needed."""

    def __init__(
        self,
        workers: int,
        *,
        time_limit: float = TIME_LIMIT,
        memory_limit: int = MEMORY_LIMIT,
        start_limit: float = START_LIMIT,
        command: Sequence[str] | None = None,
    ) -> None:
        """Make a pool.

        Args:
            workers: the most processes at once.
            time_limit: what one task may take, in seconds of CPU time.
            memory_limit: the address space of one worker, in bytes.
            start_limit: what the start of a worker may take, in seconds.
            command: replaces the worker's command line, for tests.
        """
        if workers < 1:
            raise ValueError(f"a pool needs at least one worker, not {workers}")
        limits = _Limits(time=time_limit, memory=memory_limit, start=start_limit)
        self._new_crew = partial(_Crew, workers, limits, command)
        # A forked child inherits its parent's crew but none of its threads, so it makes another.
        # It keeps the parent's too: dropping it would close pipes that belong to the parent.
        self._crews = {os.getpid(): self._new_crew()}
        self._closed = False

    def submit(self, gold: str, answer: str, *, method: str = "compare") -> Future[Equivalence]:
        """Queue one pair; the future's result is an `Equivalence`, also if the worker fails.

        ``method`` is the name of one of the worker's methods; all but ``compare`` take a whole
        response in place of the answer. The future raises only errors that do not concern this
        pair: `WorkersUnavailableError` and `PoolClosedError`.
        """
        if self._closed:
            raise PoolClosedError("the grader is closed")
        return self._crew().submit(_Task(gold, answer, method))

    def warm_up(self) -> None:
        """Start a first worker in the background, and let it practise before its first pair."""
        self._crew().warm_up()

    def pids(self) -> list[int]:
        """Return the process ids of the workers that run now, sorted."""
        return self._crew().pids()

    def close(self, *, cancel: bool = False) -> None:
        """End the workers: when the queued tasks are done or, with ``cancel``, at once."""
        self._closed = True
        self._crew().close(cancel=cancel)

    def _crew(self) -> _Crew:
        process = os.getpid()
        return self._crews.get(process) or self._crews.setdefault(process, self._new_crew())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    time: float
    memory: int
    start: float


class _Attempt(NamedTuple):
    """What came of one attempt at a task."""

    result: Equivalence | None
    """None if something killed the worker, which says nothing about the task."""
    worker: Worker | None
    """None if it cannot serve another task."""
    by_clock: bool
    """Whether the clock ended the worker, before it had its CPU time."""


class _Turns:
    """Lets several threads work at a time, or one of them alone.

    A thread that wants to be alone waits for those at work, and no other begins before it is done.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at_work: set[_Turn] = set()
        self._want_to_be_alone = 0

    @contextmanager
    def beside_others(self) -> Iterator[_Turn]:
        """Work while others may work. Returns what says whether any other did."""
        with self._changed:
            self._changed.wait_for(lambda: not self._want_to_be_alone)
            turn = self._begin()
        try:
            yield turn
        finally:
            self._end(turn)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work while no other works."""
        with self._changed:
            self._want_to_be_alone += 1
            self._changed.wait_for(lambda: not self._at_work)
            turn = self._begin()
        try:
            yield
        finally:
            with self._changed:
                self._want_to_be_alone -= 1
            self._end(turn)

    def _begin(self) -> _Turn:
        turn = _Turn(alone=not self._at_work)
        for other in self._at_work:
            other.alone = False
        self._at_work.add(turn)
        return turn

    def _end(self, turn: _Turn) -> None:
        with self._changed:
            self._at_work.discard(turn)
            self._changed.notify_all()


@dataclass(slots=True, kw_only=True, eq=False)
class _Turn:
    """The work of one thread on one task."""

    alone: bool
    """Whether no other thread has worked in the meantime."""


class _Crew:
    """The workers of one process, and the threads that drive them."""

    def __init__(self, workers: int, limits: _Limits, command: Sequence[str] | None) -> None:
        self._workers = workers
        self._limits = limits
        self._command = command
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._turns = _Turns()
        self._unfinished = 0
        self._threads: list[threading.Thread] = []
        self._running: set[Worker] = set()
        self._failed_starts = 0
        self._closed = self._cancelled = False

    def submit(self, task: _Task) -> Future[Equivalence]:
        task.future.set_running_or_notify_cancel()  # callers share it, so none may cancel it
        with self._lock:
            if self._closed:
                raise PoolClosedError("the grader is closed")
            self._unfinished += 1
            if self._unfinished > len(self._threads) and len(self._threads) < self._workers:
                self._start_thread()
            self._tasks.put(task)
        return task.future

    def warm_up(self) -> None:
        with self._lock:
            if not self._threads and not self._closed:
                self._start_thread(ahead=True)

    def pids(self) -> list[int]:
        with self._lock:
            return sorted(worker.pid for worker in self._running)

    def close(self, *, cancel: bool) -> None:
        with self._lock:
            self._closed = True
            # If no task is left, nobody needs a worker that is only starting.
            self._cancelled = self._cancelled or cancel or not self._unfinished
            threads = list(self._threads)
            for _ in threads:
                self._tasks.put(None)
            if self._cancelled:
                for worker in self._running:
                    worker.kill()
        for thread in threads:
            thread.join()

    def _start_thread(self, *, ahead: bool = False) -> None:
        name = f"grading-{len(self._threads)}"
        # A daemon thread, so that an interpreter that exits without close() does not wait for it.
        thread = threading.Thread(target=self._drive, args=(ahead,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _drive(self, ahead: bool) -> None:
        """Serve tasks with one worker at a time until the pool closes."""
        worker: Worker | None = None
        if ahead:
            with suppress(WorkersUnavailableError, PoolClosedError):  # the first task raises it
                worker = self._ask(self._start_worker(), _Task("", "", "practise")).worker
        while task := self._tasks.get():
            try:
                result, worker = self._serve(worker, task)
            except (WorkersUnavailableError, PoolClosedError) as error:
                worker = None
                self._finished()
                task.future.set_exception(error)
            else:
                self._finished()
                task.future.set_result(result)
        if worker:
            self._end(worker)

    def _finished(self) -> None:
        with self._lock:
            self._unfinished -= 1

    def _serve(self, worker: Worker | None, task: _Task) -> tuple[Equivalence, Worker | None]:
        """Return the result, and the worker if it can serve another task."""
        with self._turns.beside_others() as turn:
            attempt = self._attempt(worker, task)
            if attempt.result is not Equivalence.TIMEOUT or (turn.alone and not attempt.by_clock):
                return attempt.result or Equivalence.ERROR, attempt.worker
            worker = self._ready(attempt.worker)
        with self._turns.alone():
            attempt = self._attempt(worker, task)
        return attempt.result or Equivalence.ERROR, attempt.worker

    def _attempt(self, worker: Worker | None, task: _Task) -> _Attempt:
        """Ask a worker, and another one if something kills it."""
        for _ in range(KILLED_ATTEMPTS):
            attempt = self._ask(self._ready(worker), task)
            if attempt.result is not None:
                break
            worker = attempt.worker
        return attempt

    def _ready(self, worker: Worker | None) -> Worker:
        """Return a live worker; one that was killed while idle is replaced."""
        if worker and not worker.alive:
            self._end(worker)
            worker = None
        return worker or self._start_worker()

    def _ask(self, worker: Worker, task: _Task) -> _Attempt:
        result: Equivalence | None
        by_clock = False
        try:
            pair = {"gold": task.gold, "answer": task.answer, "method": task.method}
            reply = worker.ask(pair, time_limit=self._limits.time)
            result, retire = Equivalence(str(reply.get("result"))), bool(reply.get("retire"))
        except WorkerTimeoutError as error:
            result, retire = Equivalence.TIMEOUT, True
            by_clock = isinstance(error, WorkerSilentError)
        except WorkerKilledError:
            result, retire = None, True
        except (WorkerFailedError, ValueError):
            result, retire = Equivalence.ERROR, True
        if retire or self._cancelled:
            self._end(worker)
        if self._cancelled:
            raise PoolClosedError("the grader was closed")
        return _Attempt(result, None if retire else worker, by_clock)

    def _start_worker(self) -> Worker:
        """Start a worker. After `START_ATTEMPTS` failures in a row, every call fails at once."""
        reason = ""
        while self._failed_starts < START_ATTEMPTS:
            if self._cancelled:
                raise PoolClosedError("the grader was closed")
            command = self._command or worker_command(
                time_limit=self._limits.time, memory_limit=self._limits.memory
            )
            try:
                return self._started(command)
            except WorkerFailedError as error:
                with self._lock:
                    self._failed_starts += 1
                    reason = self._reason = str(error)
        raise WorkersUnavailableError(
            f"the grader's worker process failed to start {START_ATTEMPTS} times:\n"
            f"{reason or self._reason}\n"
            "It needs math-verify and sympy; to install them in this environment, run: "
            'pip install "math-harness"'
        )

    def _started(self, command: Sequence[str]) -> Worker:
        worker = Worker(command)
        with self._lock:
            self._running.add(worker)
            if self._cancelled:  # close() came between the start and this line
                worker.kill()
        try:
            worker.wait_until_ready(self._limits.start)
        except WorkerFailedError:
            self._end(worker)
            raise
        with self._lock:
            self._failed_starts = 0
        return worker

    def _end(self, worker: Worker) -> None:
        with self._lock:
            self._running.discard(worker)
        worker.end()
