"""No process that the harness started outlives it, not even a kill -9.

vLLM's engine process does not watch the process that started it: killed drivers
leave it behind, asleep, holding the model in memory. The kernel is asked instead.
vLLM calls `die_with_driver` in each process that it spawns, through the entry-point groups
`vllm.platform_plugins` (while it imports itself) and `vllm.general_plugins` (when the engine
is made); in one that it forks the fork calls it. In a vLLM that the harness did not start it
does nothing. Before the first call an engine whose driver is killed lives on for as long as it
imports, some seconds; with the second alone it would wait for the driver's handshake first, for
five minutes.
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
    """Have the engine processes that are started from here on die with this process."""
    if os.environ.get(DRIVER) == str(os.getpid()):
        return
    os.environ[DRIVER] = str(os.getpid())
    # One that is forked, as on a GPU, finds the plug-ins loaded and does not call them.
    os.register_at_fork(after_in_child=die_with_driver)


def die_with_driver() -> None:
    """In an engine process of the harness: die when the process that started it does.

    A Ctrl-C is the driver's to handle, so the engine leaves its process group.
    """
    driver = os.environ.get(DRIVER)
    if driver is None or driver == str(os.getpid()):
        return
    os.setpgid(0, 0)
    die_with_parent()
    if os.getppid() == 1 and driver != "1":  # it was gone before the kernel was asked
        os._exit(1)


def die_with(parent: int) -> None:
    """End this process with the thread that started it, in the process ``parent``."""
    die_with_parent()
    if os.getppid() != parent:  # it was gone before the kernel was asked
        os._exit(1)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
