"""A fake queue in vLLM's place, for tests of vLLM's process. It answers without a model."""

from __future__ import annotations

import os
import sys
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

LOADING = "what is written while the model is loaded"
BELOW = """\
(EngineCore pid=8) ERROR 11-30 13:00:00 [core.py:1349] EngineCore failed to start.
(EngineCore pid=8) ERROR 11-30 13:00:00 [core.py:1349] Traceback (most recent call last):
(EngineCore pid=8) ERROR 11-30 13:00:00 [core.py:1349]   File "/v1/core.py", line 8, in run
(EngineCore pid=8) ERROR 11-30 13:00:00 [core.py:1349]     raise
(EngineCore pid=8) ERROR 11-30 13:00:00 [core.py:1349] torch.OutOfMemoryError: CUDA out of memory. \
Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.18 GiB of which 1.06 GiB is free."""


class MadeQueue(VllmQueue):
    """Finishes a few requests per step, in order of arrival; some problems fail in other ways."""

    def __init__(self, setup: QueueSetup) -> None:
        if "refused" in setup.model_path.name:
            raise UserError(f"vLLM cannot load {setup.model_path.name}")
        if "unknown" in setup.model_path.name:
            raise ZeroDivisionError("nobody knows why")
        print(LOADING, file=sys.stderr)
        if "below" in setup.model_path.name:  # as vLLM does if a process that it started fails
            print(BELOW, file=sys.stderr)
            raise RuntimeError("Engine core initialization failed. See root cause above. ")
        self.wide = "wide" in setup.model_path.name
        self._asked: deque[Request] = deque()

    @property
    def max_concurrent(self) -> int:
        return 2000 if self.wide else 64

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

    def variable(self, name: str) -> str | None:
        return os.environ.get(name)
