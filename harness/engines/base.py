"""The one seam to whatever turns prompts into responses.

Requests go in, completions come out as they finish, in any order. One request is
one sample: an engine's own ``n`` returns only when the slowest of the n is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.prompts import Prompt
from harness.sample import SampleKey
from harness.spec import EngineSpec, Sampling

if TYPE_CHECKING:
    from harness.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One sample to be drawn."""

    key: SampleKey
    prompt: Prompt
    max_tokens: int
    """Already clamped to the room in the context; at least 1."""
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What became of one request."""

    key: SampleKey
    text: str
    finish_reason: Literal["stop", "length", "error"]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Including the token that ended the response."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSetup:
    """What an engine is opened with."""

    spec: EngineSpec
    sampling: Sampling
    checkpoint: Checkpoint | None
    """None for an engine that says it needs none."""
    longest: int
    """Prompt and response of the longest request, in tokens; what the context has to hold."""

    @property
    def model(self) -> Checkpoint:
        """The checkpoint, for an engine that needs one."""
        if self.checkpoint is None:
            raise ValueError(f"the {self.spec.name} engine needs a checkpoint")
        return self.checkpoint


class Engine(ABC):
    """Turns prompts into responses. Opening one may take minutes; `close` frees what it holds."""

    about: ClassVar[str]
    """One line for `list engines`."""
    needs_checkpoint: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions that compute the responses; those installed are recorded with the run."""

    def __init__(self, setup: EngineSetup) -> None:
        self.setup = setup
        self.counters: Counter[str] = Counter()
        """What happened beside the responses, such as retries or restarts; kept with the run."""

    @classmethod
    def settings(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return everything of the spec that can change a response, for the run's identity."""
        return {
            "dtype": spec.dtype,
            "max_model_len": spec.max_model_len,
            "model_impl": spec.model_impl,
            "args": spec.args,
            # Sums are taken in another order; left out at 1, as in the runs of before it was asked.
            **({"tensor_parallel": spec.tensor_parallel} if spec.tensor_parallel > 1 else {}),
        }

    @abstractmethod
    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield one completion a request, as they finish.

        A request that fails becomes a completion with finish reason ``error``; an
        exception means that the engine itself is lost.
        """

    def close(self) -> None:  # noqa: B027 - most engines hold nothing
        """Free what the engine holds."""
