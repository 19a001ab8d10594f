"""What vLLM is told because of the machine that it runs on, and what of that a run records.

What can change a response is in the run's identity where it is not the usual: the kernels of
attention, and vLLM's own environment variables. The size of a batch is not. A response can depend
on its batch in the last digits only, as it does on the number of requests that are left, and on
the GPU; `--deterministic` is for whom that is too much.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import UserError, WrongValueError
from benchmarks.hints import setting
from harness.common.environment import installed_versions
from harness.common.gpus import VARIABLE, can_be_counted, lacks_compiler, usable_gpus, visible_gpus
from harness.models.trust import read_config
from harness.runs.spec import EngineSpec

LARGE_CARD = 70 << 30
"""Bytes of memory from which on vLLM has room for many requests at once. It draws this line, too
(`get_batch_defaults` in engine/arg_utils.py of 0.30.0)."""
LARGE_BATCH = 1024
"""Requests that are computed at once on a large card. It is vLLM's own number for an `LLM` on such
a card, except on an A100, where vLLM stays at 256. There it is because of the tokens of a batch
(https://github.com/vllm-project/vllm/pull/17885), whose limit is left to vLLM."""
DEFAULT_GRAPHS = 512
"""The largest batch for which vLLM captures a CUDA graph by itself (`_set_cudagraph_sizes` in
config/vllm.py of 0.30.0; 1,024 on Blackwell). A larger batch runs without a graph: each of its
kernels is launched from Python, which takes longer than a small model's kernels run."""
GRAPH_STEP = 16
"""The distance between two batches of that size with a graph. vLLM rounds another largest size down
(https://github.com/vllm-project/vllm/pull/37865), so that the largest batch would have none."""
GRAPH_ARGS = ("compilation_config", "cudagraph_capture_sizes", "max_cudagraph_capture_size")
"""Arguments of `EngineArgs` by which a user says which CUDA graphs are captured; vLLM refuses two
of them at once."""
ATTENTION_ARGS = ("attention_backend", "attention_config")
"""Arguments of `EngineArgs` by which a user chooses the kernels of attention."""
TRITON = "TRITON"
"""What a run records where attention is computed by vLLM's kernels in Triton."""

USUAL: Mapping[str, str] = {
    "VLLM_USE_FLASHINFER_SAMPLER": "0",  # what the harness sets; see `queue.VARIABLES`
    "VLLM_USE_V2_MODEL_RUNNER": "",
    "VLLM_FLOAT32_MATMUL_PRECISION": "highest",
    "VLLM_DISABLED_KERNELS": "",
    "VLLM_KV_CACHE_LAYOUT": "",
    "VLLM_TUNED_CONFIG_FOLDER": "",
    "VLLM_ENABLE_INDUCTOR_MAX_AUTOTUNE": "1",
    "VLLM_ENABLE_INDUCTOR_COORDINATE_DESCENT_TUNING": "1",
    "VLLM_TRITON_FORCE_FIRST_CONFIG": "0",
    "VLLM_USE_TRITON_AWQ": "0",
    "VLLM_MARLIN_USE_ATOMIC_ADD": "0",
    "VLLM_MARLIN_INPUT_DTYPE": "",
    "VLLM_USE_DEEP_GEMM": "1",
    "VLLM_MOE_USE_DEEP_GEMM": "1",
    "VLLM_USE_DEEP_GEMM_E8M0": "1",
    "VLLM_BLOCKSCALE_FP8_GEMM_FLASHINFER": "1",
    "VLLM_USE_FUSED_MOE_GROUPED_TOPK": "1",
    "VLLM_MOE_ROUTING_SIMULATION_STRATEGY": "",
    "VLLM_ALLREDUCE_USE_SYMM_MEM": "1",
    "VLLM_ALLREDUCE_USE_FLASHINFER": "1",
    "VLLM_USE_NCCL_SYMM_MEM": "0",
    "VLLM_CPU_ATTN_SPLIT_KV": "1",
    "VLLM_CPU_INT4_W4A8": "1",
}
"""vLLM's environment variables that choose how a response is computed or drawn, with the values
that change nothing (envs.py of 0.30.0; empty means unset).

VLLM_BATCH_INVARIANT is not here, since `--deterministic` alone decides it, nor is
VLLM_ATTENTION_BACKEND, which no supported release reads
(https://github.com/vllm-project/vllm/issues/50292)."""
REDIRECT = "VLLM_MODEL_REDIRECT_PATH"
"""The variable by which vLLM reads another model than it is asked for (transformers_utils/utils.py
of 0.30.0, `maybe_model_redirect`)."""
_SAME = {"true": "1", "false": "0"}


def recorded(spec: EngineSpec) -> dict[str, Any]:
    """Return what of this machine belongs to a run's identity; usually that is nothing."""
    kernels, variables = attention(spec), unusual_variables()
    return {
        **({"attention": kernels} if kernels else {}),
        **({"variables": variables} if variables else {}),
    }


def attention(spec: EngineSpec) -> str | None:
    """Return `TRITON` where vLLM's own choice would need a compiler that is not there; else None.

    Of the kernels that vLLM compiled beforehand or that bring their own compiler, Triton's are the
    only ones that take every number format, head size and attention sink (`supports_…` in
    v1/attention/backends/triton_attn.py of 0.30.0).
    """
    if installed_versions(["vllm-cpu"]) or any(name in spec.args for name in ATTENTION_ARGS):
        return None
    return TRITON if lacks_compiler() else None


def attention_settings(chosen: str | None, model: Path) -> dict[str, str]:
    """Return the argument of `LLM` for what `attention` has chosen, by the kind of the model."""
    if chosen is None:
        return {}
    return {"attention_backend": f"{chosen}_MLA" if _is_latent(model) else f"{chosen}_ATTN"}


def _is_latent(model: Path) -> bool:
    """Say whether a model has DeepSeek's latent attention, for which there are other kernels.

    vLLM tells it by the same key (`is_deepseek_mla` in
    transformers_utils/model_arch_config_convertor.py of 0.30.0).
    """
    try:
        found = read_config(model / "config.json")
    except UserError:  # the engine will say so
        return False
    text = found.get("text_config")
    parts = [found, text if isinstance(text, dict) else {}]
    return any(part.get("kv_lora_rank") is not None for part in parts)


def unusual_variables() -> dict[str, str]:
    """Return those variables of `USUAL` that the user has set to something else, in order."""
    values = {name: os.environ.get(name, "").strip() for name in USUAL}
    return {
        name: value
        for name, value in sorted(values.items())
        if value and _plain(value) != _plain(USUAL[name])
    }


def _plain(value: str) -> str:
    return _SAME.get(value.lower(), value.lower())


def take_variables(variables: Mapping[str, str]) -> None:
    """Give this process the variables of `USUAL` that another one has, and no others of them."""
    for name in USUAL:
        os.environ.pop(name, None)
    os.environ.update(variables)


def refuse_redirect() -> None:
    """Refuse the variable that leads vLLM to another model than the one that is recorded.

    Raises:
        UserError: it is set.
    """
    if os.environ.get(REDIRECT):
        raise UserError(
            f"{REDIRECT} is set to {os.environ[REDIRECT]}: vLLM would read another model than the "
            "run records; unset it, and name that model itself"
        )


def require_gpus(spec: EngineSpec, *, copies: int = 1) -> None:
    """Refuse to start more GPUs' worth of vLLM than this machine has; Ray would wait for them.

    ``copies`` is how many copies of the model this machine is to hold.

    Raises:
        UserError: how many GPUs are needed, and how many there are.
    """
    if not installed_versions(["vllm"]) or not can_be_counted():  # the CPU build needs none
        return
    there, needed = visible_gpus(), copies * spec.tensor_parallel
    if there >= needed:
        return
    asked = f"{copies} x {spec.tensor_parallel} = {needed}" if copies > 1 else str(needed)
    visible = os.environ.get(VARIABLE)
    because = "" if visible is None else f" ({VARIABLE} is '{visible}')"
    instead = "ask for fewer" if there else "use a machine with a GPU, or the hf engine"
    raise WrongValueError(
        f"the {spec.name} engine: {asked} GPU{'s' * (needed != 1)} asked for "
        f"({setting('replicas')} times {setting('tensor_parallel')}), and this process may use "
        f"{there}{because}; {instead}"
    )


def throughput(args: Mapping[str, Any]) -> dict[str, int]:
    """Return vLLM's settings for the most tokens a second on this machine's GPUs.

    ``args`` is what else is settled, such as the user's own arguments; they win. A smaller card
    than `LARGE_CARD` is left to vLLM, which has measured it.
    """
    memory = min((gpu.memory for gpu in usable_gpus()), default=0)
    if memory < LARGE_CARD:
        return {}
    batch = args.get("max_num_seqs", LARGE_BATCH)
    settings = {} if "max_num_seqs" in args else {"max_num_seqs": batch}
    if isinstance(batch, int) and batch > DEFAULT_GRAPHS and not any(a in args for a in GRAPH_ARGS):
        settings["max_cudagraph_capture_size"] = GRAPH_STEP * -(-batch // GRAPH_STEP)
    return settings
