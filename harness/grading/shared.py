"""One grader per process, for callers that keep none of their own, such as a training reward."""

from __future__ import annotations

import atexit
import os
import threading

from harness.grading.grader import Grader
from harness.grading.verdict import Verdict

_lock = threading.Lock()
_graders: dict[int, Grader] = {}
"""The grader of each process id. A forked child inherits the parent's grader but none of its
threads, so it makes one of its own."""


def shared_grader() -> Grader:
    """Return this process's grader. It is made at the first call and closed at exit."""
    with _lock:
        grader = _graders.get(os.getpid())
        if grader is None:
            grader = _graders[os.getpid()] = Grader()
            atexit.register(_close)
        return grader


def _close() -> None:
    """Close this process's grader; in a forked child, the parent's grader is left alone."""
    grader = _graders.pop(os.getpid(), None)
    if grader:
        grader.close(cancel=True)


def grade(response: str, gold: str, *, truncated: bool = False) -> Verdict:
    """Grade one response with the shared grader and wait for the verdict.

    ``truncated`` says that the token limit cut the response off.
    """
    return shared_grader().grade(response, gold, truncated=truncated)
