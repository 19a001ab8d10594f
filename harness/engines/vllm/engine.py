"""vLLM on this machine: every request of every benchmark in one continuously batched queue.

It is in a process of its own (`harness.engines.vllm.process`), so that the driver can read
problems and render prompts while vLLM is imported, and can grade and store while it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.engines.vllm.determinism import vllm_determinism
from harness.engines.vllm.process import VllmHost
from harness.engines.vllm.queue import PACKAGES, QueueSetup, VllmQueue
from harness.runs.spec import EngineSpec

WINDOW = 2048
"""Requests handed to vLLM at a time: enough to keep any batch full, and bounded."""
PORTION = 256
"""Of them at once: between two portions vLLM computes."""


class VllmEngine(Engine):
    """The vLLM engine on this machine's GPU or CPU."""

    about = "vLLM on this machine's GPU or CPU, all benchmarks in one queue"
    slow_to_open = True
    packages = PACKAGES
    queue: ClassVar[type[VllmQueue]] = VllmQueue
    """What runs in the process."""

    def __init__(self, setup: EngineSetup, host: VllmHost | None = None) -> None:
        super().__init__(setup)
        self.host = host or VllmHost(self.queue, setup.spec)
        self.host.open(QueueSetup.of(setup))

    @classmethod
    @contextmanager
    def launch(cls, spec: EngineSpec) -> Iterator[Callable[[EngineSetup], Engine]]:
        """Have vLLM imported meanwhile."""
        with closing(VllmHost(cls.queue, spec)) as host:
            yield partial(cls, host=host)

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """Batch-invariant kernels where this machine has them, else one request at a time."""
        return vllm_determinism(spec)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions at the step that finishes them, with the window kept full."""
        owed, under_way = iter(requests), 0
        while True:
            while new := list(islice(owed, min(WINDOW - under_way, PORTION))):
                self.host.add(new)
                under_way += len(new)
            if not under_way:
                return
            done = self.host.finished()
            under_way -= len(done)
            for output in done:
                yield output.decoded(self.setup.model)

    def forget(self) -> None:
        """Drop the cached prefixes."""
        self.host.forget()

    def close(self) -> None:
        """End the process."""
        self.host.close()
