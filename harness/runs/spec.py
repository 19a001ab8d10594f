"""What one evaluation is asked to be (`EvalSpec`): model, benchmarks, prompt, sampling, engine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from benchmarks import STANDARD
from harness.common.schema import Frozen
from harness.runs.sample import MOST_SAMPLES

Trust = Literal["none", "model", "tokenizer", "all"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
ModelImpl = Literal["auto", "vllm", "transformers"]


class Sampling(Frozen):
    """How responses are drawn. Greedy, one sample a problem, unless said otherwise."""

    temperature: Annotated[float, Field(ge=0)] = 0.0
    """0 always takes the likeliest token."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample among the likeliest tokens that have this probability together."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 keeps every token."""
    max_tokens: Annotated[int, Field(ge=1)] = 2048
    """Tokens that a response may have, at most the room that its prompt leaves in the context."""
    seed: int = 0
    """The run's seed, from which each sample's own is made."""
    n: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] = 1
    """Samples for each problem."""
    n_by_benchmark: dict[str, Annotated[int, Field(ge=1, le=MOST_SAMPLES)]] = Field(
        default_factory=dict
    )
    """Overrides `n` for the benchmarks named."""

    @model_validator(mode="after")
    def _several_samples_differ(self) -> Sampling:
        if self.temperature == 0 and max([self.n, *self.n_by_benchmark.values()]) > 1:
            raise ValueError(
                "greedy samples of a problem are all the same: "
                "n above 1 needs a temperature above 0"
            )
        return self

    def samples_for(self, benchmark: str) -> int:
        """Return how many samples each problem of ``benchmark`` gets."""
        return self.n_by_benchmark.get(benchmark, self.n)


class PromptSpec(Frozen):
    """How a question becomes a prompt."""

    style: str = "boxed"
    """The prompt style's name."""
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
    """Requests sent in a minute, at most; None is no limit."""
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Prompt and response tokens asked for in a minute, at most; None is no limit."""
    timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds that one attempt at one request may take."""
    attempts: Annotated[int, Field(ge=1)] = 6
    """Tries of one request before it counts as failed."""
    prompt_price: Annotated[float, Field(ge=0)] | None = None
    """Price of a million prompt tokens, in the provider's currency."""
    completion_price: Annotated[float, Field(ge=0)] | None = None
    """Price of a million response tokens."""


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
    """The engine's name."""
    dtype: Dtype = "auto"
    """The number format to compute in; `auto` leaves it to engine and checkpoint."""
    max_model_len: Annotated[int, Field(ge=1)] | None = None
    """Context in tokens; None takes what the checkpoint's config says."""
    model_impl: ModelImpl = "auto"
    """Whose model code vLLM runs."""
    trust_remote_code: Trust = "none"
    """Which of the checkpoint's own Python files may run."""
    allow_pickle: bool = False
    """Whether weights may be `*.bin` or `*.pt`: Python pickles, which can run code when read."""
    responses: str | None = None
    """The file that the `replay` engine reads."""
    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    """GPUs that share one copy of the model."""
    deterministic: bool = False
    """Responses that do not depend on what else is in the batch; refused where there are none."""
    server: Server = Field(default_factory=Server)
    """Read by the `openai` engine."""
    cluster: Cluster = Field(default_factory=Cluster)
    """Read by the `ray` engine."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Arguments handed to the engine as they are."""

    def trusts(self, part: Literal["model", "tokenizer"]) -> bool:
        """Say whether the checkpoint's own code for ``part`` may run."""
        return self.trust_remote_code in (part, "all")


class EvalSpec(Frozen):
    """One evaluation, as asked."""

    model: str
    """A checkpoint's folder, a Hugging Face id, or ``demo``."""
    revision: str | None = None
    """Branch, tag or commit, where the model is a Hugging Face id."""
    benchmarks: tuple[str, ...] = STANDARD
    """The benchmarks to evaluate, in this order."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Only the first problems of each benchmark."""
    prompt: PromptSpec = Field(default_factory=PromptSpec)
    """How a question becomes a prompt."""
    sampling: Sampling = Field(default_factory=Sampling)
    """How responses are drawn."""
    engine: EngineSpec = Field(default_factory=EngineSpec)
    """What draws them."""

    @model_validator(mode="after")
    def _benchmarks_are_distinct(self) -> EvalSpec:
        if not self.benchmarks:
            raise ValueError("no benchmark is named")
        if len(set(self.benchmarks)) < len(self.benchmarks):
            raise ValueError(f"a benchmark is named twice: {', '.join(self.benchmarks)}")
        stray = sorted(set(self.sampling.n_by_benchmark) - set(self.benchmarks))
        if stray:
            raise ValueError(f"n names {', '.join(stray)}, which this run does not evaluate")
        return self
