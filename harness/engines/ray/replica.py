"""One vLLM engine in a Ray actor: what runs on the cluster's nodes.

Its calls are plain and blocking: `step` takes new requests and returns as soon as some
request is done. vLLM's own process goes on computing between two steps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from socket import gethostname
from typing import Any

from benchmarks import UserError
from harness.common.environment import installed_versions
from harness.engines.base import Request
from harness.engines.vllm.determinism import vllm_determinism
from harness.engines.vllm.queue import PACKAGES, Output, QueueSetup, VllmQueue


class Replica:
    """An engine that is opened after the actor has its place, so that the two can be told apart."""

    def __init__(self) -> None:
        # Ray gives an actor as many threads as processors; vLLM would bind those of all replicas
        # to the same ones. Not by Ray's runtime environment, for which it starts an agent.
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        self._queue: VllmQueue | None = None

    def place(self) -> str:
        """Return the name of the machine that the actor is on."""
        return gethostname()

    def open(self, setup: QueueSetup, versions: Mapping[str, str], kept: Mapping[str, Any]) -> int:
        """Start the engine; return how many requests it computes at once.

        ``versions`` and ``kept`` are what the run's identity says of the engine.

        Raises:
            UserError: the checkpoint is not there, or this machine would compute otherwise.
        """
        here = installed_versions(PACKAGES)
        if here != versions:
            raise UserError(
                f"{gethostname()} has {here}, where the run is asked for has {dict(versions)}: "
                "install the same on every node"
            )
        if not setup.model.is_dir():
            raise UserError(
                f"{gethostname()} has no folder {setup.model}: the checkpoint must lie under "
                "this path on every node, as on a shared file system"
            )
        if setup.spec.deterministic and vllm_determinism(setup.spec) != kept:
            raise UserError(
                f"--deterministic: {gethostname()} would keep it by other means than {dict(kept)}; "
                "start the run on a machine like the nodes"
            )
        self._queue = VllmQueue(setup)
        return self._queue.width

    def step(self, requests: list[Request]) -> list[Output]:
        """Add requests, and return what is done next; at least one, if any is under way."""
        queue = self._opened()
        done = queue.add(requests)
        while not done and queue.under_way:
            done = queue.step()
        return done

    def forget(self) -> None:
        """Drop the cached prefixes."""
        self._opened().forget()

    def close(self) -> None:
        """Stop the engine's own processes."""
        if self._queue is not None:
            self._queue.close()

    def _opened(self) -> VllmQueue:
        if self._queue is None:
            raise RuntimeError("the replica's engine was not opened")
        return self._queue
