"""One vLLM engine in a Ray actor, which runs on a node of the cluster.

Its methods block: `step` takes new requests and returns as soon as some request is
done. vLLM's own process goes on computing between two calls.
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
from harness.engines.vllm.failures import cause_of, described, own_log
from harness.engines.vllm.machine import take_variables
from harness.engines.vllm.queue import PACKAGES, Output, QueueSetup, VllmQueue


class Replica:
    """A Ray actor that first gets a place on a node and then opens its engine.

    The two steps are separate, so that the driver knows whether it waits for a node or for vLLM.
    """

    def __init__(self) -> None:
        # vLLM would bind the threads of all replicas to the same processors. The variable is set
        # here and not in Ray's runtime environment, for which Ray would start an agent.
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        self._queue: VllmQueue | None = None

    def place(self) -> str:
        """Return the name of the machine that the actor is on."""
        return gethostname()

    def open(self, setup: QueueSetup, versions: Mapping[str, str], kept: Mapping[str, Any]) -> int:
        """Start the engine; return the most requests that it computes at once.

        ``versions`` (of packages) and ``kept`` (for determinism) are the driver's, which the run
        records.

        Raises:
            UserError: the checkpoint is not on this node, this node differs from the driver, or
                the engine cannot be started.
        """
        here = installed_versions(PACKAGES)
        if here != versions:
            raise UserError(
                f"{gethostname()} has {here}, but the machine that started the run has "
                f"{dict(versions)}; install the same versions on every node"
            )
        if not setup.model_path.is_dir():
            raise UserError(
                f"{gethostname()} has no folder {setup.model_path}: the checkpoint must lie under "
                "this path on every node, as on a shared file system"
            )
        if setup.spec.deterministic and vllm_determinism(setup.spec) != kept:
            raise UserError(
                f"deterministic: {gethostname()} does not have the settings of the machine that "
                f"started the run, {dict(kept)}; start the run on a machine like the nodes"
            )
        take_variables(setup.variables)
        try:
            self._queue = VllmQueue(setup)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"vLLM cannot load {setup.model_path} on {gethostname()}: "
                f"{cause_of(described(error), own_log())}"
            ) from error
        return self._queue.max_concurrent

    def step(self, requests: list[Request]) -> list[Output]:
        """Add requests; wait until some request is done, and return all outputs there are."""
        queue = self._opened()
        done = queue.add(requests)
        while not done and queue.under_way:
            done = queue.step()
        return done

    def forget(self) -> None:
        """Drop the cached prefixes."""
        self._opened().forget()

    def close(self) -> None:
        """Stop the processes that the engine started."""
        if self._queue is not None:
            self._queue.close()

    def _opened(self) -> VllmQueue:
        if self._queue is None:
            raise RuntimeError("the replica's engine was not opened")
        return self._queue
