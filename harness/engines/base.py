"""The one seam to whatever turns prompts into responses.

Requests go in, completions come out as they finish, in any order. One request is
one sample: an engine's own ``n`` returns only when the slowest of the n is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from benchmarks import UserError
from harness.prompts.rendering import Prompt
from harness.runs.sample import SampleKey
from harness.runs.spec import EngineSpec, Sampling

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One sample to be drawn."""

    key: SampleKey
    prompt: Prompt
    max_tokens: int
    """Already clamped to the room in the context; at least 1."""
    seed: int


class Completion(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    model_name: str = ""
    """The model as asked (`--model`), for an engine that names it to somebody else."""
    template_args: dict[str, Any] = field(default_factory=dict)
    """Variables for the chat template, for an engine that has somebody else render it."""

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
    """Whether the model's files are on this machine, and prompts are rendered here."""
    sends_messages: ClassVar[bool] = False
    """Without a checkpoint: whether a conversation is sent as its turns, and not as one text."""
    slow_to_open: ClassVar[bool] = False
    """Whether opening takes seconds in which the driver's processor has nothing to do."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions that compute the responses; those installed are recorded with the run."""

    def __init__(self, setup: EngineSetup) -> None:
        self.setup = setup
        self.counters: Counter[str] = Counter()
        """What happened beside the responses, such as retries or restarts; kept with the run."""

    @classmethod
    @contextmanager
    def launch(cls, spec: EngineSpec) -> Iterator[Callable[[EngineSetup], Engine]]:
        """Begin what takes long and needs no checkpoint; yield what opens the engine, once.

        Problems are read and prompts rendered meanwhile. What was begun ends with the context,
        whether an engine came of it or not.
        """
        yield cls

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

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return what keeps responses independent of their batch, as it will be in effect here.

        It becomes a part of the run's identity, beside `settings`, where it is asked for.

        Raises:
            UserError: this engine, or this machine, cannot promise that.
        """
        raise UserError(
            f"--deterministic: the {spec.name} engine cannot promise responses that do not depend "
            "on the batch; leave it out, and measure: python -m harness check-determinism"
        )

    @classmethod
    def model_identity(cls, model: str) -> dict[str, str]:
        """Return what the run's identity says of a model of which there is no checkpoint."""
        return {}

    @abstractmethod
    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield one completion a request, as they finish.

        A request that fails becomes a completion with finish reason ``error``; an
        exception means that the engine itself is lost.
        """

    def forget(self) -> None:  # noqa: B027 - most engines keep nothing
        """Drop what earlier requests left behind, such as cached prefixes; none is under way."""

    def close(self) -> None:  # noqa: B027 - most engines hold nothing
        """Free what the engine holds."""
