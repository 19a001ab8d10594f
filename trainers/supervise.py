"""Run a training so that none of its processes outlives it, however it ends.

The command runs below a guard process (`harness.common.process_guard`), which ends everything that
the command started: when the command is done, when the user stops it, and when this process is
killed. If the guard itself is killed, what is left is found by a mark in the processes' environment
and by their session, at the latest when the same folder is used again.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any, NamedTuple, cast

import psutil

from benchmarks.bounded_json import parse_json
from benchmarks.errors import UserError
from harness.common.parent_death import DRIVER
from harness.common.process_guard import HOPELESS, INTERRUPT, KILL, POLL, guard_command, send

MARK = "HARNESS_TRAINING"
"""The environment variable that marks a training's processes; each training has its own value."""
LOCK = ".lock"
"""The file in a held folder that says which process holds it and how its processes are marked."""
TICK = 0.5
"""Seconds between two calls of ``on_tick``."""
LOOK = 5.0
"""Seconds between two calls of ``on_look``."""
RECORDED = 4096
"""Characters of that file that are read; it has fewer."""
LET_GO = 45.0
"""Seconds that the guard of a killed holder may take to end what it guards."""


class Running(NamedTuple):
    """A process of a training."""

    title: str
    """What it calls itself: its program, or what it has put in the place of that."""
    parent: int
    """The id of its parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A folder that only this process trains into."""

    folder: Path
    file: IO[str]
    """The open, locked file; a process that inherits it holds the folder too."""

    def note(self, marker: str = "") -> None:
        """Write which process holds the folder, and the mark of its processes."""
        self.file.seek(0)
        self.file.truncate()
        json.dump({"holder": os.getpid(), "marker": marker}, self.file)
        self.file.flush()


