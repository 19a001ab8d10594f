"""The interface of engines, which turn prompts into responses.

Requests go in, and completions come out in the order in which they finish. One
request is one sample: an engine's own ``n`` would return only when the slowest of
the n samples is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from benchmarks import WrongValueError
from benchmarks.hints import hint, setting
from harness.common.secrets import names_variable, secrets_in
from harness.common.text import printable
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
    """The most tokens of the response, at least 1; the prompt and they fit into the context."""
    seed: int


class Completion(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The response to one request, or why there is none."""

    key: SampleKey
    text: str
    finish_reason: Literal["stop", "length", "overflow", "error"]
    """`overflow`: the prompt leaves no room for a response, as only a server knows that counts the
    prompt's tokens itself."""
    prompt_tokens: int | None = None
    """The number of tokens of the prompt; None if the engine does not say."""
    completion_tokens: int | None = None
    """The number of tokens of the response, including the one that ended it and those of the
    reasoning; None if not known."""
    reasoning: str | None = None
    """What the model reasoned, if the engine returns it apart from the response."""
    reasoning_tokens: int | None = None
    """The number of tokens of the reasoning, where it has any and they are counted."""
    served: str | None = None
    """The model that answered, as the server that runs it says; None if none says so."""
    error: str | None = None
    """What went wrong, if the finish reason is ``error`` or ``overflow``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSetup:
    """The values with which an engine is opened."""

    spec: EngineSpec
    sampling: Sampling
    checkpoint: Checkpoint | None
    """The checkpoint; None for an engine whose `needs_checkpoint` is false."""
    longest: int
    """Tokens of the longest request, prompt and response together; the context must hold them."""
    model_name: str = ""
    """The model as the user named it (`--model`), for an engine that sends the name to a server."""
    template_args: dict[str, Any] = field(default_factory=dict)
    """Variables for the chat template, for an engine whose server renders it."""

    @property
    def model(self) -> Checkpoint:
        """The checkpoint, for an engine that needs one; ValueError if there is none."""
        if self.checkpoint is None:
            raise ValueError(f"the {self.spec.name} engine needs a checkpoint")
        return self.checkpoint


class Engine(ABC):
    """Turns prompts into responses.

    Opening an engine may take minutes. `close` frees its processes and memory.
    """

    about: ClassVar[str]
    """One line that describes the engine, for `list engines`."""
    needs_checkpoint: ClassVar[bool] = True
    """Whether the model's files are on this machine, and prompts are rendered here."""
    sends_messages: ClassVar[bool] = False
    """Whether an engine without a checkpoint sends a conversation as its turns, not as one text."""
    slow_to_open: ClassVar[bool] = False
    """Whether opening takes seconds in which this process has no other work."""
    reserved_args: ClassVar[tuple[str, ...]] = ()
    """Arguments that may not be in `EngineSpec.args`: the harness sets them itself, or they lead
    the engine to files and settings that no run records."""
    packages: ClassVar[tuple[str, ...]] = ()
    """The distributions that compute the responses. The run records their installed versions."""

    def __init__(self, setup: EngineSetup) -> None:
        self.setup = setup
        self.counters: Counter[str] = Counter()
        """Counts of events such as retries and restarts, which are stored with the run."""

    @classmethod
    @contextmanager
    def launch(cls, spec: EngineSpec) -> Iterator[Callable[[EngineSetup], Engine]]:
        """Start the slow work that needs no checkpoint; yield a function that opens the engine.

        The caller reads problems and renders prompts meanwhile, and calls the function at most
        once. What was started ends with the context, also if no engine was opened.
        """
        yield cls

    @classmethod
    def settings(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return all settings of the spec that can change a response, for the run's identity."""
        return {
            "dtype": spec.dtype,
            "max_model_len": spec.max_model_len,
            "model_impl": spec.model_impl,
            "args": spec.args,
            # Tensor parallelism adds numbers in another order. It is left out at 1, because old
            # runs have no such setting.
            **({"tensor_parallel": spec.tensor_parallel} if spec.tensor_parallel > 1 else {}),
        }

    @classmethod
    def require_recorded(cls, spec: EngineSpec) -> None:
        """Refuse arguments that would make a run's record untrue, or would put a secret into it.

        Raises:
            UserError: which argument, and why. A secret is not repeated.
        """
        _require_no_secret(spec)
        for name in cls.reserved_args:
            if name in spec.args:
                raise WrongValueError(
                    f"{setting('engine_args')} {name}: with the {spec.name} engine the harness "
                    "sets this itself, or what it leads to would not be in the run's record; leave "
                    "it out, and use the harness's own option where there is one"
                )

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return the settings by which responses do not depend on their batch on this machine.

        With `--deterministic` they are a part of the run's identity, in addition to `settings`.

        Raises:
            UserError: this engine, or this machine, cannot promise it.
        """
        raise WrongValueError(
            f"{setting('deterministic')}: the {spec.name} engine cannot promise responses that do "
            f"not depend on the batch; leave it out, and measure: {hint('check-determinism')}"
        )

    @classmethod
    def model_identity(cls, model: str) -> dict[str, str]:
        """Return the model's identity for an engine without a checkpoint, as name and value."""
        return {}

    @classmethod  # noqa: B027 - most engines can draw whatever is asked
    def require_able(cls, spec: EngineSpec, asked: Mapping[str, int]) -> None:
        """Refuse a run that this engine could not draw, before anything of it is stored.

        ``asked`` has how many samples each problem gets, by the problem's id.

        Raises:
            UserError: why it could not.
        """

    @abstractmethod
    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield one completion per request, in the order in which they finish.

        A request that fails becomes a completion with finish reason ``error``. An
        exception means that the engine itself has failed.
        """

    def forget(self) -> None:  # noqa: B027 - most engines keep nothing
        """Drop what earlier requests left behind, such as cached prefixes.

        It is called only while no request is under way.
        """

    def close(self) -> None:  # noqa: B027 - most engines hold nothing
        """Free the engine's processes and memory."""


def _require_no_secret(spec: EngineSpec) -> None:
    """Refuse settings that hold a key or a password, since the run's record would hold it too."""
    if not names_variable(spec.server.key_variable):
        raise WrongValueError(
            f"{setting('key_variable')} names the environment variable that holds the server's "
            "key, and what was given is no such name; it may be the key itself, so it is neither "
            "shown nor stored. Put the key into a variable such as OPENAI_API_KEY, and give that "
            "variable's name"
        )
    for name in secrets_in(spec.args):
        raise WrongValueError(
            f"{setting('engine_args')} {printable(name)}: this holds a secret, and engine "
            "arguments are stored in the run's record, so it is refused; leave it out, and put "
            "the secret into the environment: the key of a server into the variable that "
            f"{setting('key_variable')} names (OPENAI_API_KEY), a token for Hugging Face into "
            "HF_TOKEN"
        )
