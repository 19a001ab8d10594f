"""What one evaluation is asked to be (`EvalSpec`), and what decides its numbers (`Identity`).

The two are apart on purpose: a spec names things (a path, a benchmark), an
identity holds the sums of what those names stood for when the run began. The
fingerprint is taken over the identity, so a checkpoint that moves keeps its
run and a path that is overwritten does not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks import STANDARD, UserError

Trust = Literal["none", "model", "tokenizer", "all"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
ModelImpl = Literal["auto", "vllm", "transformers"]


class Frozen(BaseModel):
    """A stored value: immutable, and an unknown key is an error."""

    # Built at first use: most commands read few of the models, and each takes its milliseconds.
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), defer_build=True
    )


class Sampling(Frozen):
    """How responses are drawn. Greedy, one sample a problem, unless said otherwise."""

    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 keeps every token."""
    max_tokens: Annotated[int, Field(ge=1)] = 2048
    """Of a response; clamped to the room that the prompt leaves in the context."""
    seed: int = 0
    n: Annotated[int, Field(ge=1)] = 1
    """Samples a problem."""
    n_by_benchmark: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Overrides `n` for the benchmarks named."""

    @model_validator(mode="after")
    def _several_samples_differ(self) -> Sampling:
        if self.temperature == 0 and max([self.n, *self.n_by_benchmark.values()]) > 1:
            raise ValueError(
                "greedy samples of a problem are all the same: "
                "--n above 1 needs --temperature above 0"
            )
        return self

    def samples_for(self, benchmark: str) -> int:
        """Return how many samples each problem of ``benchmark`` gets."""
        return self.n_by_benchmark.get(benchmark, self.n)


class PromptSpec(Frozen):
    """How a question becomes a prompt."""

    style: str = "boxed"
    shots: Annotated[int, Field(ge=0)] = 0
    """Worked examples from the train split, the same for every problem of a benchmark."""
    template_args: dict[str, Any] = Field(default_factory=dict)
    """Variables for the model's chat template, such as ``enable_thinking``."""


class Server(Frozen):
    """An OpenAI-compatible endpoint, and how it may be used; read by the `openai` engine."""

    base_url: str | None = None
    """Such as ``http://127.0.0.1:8000/v1``; None takes the environment's OPENAI_BASE_URL."""
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; the key itself is never stored."""
    concurrency: Annotated[int, Field(ge=1)] = 64
    """Requests under way at once."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds that one attempt at one request may take."""
    attempts: Annotated[int, Field(ge=1)] = 6
    """At one request, before it counts as failed."""
    prompt_price: Annotated[float, Field(ge=0)] | None = None
    """Of a million prompt tokens, in the provider's currency."""
    completion_price: Annotated[float, Field(ge=0)] | None = None
    """Of a million response tokens."""


class Cluster(Frozen):
    """The Ray cluster of the `ray` engine."""

    address: str | None = None
    """None starts Ray on this machine, and never joins a cluster that happens to be there."""
    replicas: Annotated[int, Field(ge=1)] = 1
    """vLLM engines, each with a whole copy of the model."""
    wait: Annotated[float, Field(gt=0)] = 600.0
    """Seconds until every replica has a node."""


class EngineSpec(Frozen):
    """What turns prompts into responses."""

    name: str = "vllm"
    dtype: Dtype = "auto"
    max_model_len: Annotated[int, Field(ge=1)] | None = None
    """Context in tokens; None takes what the checkpoint's config says."""
    model_impl: ModelImpl = "auto"
    trust_remote_code: Trust = "none"
    """Which of the checkpoint's own Python files may run."""
    responses: str | None = None
    """The file that the `replay` engine reads."""
    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    """GPUs that share one copy of the model."""
    deterministic: bool = False
    """Responses that do not depend on what else is in the batch; refused where there are none."""
    server: Server = Field(default_factory=Server)
    cluster: Cluster = Field(default_factory=Cluster)
    args: dict[str, Any] = Field(default_factory=dict)
    """Handed to the engine as they are."""

    def trusts(self, part: Literal["model", "tokenizer"]) -> bool:
        """Say whether the checkpoint's own code for ``part`` may run."""
        return self.trust_remote_code in (part, "all")


