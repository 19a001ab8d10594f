"""One grader for callers that keep none of their own, as a training reward does."""

from __future__ import annotations

import atexit
import os
import threading

from harness.grading.grader import Grader
from harness.grading.verdict import Verdict

_lock = threading.Lock()
_graders: dict[int, Grader] = {}
"""By process: a forked child inherits the object but none of its threads."""


def shared_grader() -> Grader:
    """Return this process's grader, made at the first call and closed at exit."""
    with _lock:
        grader = _graders.get(os.getpid())
        if grader is None:
            grader = _graders[os.getpid()] = Grader()
            atexit.register(_close)
        return grader


def _close() -> None:
    """Close this process's grader; a forked child leaves its parent's workers alone."""
    grader = _graders.pop(os.getpid(), None)
    if grader:
        grader.close(cancel=True)


def grade(response: str, gold: str, *, truncated: bool = False) -> Verdict:
    """Grade one response with the shared grader."""
    return shared_grader().grade(response, gold, truncated=truncated)
