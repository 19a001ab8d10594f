"""A fake queue in vLLM's place, for tests of vLLM's process. It answers without a model."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable

from benchmarks import UserError
from harness.engines import Request
from harness.engines.vllm.queue import Output, QueueSetup, VllmQueue

STEP = 7
"""How many requests finish together."""
ANSWER = 1000
"""The number of tokens of every answer. A few answers fill a pipe."""


class MadeQueue(VllmQueue):
    """Finishes a few requests per step, in order of arrival; some problems fail in other ways."""

    def __init__(self, setup: QueueSetup) -> None:
        if "refused" in setup.model_path.name:
            raise UserError(f"vLLM cannot load {setup.model_path.name}")
        if "unknown" in setup.model_path.name:
            raise ZeroDivisionError("nobody knows why")
        self._asked: deque[Request] = deque()

    @property
    def under_way(self) -> int:
        return len(self._asked)

    def add(self, requests: Iterable[Request]) -> list[Output]:
        requests = list(requests)
        self._asked += [one for one in requests if one.max_tokens < 10_000]
        return [
            Output(key=one.key, token_ids=[], finish_reason="error", error="too long")
            for one in requests
            if one.max_tokens >= 10_000
        ]

    def step(self) -> list[Output]:
        now = [self._asked.popleft() for _ in range(min(STEP, len(self._asked)))]
        if any(one.key.problem_id == "breaks" for one in now):
            raise OverflowError("the arithmetic is over")
        if any(one.key.problem_id == "waits" for one in now):
            time.sleep(600)
        print("a step")  # as some library may
        return [
            Output(key=one.key, token_ids=self.answer(one), finish_reason="length") for one in now
        ]

    def answer(self, request: Request) -> list[int]:
        return [7] * ANSWER

    def forget(self) -> None:
        self._asked.clear()

    def pid(self) -> int:
        return os.getpid()
