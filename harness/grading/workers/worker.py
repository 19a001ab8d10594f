"""The worker process: reads one task per line as JSON, and writes one line of JSON per result.

`harness.grading.workers.pool` starts it as ``python -m harness.grading.workers.worker``. Any task
may be its last: the kernel ends the process when a timer runs out, and when the process that
started it ends; an allocation beyond its memory limit fails. So a worker can neither stall nor
outlive a run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import TextIO

from harness.common.parent_death import die_with

Method = Callable[[str, str], str]
"""Takes a gold and a candidate, or a whole response; returns the value of an `Equivalence`."""
NICENESS = 10
"""The worker's niceness: the inference engine on the same machine has precedence."""


def main() -> None:
    """Serve tasks until standard input ends."""
    options = _options()
    die_with(options.parent)
    _limit(options.memory)
    tasks, answers = _take_over_pipes()
    methods = _methods()
    # The first comparison builds the parser's tables. No task is charged for that time.
    methods["compare"]("1", r"\frac{2}{3}")
    _silence()
    _send(answers, {"ready": os.getpid()})
    for line in tasks:
        task = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, options.time)
        signal.setitimer(signal.ITIMER_REAL, options.wall)
        result = _compare_at_boundary(methods[task["method"]], task["gold"], task["answer"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answers, {"result": result, "retire": _memory_is_used_up(options.memory)})


def _methods() -> dict[str, Method]:
    """Return the methods by name; those of `graders` take a whole response."""
    from harness.grading.compat import graders
    from harness.grading.workers import symbolic

    return {
        "compare": symbolic.compare,
        "practise": symbolic.practise,
        "math-verify": graders.math_verify_alone,
        "qwen-compat": graders.qwen_compat,
        "qwen-compat-with-units": graders.qwen_compat_with_units,
    }


def _compare_at_boundary(compare: Method, gold: str, answer: str) -> str:
    """Compare, and turn every failure into a result. No other code of grading catches so much."""
    try:
        return str(compare(gold, answer))
    # BaseException, because math-verify's TimeoutException derives from it.
    except BaseException:  # noqa: BLE001 - the boundary
        return "error"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, required=True, help="process to die with")
    parser.add_argument("--time", type=float, required=True, help="CPU seconds a task may take")
    parser.add_argument("--wall", type=float, required=True, help="seconds on the clock, at most")
    parser.add_argument("--memory", type=int, required=True, help="bytes of address space")
    return parser.parse_args()


def _limit(memory: int) -> None:
    os.nice(NICENESS)
    # The default action ends the process even inside C code, where no Python handler runs.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # The driver handles Ctrl-C, and the worker ends with the driver.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS refuses it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _take_over_pipes() -> tuple[TextIO, TextIO]:
    """Move the protocol to other file descriptors, since a library may read or print on 0 and 1."""
    tasks = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return tasks, answers


def _silence() -> None:
    """Discard standard error from now on. Until now it explained why a start failed."""
    os.dup2(1, 2)


def _memory_is_used_up(limit: int) -> bool:
    """Say whether the worker should be replaced, before an allocation fails within a library."""
    return _peak_memory() > limit // 2


def _peak_memory() -> int:
    """Return the most memory this process has held, in bytes; 0 on systems other than Linux."""
    # getrusage will not do: its maximum survives exec, so it may be that of the driver, which may
    # hold a whole inference engine.
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            lines = [line for line in status if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return int(lines[0].split()[1]) * 1024 if lines else 0


def _send(answers: TextIO, message: dict[str, object]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
