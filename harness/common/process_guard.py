"""The process between the harness and a command: when either ends, all that was started ends.

A training, or a Ray of our own, leaves its process group and its session (Ray's daemons,
vLLM's engines), and some of its processes overwrite their own environment with their title, so
neither a group nor a mark finds them all. This process is a subreaper: the kernel hands it every
orphan among its descendants, so that whatever the command started, and nothing else, is below
it. It is a process of its own because the harness may be killed with -9 and must not leave the
command behind.

From its standard input it reads orders: `INTERRUPT` and `KILL`; the end of the input says that
the harness is gone. To its standard output it writes the command's process id, then its exit
code. The command's own output goes where this process's standard error goes.
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

INTERRUPT, KILL = b"i", b"k"
POLL = 0.1
"""Seconds between two looks at the command."""
POLITE = 5.0
"""Seconds that what outlives the command has to end once it is asked, if the grace is no less."""
HOPELESS = 30.0
"""Seconds of killing after which a process is reported as one that cannot be killed."""
TRACKER = "resource_tracker import main"
"""On the command line of such a process of Python's."""
_PR_SET_CHILD_SUBREAPER = 36
_ROOT = Path(__file__).resolve().parents[2]


def guard_command() -> list[str]:
    """Return the beginning of a command line that is guarded: grace and command follow."""
    # -P and the path at the end: the folder it runs in may hold modules of our names.
    begin = f"import sys; sys.path.append({str(_ROOT)!r}); from {__name__} import main"
    return [sys.executable, "-P", "-c", f"{begin}; sys.exit(main())"]


class Orders:
    """What the harness, or the system, has asked for so far."""

    def __init__(self) -> None:
        self.interrupt = self.kill = False
        self._open = True

    def wait(self, seconds: float) -> None:
        """Take in what is asked within ``seconds``, or sleep through them."""
        if not self._open:
            time.sleep(seconds)
        elif select.select([0], [], [], seconds)[0]:
            asked = os.read(0, 64)
            self.interrupt |= INTERRUPT in asked
            # With the harness gone nobody watches: there is no grace.
            self.kill |= KILL in asked or not asked
            self._open = bool(asked)

    def on_signal(self, *_: object) -> None:
        """Take the system's wish that this process ends for an interrupt."""
        self.interrupt = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command (grace in seconds, then its words) and end all it started; return 0."""
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
    code = _see_through(child, orders, float(grace))
    end_descendants(orders, polite=min(POLITE, float(grace)))
    _tell(code)
    return 0


def _before_command() -> None:
    die_with_parent()
    # A shell starts its background jobs with SIGINT ignored, and that would be inherited.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _tell(what: object) -> None:
    with suppress(BrokenPipeError):  # the harness is gone; the work is the same
        os.write(1, f"{what}\n".encode())


def _see_through(child: subprocess.Popen[bytes], orders: Orders, grace: float) -> int:
    """Wait for the command; once it is asked to end, ask it ever more firmly."""
    firmer = [(0.0, signal.SIGINT), (grace, signal.SIGTERM), (1.5 * grace, signal.SIGKILL)]
    asked_at: float | None = None
    while child.poll() is None:
        orders.wait(POLL)
        _reap_orphans(child.pid)
        if orders.kill:
            child.kill()
        elif orders.interrupt:
            asked_at = asked_at or time.monotonic()
            while firmer and time.monotonic() - asked_at >= firmer[0][0]:
                child.send_signal(firmer.pop(0)[1])
    return int(child.returncode)


def end_descendants(orders: Orders, *, polite: float) -> None:
    """End every descendant of this process: asked first, killed if it stays."""
    began = time.monotonic()
    asked: set[psutil.Process] = set()
    # A process is gone when it is reaped: the threads of a zombie may still be at work.
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
    """Leave out Python's resource trackers for a moment: they unlink what their owners shared.

    A tracker ends by itself, having done that, once its owners are gone.
    """
    found = []
    for process in processes:
        with suppress(psutil.Error):
            if hurry or not any(TRACKER in word for word in process.cmdline()):
                found.append(process)
    return found


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each process that is still there and may be sent one."""
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def _reap_orphans(command: int | None) -> None:
    """Let go of adopted processes that ended; the command's own end is left to its owner."""
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, look)) and ended.si_pid != command:
            os.waitpid(ended.si_pid, 0)
