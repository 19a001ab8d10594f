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
from harness.engines.base import Completion, EngineSetup, Request
from harness.engines.vllm import VllmEngine
from harness.environment import installed_versions


class Replica:
    """An engine that is opened after the actor has its place, so that the two can be told apart."""

    def __init__(self) -> None:
        # Ray gives an actor as many threads as processors; vLLM would bind those of all replicas
        # to the same ones. Not by Ray's runtime environment, for which it starts an agent.
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        self._engine: VllmEngine | None = None

    def place(self) -> str:
        """Return the name of the machine that the actor is on."""
        return gethostname()

    def open(self, setup: EngineSetup, versions: Mapping[str, str], kept: Mapping[str, Any]) -> int:
        """Start the engine; return how many requests it computes at once.

        ``versions`` and ``kept`` are what the run's identity says of the engine.

        Raises:
            UserError: the checkpoint is not there, or this machine would compute otherwise.
        """
        here = installed_versions(VllmEngine.packages)
        if here != versions:
            raise UserError(
                f"{gethostname()} has {here}, where the run is asked for has {dict(versions)}: "
                "install the same on every node"
            )
        if not setup.model.path.is_dir():
            raise UserError(
                f"{gethostname()} has no folder {setup.model.path}: the checkpoint must lie under "
                "this path on every node, as on a shared file system"
            )
        if setup.spec.deterministic and VllmEngine.determinism(setup.spec) != kept:
            raise UserError(
                f"--deterministic: {gethostname()} would keep it by other means than {dict(kept)}; "
                "start the run on a machine like the nodes"
            )
        self._engine = VllmEngine(setup)
        return self._engine.width

    def step(self, requests: list[Request]) -> list[Completion]:
        """Add requests, and return what is done next; at least one, if any is under way."""
        engine = self._opened()
        done = [failed for one in requests if (failed := engine.add(one)) is not None]
        while not done and engine.under_way:
            done = list(engine.step())
        return done

    def forget(self) -> None:
        """Drop the cached prefixes."""
        self._opened().forget()

    def close(self) -> None:
        """Stop the engine's own process."""
        if self._engine is not None:
            self._engine.close()

    def _opened(self) -> VllmEngine:
        if self._engine is None:
            raise RuntimeError("the replica's engine was not opened")
        return self._engine
