"""Make processes die with the process that started them, even if that is killed with -9.

vLLM's engine process does not watch the process that started it, the driver. When a driver is
killed, the engine stays behind, asleep, with the model in memory. So each engine process asks the
kernel to kill it when its parent ends.

vLLM calls `die_with_driver` in each process that it spawns, through two entry-point groups:
`vllm.platform_plugins`, while vLLM is imported, and `vllm.general_plugins`, when the engine is
made. In a process that vLLM forks, the fork calls it. In a vLLM that the harness did not start, it
does nothing. If the driver is killed before the first call, the engine lives on until it has
imported vLLM, some seconds. With the second call alone it would first wait for the driver's
handshake, for five minutes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

DRIVER = "HARNESS_DRIVER_PID"
"""The environment variable that names the process whose engines die with it."""
_PR_SET_PDEATHSIG = 1


def claim_engines() -> None:
    """Make the engine processes that are started from now on die with this process."""
    if os.environ.get(DRIVER) == str(os.getpid()):
        return
    os.environ[DRIVER] = str(os.getpid())
    # A forked process, as on a GPU, finds the plug-ins loaded and does not call them.
    os.register_at_fork(after_in_child=die_with_driver)


def die_with_driver() -> None:
    """Make this process, if it is an engine process of the harness, die with its parent.

    Only the driver handles Ctrl-C, so the engine also leaves the driver's process group.
    """
    driver = os.environ.get(DRIVER)
    if driver is None or driver == str(os.getpid()):
        return
    os.setpgid(0, 0)
    die_with_parent()
    if os.getppid() == 1 and driver != "1":  # the parent had ended before the kernel was asked
        os._exit(1)


def die_with(parent: int) -> None:
    """Make this process end with the thread that started it, in the process with id ``parent``."""
    die_with_parent()
    if os.getppid() != parent:  # the parent had ended before the kernel was asked
        os._exit(1)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