class EvalSpec(Frozen):
    """One evaluation, as asked."""

    model: str
    """A checkpoint's folder, a Hugging Face id, or ``demo``."""
    revision: str | None = None
    """Of a Hugging Face id."""
    benchmarks: tuple[str, ...] = STANDARD
    limit: Annotated[int, Field(ge=1)] | None = None
    """Only the first problems of each benchmark."""
    prompt: PromptSpec = Field(default_factory=PromptSpec)
    sampling: Sampling = Field(default_factory=Sampling)
    engine: EngineSpec = Field(default_factory=EngineSpec)

    @model_validator(mode="after")
    def _benchmarks_are_distinct(self) -> EvalSpec:
        if not self.benchmarks:
            raise ValueError("no benchmark is named")
        if len(set(self.benchmarks)) < len(self.benchmarks):
            raise ValueError(f"a benchmark is named twice: {', '.join(self.benchmarks)}")
        stray = sorted(set(self.sampling.n_by_benchmark) - set(self.benchmarks))
        if stray:
            raise ValueError(f"--n names {', '.join(stray)}, which this run does not evaluate")
        return self


class BenchmarkIdentity(Frozen):
    """Which problems were asked."""

    problems: int
    sum: str
    """Over the id, question and answer of each problem, in order."""
    samples: int
    """A problem."""
    conventions: str = ""
    """A sum over what is accepted beside each problem's exact gold."""


UNKNOWN_STYLE = "unknown"
"""The prompt style of a run over saved generations that do not say how they were asked for."""
REWARD_GRADER = "reward:"
"""How the grader of a run begins whose verdicts are a training reward's."""


class EngineIdentity(Frozen):
    """Which code turned prompts into responses."""

    name: str
    versions: dict[str, str]
    """Of the packages that compute the responses."""
    settings: dict[str, Any]
    """Everything of the engine's spec that can change a response."""


class Identity(Frozen):
    """Everything that decides a run's numbers; its hash is the run's fingerprint."""

    model: dict[str, str]
    """File name to sha256: weights, configuration, tokenizer, template, code."""
    benchmarks: dict[str, BenchmarkIdentity]
    prompt: PromptSpec
    prompts_sum: str
    """Over the token ids (or text) of every rendered prompt, in order."""
    stop_token_ids: tuple[int, ...]
    sampling: Sampling
    engine: EngineIdentity
    grader: str

    @property
    def reward(self) -> str | None:
        """The training reward whose verdicts the run has; None where they are the grader's."""
        if not self.grader.startswith(REWARD_GRADER):
            return None
        return self.grader.removeprefix(REWARD_GRADER).rpartition("+")[0]

    @property
    def fingerprint(self) -> str:
        """The sha256, in hex, of the identity's canonical JSON."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def first_problem(error: ValidationError) -> str:
    """Return the first thing that is wrong with a value, as ``field: what is wrong``."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


Value = TypeVar("Value", bound=BaseModel)


def read_value(path: Path, kind: type[Value], noun: str) -> Value:
    """Read a JSON file that holds a ``kind``; raise UserError if it is none."""
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path} is no {noun}: {first_problem(error)}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a {noun}: {error}") from error


UNSTATED = "(none)"
"""How a change names a value that one side does not have."""


class Change(NamedTuple):
    """A field that two records do not share, with both values as text."""

    field: str
    a: str
    b: str

    def __str__(self) -> str:
        return f"{self.field}: {self.a} -> {self.b}"


def differences(left: BaseModel, right: BaseModel) -> list[str]:
    """List the fields in which two identities differ, as ``field: left -> right``."""
    return list(map(str, changes(left.model_dump(mode="json"), right.model_dump(mode="json"))))


def changes(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Change]:
    """List the leaves in which two nested mappings differ, by name.

    Sums are shortened to twelve digits.
    """
    ours, theirs = dict(_leaves(left)), dict(_leaves(right))
    return [
        Change(key, _short(ours.get(key)), _short(theirs.get(key)))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _short(value: Any) -> str:
    if value is None:
        return UNSTATED
    text = str(value)
    if re.fullmatch("[0-9a-f]{24,}", text):  # a sum, of which twelve digits tell enough
        return text[:12] + "…"
    return text if len(text) <= 100 else text[:99] + "…"
