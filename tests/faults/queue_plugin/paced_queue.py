"""An engine like vLLM's, in a process of its own like vLLM's, with a made queue in vLLM's place.

A third party's, as `slow_replay.py` is. It starts in a second and computes nothing: for what
happens to processes, where no token matters.
"""

from __future__ import annotations

import time

from made_queue import MadeQueue

from harness.engines import Request
from harness.engines.vllm.engine import VllmEngine
from harness.engines.vllm.queue import Output, QueueSetup

LONGEST = 60
"""Tokens of an answer, at most."""


class PacedQueue(MadeQueue):
    """Takes ``--engine-arg pause=SECONDS`` for each step; answers with the end of the prompt."""

    def __init__(self, setup: QueueSetup) -> None:
        super().__init__(setup)
        self._pause = float(setup.spec.args.get("pause", 0))

    def step(self) -> list[Output]:
        """Finish a few requests."""
        time.sleep(self._pause)
        return super().step()

    def answer(self, request: Request) -> list[int]:
        """Return an answer that no other problem has."""
        return list(request.prompt.token_ids or ())[-LONGEST:]


class PacedEngine(VllmEngine):
    """The vllm engine with that queue."""

    about = "a made queue in vLLM's place, for tests of processes"
    queue = PacedQueue
