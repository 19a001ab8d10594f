"""vLLM on this machine, with the requests of all benchmarks in one continuously batched queue.

vLLM runs in a process of its own (`harness.engines.vllm.process`). So this process, the driver,
can read problems and render prompts while vLLM is imported, and can grade and store responses
while vLLM computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.engines.vllm.determinism import vllm_determinism
from harness.engines.vllm.machine import recorded, require_gpus
from harness.engines.vllm.process import VllmHost
from harness.engines.vllm.queue import PACKAGES, RESERVED, QueueSetup, VllmQueue, refuse_formats
from harness.runs.spec import EngineSpec

WINDOW = 2048
"""How many requests vLLM has at once, at least; bounded, since each is held in memory.

Those that are not computed yet wait in vLLM's own queue, so that it starts one in the same step in
which another ends. Twice the batch is enough for that, and this is twice the batch of a large GPU
(`machine.LARGE_BATCH`)."""
PORTION = 256
"""How many requests are sent to vLLM's process at once; it computes between two portions."""


class VllmEngine(Engine):
    """The vLLM engine on this machine's GPU or CPU."""

    about = "vLLM on this machine's GPU or CPU, all benchmarks in one queue"
    slow_to_open = True
    packages = PACKAGES
    reserved_args = RESERVED
    queue: ClassVar[type[VllmQueue]] = VllmQueue
    """The class of the queue that runs in the process."""

    def __init__(self, setup: EngineSetup, host: VllmHost | None = None) -> None:
        super().__init__(setup)
        require_gpus(setup.spec)
        self.host = host or VllmHost(self.queue, setup.spec)
        self.window = max(WINDOW, 2 * self.host.open(QueueSetup.of(setup)))
        """How many requests vLLM has at once: `WINDOW`, or twice the batch that the user set."""

    @classmethod
    @contextmanager
    def launch(cls, spec: EngineSpec) -> Iterator[Callable[[EngineSetup], Engine]]:
        """Start the process, which imports vLLM while the caller reads problems."""
        with closing(VllmHost(cls.queue, spec)) as host:
            yield partial(cls, host=host)

    @classmethod
    def settings(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return all that can change a response, with what follows from this machine."""
        return {**super().settings(spec), **recorded(spec)}

    @classmethod
    def require_recorded(cls, spec: EngineSpec) -> None:
        """Refuse what would make a run's record untrue, load formats among it; see `Engine`."""
        super().require_recorded(spec)
        refuse_formats(spec)

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return batch-invariant kernels if this machine has them, else one request at a time."""
        return vllm_determinism(spec)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield each completion when it is finished, and keep the window full."""
        pending, under_way = iter(requests), 0
        while True:
            while new := list(islice(pending, min(self.window - under_way, PORTION))):
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