@contextmanager
def hold(folder: Path) -> Iterator[Hold]:
    """Hold a folder for this training alone, and end what an earlier training left running.

    Raises:
        UserError: another process trains into the folder, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+")
    except OSError as error:
        raise UserError(f"{folder} cannot be written to: {error.strerror or error}") from error
    with file:
        _take(folder, file)
        end_marked(str(_record(file).get("marker", "")))
        held = Hold(folder=folder, file=file)
        held.note()
        yield held


def _take(folder: Path, file: IO[str]) -> None:
    """Lock the file; wait while a guard is still ending what a killed holder ran."""
    give_up = time.monotonic() + LET_GO
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _record(file).get("holder", 0)
            if (holder and psutil.pid_exists(holder)) or time.monotonic() > give_up:
                raise UserError(
                    f"{folder} is being trained into by another process (pid {holder or '?'}); "
                    "wait for it, stop it, or choose another --output"
                ) from None
        time.sleep(POLL)


def _record(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    with suppress(ValueError):
        found = parse_json(file.read(RECORDED))
        return found if isinstance(found, dict) else {}
    return {}


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    folder: Path,
    on_tick: Callable[[], None],
    grace_seconds: float = 20.0,
    held: Hold | None = None,
    on_stop: Callable[[], None] = lambda: None,
    let_finish: Callable[[], None] | None = None,
    on_look: Callable[[Mapping[int, Running]], None] | None = None,
) -> int:
    """Run a command to its end and return its exit code, negative where a signal ended it.

    On Ctrl-C, SIGTERM or SIGHUP the command is asked to end with SIGINT, after the grace time
    with SIGTERM, and at last with SIGKILL; a second Ctrl-C kills it at once. In every case
    everything that the command started has ended when this returns or raises.

    Args:
        command: the program and its arguments.
        environment: variables that are added to this process's own.
        log: the file to which everything that the command prints is appended.
        folder: the folder in which the command runs.
        on_tick: called every half second while the command runs; an exception from it stops
            the command.
        grace_seconds: the time that the command has to end after SIGINT.
        held: the folder that the training holds; its processes hold it too.
        on_stop: called once when the user stops the command.
        let_finish: asks the command to end by itself; it takes the place of the first SIGINT, and
            only what comes after it counts as above.
        on_look: called every few seconds with the living processes that the command started, by
            their ids; an exception from it stops the command.

    Raises:
        KeyboardInterrupt: the user stopped it.
        UserError: the command or the log cannot be opened.
    """
    marker = uuid.uuid4().hex
    variables = {**os.environ, **environment, MARK: marker}
    variables.pop(DRIVER, None)  # the guard ends the engines, whose parent Ray changes
    if held is not None:
        held.note(marker)
    training = _Training(command, variables, log, folder, grace_seconds, held, let_finish)
    try:
        with training.stopped_by_signals():
            _watch(training, on_tick, on_stop, on_look)
    finally:
        guarded = training.close()
        # If the guard was not killed, it ended everything, and another session may have the number.
        end_marked(marker, session=0 if guarded else training.session)
    if training.signalled:
        raise KeyboardInterrupt
    return training.code


def _watch(
    training: _Training,
    on_tick: Callable[[], None],
    on_stop: Callable[[], None],
    on_look: Callable[[Mapping[int, Running]], None] | None,
) -> None:
    announced = False
    looked = time.monotonic()
    try:
        while not training.ended(TICK):
            if training.signalled and not announced:
                announced = True
                on_stop()
            # What is being stopped may well lose its processes.
            due = not training.signalled and time.monotonic() - looked >= LOOK
            if on_look is not None and due:
                looked = time.monotonic()
                on_look(training.running())
            on_tick()
    except BaseException:
        training.stop()
        while not training.ended(TICK):
            pass
        raise


def end_marked(marker: str, *, session: int = 0) -> None:
    """Kill the processes with a mark or in a session: what a killed guard left behind.

    Another session may have the number by now; give it only if it is known to be the same.
    """
    give_up = time.monotonic() + HOPELESS
    while (left := _marked(marker, session)) and time.monotonic() < give_up:
        send(left, signal.SIGKILL)
        psutil.wait_procs(left, timeout=1)


def _marked(marker: str, session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter() if marker else ():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                # Read before anything else: a process that may not be read is another user's.
                marked = process.environ().get(MARK) == marker
                if marked or (session and os.getsid(process.pid) == session):
                    found.append(process)
    return found


class _Training:
    """A command below its guard, as seen from here."""

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        log: Path,
        folder: Path,
        grace: float,
        held: Hold | None,
        let_finish: Callable[[], None] | None,
    ) -> None:
        self.signalled = False
        """Whether the user asked us to stop."""
        self._let_finish = let_finish
        self.code: int = -signal.SIGKILL  # unless the guard reports another
        self.session = 0
        self._asked = False
        self._said = b""
        try:
            with log.open("ab") as output:
                self._guard = subprocess.Popen(
                    [*guard_command(), str(grace), *command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    cwd=folder,
                    env=dict(variables),
                    start_new_session=True,  # the terminal's Ctrl-C is for us alone
                    pass_fds=[] if held is None else [held.file.fileno()],
                    bufsize=0,
                )
        except OSError as error:
            raise UserError(f"the training cannot be started: {error}") from error
        self._orders = cast(IO[bytes], self._guard.stdin)
        self._reports = cast(IO[bytes], self._guard.stdout)

    def running(self) -> dict[int, Running]:
        """Return the living processes below the guard, by their ids."""
        found: dict[int, Running] = {}
        with suppress(psutil.Error):
            for process in psutil.Process(self._guard.pid).children(recursive=True):
                with suppress(psutil.Error):
                    if process.status() != psutil.STATUS_ZOMBIE:
                        title = " ".join(process.cmdline()[:1])
                        found[process.pid] = Running(title, process.ppid())
        return found

    def stop(self) -> None:
        """Have the guard ask the command to end; the second time, have it kill everything."""
        with suppress(BrokenPipeError):
            self._orders.write(KILL if self._asked else INTERRUPT)
        self._asked = True

    def ended(self, seconds: float) -> bool:
        """Wait at most that many seconds; say whether everything has ended."""
        if not select.select([self._reports], [], [], seconds)[0]:
            return False
        said = self._reports.read(4096)  # unbuffered: what there is
        *lines, self._said = (self._said + said).split(b"\n")
        for line in lines:
            self._hear(line.decode())
        return not said

    def _hear(self, line: str) -> None:
        if not line.removeprefix("-").isdigit():
            raise UserError(f"the training cannot be started: {line}")
        if self.session == 0:
            self.session = int(line)
        else:
            self.code = int(line)

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Turn signals that would end this process into a stop; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asked for that
            signals.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        first, self.signalled = not self.signalled, True
        if first and self._let_finish is not None:
            self._let_finish()
        else:
            self.stop()

    def close(self) -> bool:
        """Have the guard end what is left; return False if the guard itself was killed."""
        self._orders.close()
        self._reports.close()
        return self._guard.wait() == 0
