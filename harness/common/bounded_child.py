"""Run a function that works through hostile input in a child process, bounded in time and memory.

A chat template is a program that comes with a checkpoint. It cannot reach anything, since
transformers renders it in a sandbox of Jinja; but it can loop for ever, or make a text of any
size, and one operation, such as ``9**9**9``, can be a single call that no thread can interrupt.
A process can be killed, and the kernel bounds its memory. The child is forked: it shares what is
loaded, so that it takes milliseconds, and it renders as this process would.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from time import monotonic
from typing import NoReturn, TypeVar

from harness.common.parent_death import die_with
from harness.common.text import one_line

Item = TypeVar("Item")

_DONE, _FAILED = b"+", b"-"
_TOKENIZERS = "TOKENIZERS_PARALLELISM"


class BoundsError(Exception):
    """The function failed, or needed more than it was given; the message says which."""


def bounded_texts(
    function: Callable[[Item], str],
    items: Sequence[Item],
    *,
    seconds: float,
    memory: int = 2 << 30,
    longest: int = 4 << 20,
    total: int = 1 << 30,
) -> list[str]:
    """Return the text that a function makes of each item.

    The function runs in a fork of this process: it must not start threads, and what it changes
    is lost.

    Args:
        function: makes a text of an item.
        items: what texts are made of.
        seconds: the time on the clock for all items together.
        memory: the bytes that the child may take beyond what this process has.
        longest: the most bytes of a text.
        total: the most bytes of all texts.

    Raises:
        BoundsError: the function raised an error, or took more than it was given.
    """
    if not items:
        return []
    theirs, ours = Pipe(duplex=False)[::-1]
    parent = os.getpid()
    with _without_advice():
        child = os.fork()
    if child == 0:
        _work(function, items, theirs, parent, memory=memory, longest=longest)
    theirs.close()
    try:
        return list(_received(ours, len(items), monotonic() + seconds, total, f"{seconds:.0f} s"))
    finally:
        ours.close()
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):  # somebody waits for all children of this process
            os.waitpid(child, 0)


def _received(
    pipe: Connection, texts: int, until: float, total: int, patience: str
) -> Iterator[str]:
    size = 0
    for _ in range(texts):
        if not pipe.poll(max(0.0, until - monotonic())):
            raise BoundsError(f"it took more than {patience}")
        try:
            message = pipe.recv_bytes()
        except (EOFError, OSError) as error:
            raise BoundsError("it needs too much memory, or its process was killed") from error
        text = message[1:].decode("utf-8", "surrogatepass")
        if message[:1] == _FAILED:
            raise BoundsError(text)
        size += len(message)
        if size > total:
            raise BoundsError(f"its texts have more than {total:,} bytes together")
        yield text


def _work(
    function: Callable[[Item], str],
    items: Sequence[Item],
    pipe: Connection,
    parent: int,
    *,
    memory: int,
    longest: int,
) -> NoReturn:
    """Be the child: send each text, and end without any of the parent's clean-up."""
    try:
        die_with(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":  # macOS refuses it
            limit = _address_space() + memory
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for item in items:
            text = function(item).encode("utf-8", "surrogatepass")
            if len(text) > longest:
                raise ValueError(f"a text has {len(text):,} bytes, and may have {longest:,}")
            pipe.send_bytes(_DONE + text)
    except MemoryError:
        pipe.send_bytes(_FAILED + b"it needs too much memory")
    except BaseException as error:  # noqa: BLE001 - nothing may return from here into a second life
        with suppress(BaseException):
            said = one_line(f"{type(error).__name__}: {error}", limit=500)
            pipe.send_bytes(_FAILED + said.encode("utf-8", "surrogatepass"))
    finally:
        os._exit(0)


def _address_space() -> int:
    """Return the bytes of address space that this process has (proc_pid_statm(5))."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep `tokenizers` from printing advice into a fork that tokenizes nothing.

    Its library prints where it was used before and the variable is not set
    (`child_after_fork` in bindings/python/src/lib.rs).
    """
    before = os.environ.get(_TOKENIZERS)
    os.environ.setdefault(_TOKENIZERS, "true")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_TOKENIZERS, None)
