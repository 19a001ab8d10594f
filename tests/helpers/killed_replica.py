"""The command line; it kills one of its Ray replicas (SIGKILL) at the first response.

The replica is killed from within, so that the run cannot go on meanwhile, and end before the kill.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import psutil

from harness.cli import main
from harness.engines import Completion, Request
from harness.engines.ray.engine import RayEngine

generate = RayEngine.generate


def generate_and_kill(self: RayEngine, requests: Iterable[Request]) -> Iterator[Completion]:
    for number, completion in enumerate(generate(self, requests)):
        if number == 0:
            kill_a_replica()
        yield completion


def kill_a_replica() -> None:
    children = psutil.Process(os.getpid()).children(recursive=True)
    replica = next(one for one in children if named(one).startswith("ray::Replica"))
    replica.kill()
    replica.wait()


def named(process: psutil.Process) -> str:
    """Return how a process is called now, which Ray changes; empty if it has ended."""
    try:
        return "".join(process.cmdline()[:1])
    except psutil.NoSuchProcess:
        return ""


if __name__ == "__main__":
    RayEngine.generate = generate_and_kill  # type: ignore[method-assign]
    main()
