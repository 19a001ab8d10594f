"""A guard process between the harness and a command: when either ends, it ends what is left.

The processes of a training or of a Ray cluster leave their process group and their session (Ray's
daemons, vLLM's engines), and some of them overwrite their environment with their title. So neither
a process group nor an environment variable finds them all. This process is a subreaper: the kernel
makes it the parent of every orphan among its descendants, so that all that the command started,
and nothing else, is below it. It is a process of its own because the harness may be killed with
-9, and must not leave the command behind then.

The guard reads orders from its standard input: `INTERRUPT` and `KILL`. The end of the input means
that the harness is gone. To its standard output it writes the command's process id, and later its
exit code. The command's own output goes to this process's standard error. What the processes leave
in shared memory is removed when all have ended (`harness.common.shared_memory`).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from harness.common.parent_death import die_with_parent
from harness.common.shared_memory import mapped, remove_unused

INTERRUPT, KILL = b"i", b"k"
POLL = 0.1
"""Seconds between two checks whether the command still runs."""
POLITE = 5.0
"""Seconds that processes which outlive the command have to end, before they are killed; the
command's grace, if that is shorter."""
LOOK = 10.0
"""Seconds between two looks at what shared memory the processes have open."""
HOPELESS = 30.0
"""Seconds of killing after which the remaining processes are reported as impossible to kill."""
TRACKER = "resource_tracker import main"
"""A part of the command line of Python's resource trackers, by which they are recognised."""
_PR_SET_CHILD_SUBREAPER = 36
_ROOT = Path(__file__).resolve().parents[2]


def guard_command() -> list[str]:
    """Return the start of a guarded command line; the grace in seconds and the command follow."""
    # -P, and the path at the end: the current folder may hold modules with the same names as ours.
    begin = f"import sys; sys.path.append({str(_ROOT)!r}); from {__name__} import main"
    return [sys.executable, "-P", "-c", f"{begin}; sys.exit(main())"]


class Orders:
    """The orders that the harness or the system has given so far."""

    def __init__(self) -> None:
        self.interrupt = self.kill = False
        self._open = True

    def wait(self, seconds: float) -> None:
        """Wait for ``seconds`` at most, and read an order that arrives in that time."""
        if not self._open:
            time.sleep(seconds)
        elif select.select([0], [], [], seconds)[0]:
            asked = os.read(0, 64)
            self.interrupt |= INTERRUPT in asked
            # If the harness is gone, nobody waits for a clean end, and the command is killed.
            self.kill |= KILL in asked or not asked
            self._open = bool(asked)

    def on_signal(self, *_: object) -> None:
        """Treat a signal to this process as an interrupt."""
        self.interrupt = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and end all that it started; return 0.

    ``arguments`` are the grace in seconds and the words of the command.
    """
    grace, *command = arguments if arguments is not None else sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    orders = Orders()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, orders.on_signal)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            start_new_session=True,
            preexec_fn=_before_command,  # this process has one thread, so it is safe
        )
    except OSError as error:
        _tell(f"{command[0]} cannot be run: {error.strerror}")
        return 0
    _tell(child.pid)
    shared: set[Path] = set()
    code = _see_through(child, orders, float(grace), shared)
    shared |= _shared_by_descendants()
    end_descendants(orders, polite=min(POLITE, float(grace)))
    remove_unused(shared)
    _tell(code)
    return 0


def _before_command() -> None:
    die_with_parent()
    # A shell starts background jobs with SIGINT ignored, and the command would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _tell(what: object) -> None:
    with suppress(BrokenPipeError):  # the harness is gone, but the command still has to be ended
        os.write(1, f"{what}\n".encode())


def _see_through(
    child: subprocess.Popen[bytes], orders: Orders, grace: float, shared: set[Path]
) -> int:
    """Wait for the command and return its exit code; note in ``shared`` what memory is shared.

    After an interrupt, it gets SIGINT, then SIGTERM after the grace, and SIGKILL after one and a
    half times the grace.
    """
    firmer = [(0.0, signal.SIGINT), (grace, signal.SIGTERM), (1.5 * grace, signal.SIGKILL)]
    asked_at: float | None = None
    looked = time.monotonic()
    while child.poll() is None:
        orders.wait(POLL)
        _reap_orphans(child.pid)
        stopped = orders.kill or (orders.interrupt and asked_at is None)
        if stopped or time.monotonic() - looked >= LOOK:
            shared |= _shared_by_descendants()
            looked = time.monotonic()
        if orders.kill:
            child.kill()
        elif orders.interrupt:
            asked_at = asked_at or time.monotonic()
            while firmer and time.monotonic() - asked_at >= firmer[0][0]:
                child.send_signal(firmer.pop(0)[1])
    return int(child.returncode)


def end_descendants(orders: Orders, *, polite: float) -> None:
    """End every descendant of this process: SIGTERM first, SIGKILL after ``polite`` seconds."""
    began = time.monotonic()
    asked: set[psutil.Process] = set()
    # A process counts as gone when it is reaped, as the threads of a zombie may still be running.
    while left := psutil.Process().children(recursive=True):
        patience = 0.0 if orders.kill else polite
        spent = time.monotonic() - began
        if spent >= patience + HOPELESS:
            stuck = ", ".join(str(process.pid) for process in left)
            sys.stderr.write(f"harness: these processes cannot be killed: {stuck}\n")
            return
        if spent >= patience:
            send(owners(left, hurry=spent >= patience + 1), signal.SIGKILL)
        else:
            send(set(left) - asked, signal.SIGTERM)
            asked |= set(left)
        orders.wait(POLL / 2)
        _reap_orphans(None)


def owners(processes: Sequence[psutil.Process], *, hurry: bool = False) -> Sequence[psutil.Process]:
    """Return the processes without Python's resource trackers; with ``hurry``, return them all.

    A tracker unlinks what its owners shared, and then ends by itself once they are gone.
    """
    found = []
    for process in processes:
        with suppress(psutil.Error):
            if hurry or not any(TRACKER in word for word in process.cmdline()):
                found.append(process)
    return found


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each process; skip those that are gone or that we may not signal."""
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def _shared_by_descendants() -> set[Path]:
    """Return the shared memory that the descendants of this process have open."""
    return mapped(process.pid for process in psutil.Process().children(recursive=True))


def _reap_orphans(command: int | None) -> None:
    """Reap the adopted processes that have ended, but not the command, which `Popen` reaps."""
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, look)) and ended.si_pid != command:
            os.waitpid(ended.si_pid, 0)
