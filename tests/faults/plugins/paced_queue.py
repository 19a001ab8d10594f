"""An engine like vLLM's, in the same kind of process, with a fake queue in vLLM's place.

It is a plug-in, as `slow_replay.py` is. It starts in a second and computes nothing, for tests of
processes in which the tokens do not matter. A token is a byte, so that no model is read.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from made_queue import MadeQueue

from harness.engines import EngineSetup, Request
from harness.engines.vllm.engine import VllmEngine
from harness.engines.vllm.process import VllmHost
from harness.engines.vllm.queue import Output, QueueSetup
from harness.models.checkpoint import Checkpoint

LONGEST = 60
"""The most bytes of an answer."""


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
        return list(request.prompt.text.encode()[-LONGEST:])


class PacedEngine(VllmEngine):
    """The vllm engine with this queue."""

    about = "a made queue in vLLM's place, for tests of processes"
    needs_checkpoint = False
    queue = PacedQueue

    def __init__(self, setup: EngineSetup, host: VllmHost | None = None) -> None:
        super().__init__(replace(setup, checkpoint=_bytewise()), host)


def _bytewise() -> Checkpoint:
    def decode(tokens: list[int], *, skip_special_tokens: bool) -> str:
        return bytes(tokens).decode(errors="replace")

    return Checkpoint(
        path=Path("bytes"),
        summing=None,  # type: ignore[arg-type]
        tokenizer=SimpleNamespace(decode=decode),
        stop_token_ids=(),
        context_length=99,
    )
