"""Where a training runs, and the settings that follow from that alone.

These settings are marked `placed`. They do not decide a checkpoint: two machines may differ in
them and still train the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from benchmarks import WrongValueError
from harness.common.gpus import lacks_compiler, usable_gpus, visible_gpus
from harness.common.memory import available_memory, total_memory
from trainers.base import Setting, TrainSpec
from trainers.verl.cpu_memory import BUCKET, CpuFit
from trainers.verl.memory import OFFLOADS, TOKENS, Fit

_NOT_LESS = "not less than the longest sequence"
PLATFORM_MODULE = "trainers.verl.plugins.platform"
JOB_ID_MODULE = "trainers.verl.plugins.job_id"
MODULES = "VERL_USE_EXTERNAL_MODULES"
"""The variable with the modules that verl imports in each of its processes, after itself."""
CACHE = "VLLM_CPU_KVCACHE_SPACE"
"""The variable with the size of vLLM's cache on a CPU, in GiB."""
_AGENT_LOOPS = Path(__file__).with_name("plugins") / "agent_loops.yaml"
_ACTOR = "actor_rollout_ref.actor"
_FSDP = "actor_rollout_ref.actor.fsdp_config"
_REF = "actor_rollout_ref.ref"
_ROLLOUT = "actor_rollout_ref.rollout"
_MODEL = "actor_rollout_ref.model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The machines of one training."""

    device: Literal["cpu", "cuda"]
    nodes: int
    """Machines to train on."""
    gpus: int
    """GPUs on each node; on a CPU, 1 for the one process that trains."""
    address: str | None
    """The address of a running Ray cluster; None starts Ray on this machine for this training."""
    cores: int
    """CPU cores of this machine."""
    card: int | None = None
    """The memory of its smallest GPU, in bytes; None where it is not known."""
    host: int | None = None
    """The machine's own memory, in bytes; None where it is not known."""
    free: int | None = None
    """What of that is available now, in bytes; None where it is not known."""

    @property
    def processes(self) -> int:
        """How many processes train; a saved state can be resumed only by as many."""
        return self.nodes * self.gpus


def place(spec: TrainSpec) -> Placement:
    """Return where a training will run.

    Raises:
        UserError: more GPUs are asked for than there are, or several machines without a cluster.
    """
    if spec.nodes > 1 and spec.address is None:
        raise WrongValueError(
            f"--nodes {spec.nodes}: without a cluster there is only this machine; start Ray on all "
            "machines (ray start --head, ray start --address=…) and name it: --address auto"
        )
    here = visible_gpus()
    if spec.address is None and spec.gpus is not None and spec.gpus > here:
        found = f"{here} GPU{'s' * (here != 1)}" if here else "no GPU"
        raise WrongValueError(
            f"--gpus {spec.gpus}: this machine has {found}; leave --gpus out to train on "
            + ("all of them" if here else "the CPU")
        )
    # The GPUs of a cluster are not visible from here: there the flag says how many there are.
    on_gpu = bool(here or (spec.address is not None and spec.gpus))
    return Placement(
        device="cuda" if on_gpu else "cpu",
        nodes=spec.nodes,
        gpus=(spec.gpus or here) if on_gpu else 1,
        address=spec.address,
        cores=core_count(),
        card=smallest_card() if on_gpu and here else None,
        host=host_memory(),
        # The machines of a cluster are others than this one.
        free=free_memory() if spec.address is None else None,
    )


def core_count() -> int:
    """Return how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0))


def host_memory() -> int:
    """Return this machine's memory, in bytes, or what its container may use of it."""
    return total_memory()


def free_memory() -> int:
    """Return the memory that is available here now, in bytes."""
    return available_memory()


def smallest_card() -> int | None:
    """Return the memory of the smallest GPU that may be used, in bytes; None if unknown."""
    return min((gpu.memory for gpu in usable_gpus()), default=None)


def settings(
    placement: Placement,
    *,
    longest: int,
    filters_groups: bool,
    fit: Fit | None = None,
    on_cpu: CpuFit | None = None,
    bucket: int = BUCKET,
    fusable: bool = False,
) -> Iterator[Setting]:
    """Yield the settings of GRPO that follow from the machine.

    Args:
        placement: where the training runs.
        longest: the most tokens of prompt and response together.
        filters_groups: whether groups are filtered; verl passes that on to its own sampler
            only, so ours is then not used.
        fit: how the training fits into its GPUs, where that is known.
        on_cpu: how it fits into the machine without GPUs, where that is known.
        bucket: the size of the bucket that carries weights to vLLM on a CPU, in MiB.
        fusable: whether verl's fused kernel computes the model's logits.
    """
    gpu = placement.device == "cuda"
    of_device = _gpu(longest, fit, fusable) if gpu else _cpu(longest, on_cpu, bucket)
    values = {**_everywhere(placement), **of_device}
    values.update(_cluster(placement) if placement.address else _own_ray(placement))
    if placement.device == "cpu" and not filters_groups:
        values.update(_PROMPT_SAMPLER)
    for key, (value, why) in values.items():
        yield Setting(key=key, value=value, origin="placed", why=why)


Values = dict[str, tuple[Any, str]]
_PROMPT_SAMPLER: Values = {
    "trainer.v1.sampler.custom_sampler.path": ("pkg://trainers.verl.plugins.sampler", ""),
    "trainer.v1.sampler.custom_sampler.name": (
        "PromptSampler",
        "looks for finished rollouts more often than every 2 s",
    ),
}


def _everywhere(placement: Placement) -> Values:
    return {
        "trainer.device": (placement.device, ""),
        "trainer.nnodes": (placement.nodes, ""),
        "trainer.n_gpus_per_node": (placement.gpus, ""),
        "trainer.use_v1": (True, "verl's current trainer"),
        "trainer.v1.trainer_mode": ("sync", "rollouts and updates take turns: on-policy"),
        f"{_ACTOR}.strategy": ("fsdp2", ""),
        f"{_ROLLOUT}.name": ("vllm", ""),
        f"{_ROLLOUT}.tensor_model_parallel_size": (
            1,
            "each GPU draws rollouts with a whole copy of the model",
        ),
        f"{_ROLLOUT}.agent.agent_loop_config_path": (str(_AGENT_LOOPS), ""),
        f"{_ROLLOUT}.agent.default_agent_loop": ("one_turn", "for tokenizers of any family"),
    }


def _own_ray(placement: Placement) -> Values:
    values: Values = {
        "ray_kwargs.ray_init.address": (
            "local",
            "a running cluster is joined only if --address names it",
        ),
        "ray_kwargs.ray_init.include_dashboard": (False, "nothing uses the dashboard"),
    }
    # Logical CPUs, which Ray only counts. With fewer than verl asks for, it waits without a word.
    logical = 16 if placement.device == "cpu" else max(placement.cores, 32 + 8 * placement.gpus)
    values["ray_kwargs.ray_init.num_cpus"] = (
        logical,
        "logical CPUs, which Ray only counts; verl asks for many",
    )
    if placement.device == "cpu":
        values["ray_kwargs.ray_init.num_gpus"] = (
            1,
            "a logical GPU: the process that trains takes it",
        )
    return values


def _cluster(placement: Placement) -> Values:
    """Return the settings to join a cluster."""
    variables = {key: (value, "") for key, value in on_cluster(environment(placement)).items()}
    return {"ray_kwargs.ray_init.address": (placement.address, ""), **variables}


def on_cluster(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that give a cluster's workers variables: they do not inherit ours."""
    return {f"ray_kwargs.ray_init.runtime_env.env_vars.{name}": v for name, v in variables.items()}


def removes_padding() -> bool:
    """Say whether flash-attn is installed here, with which verl takes out the padding."""
    return find_spec("flash_attn") is not None


_TRITON: Values = {
    f"{_ROLLOUT}.engine_kwargs.vllm.attention_backend": (
        "TRITON_ATTN",
        "vLLM's first choice on this GPU would be compiled with nvcc, which is not here",
    )
}


def _gpu(longest: int, fit: Fit | None, fusable: bool) -> Values:
    flash = removes_padding()
    attention = "flash_attention_2" if flash else "sdpa"
    why = "flash-attn is installed" if flash else "flash-attn is not installed"
    return {
        f"{_MODEL}.override_config.attn_implementation": (attention, why),
        f"{_MODEL}.use_remove_padding": (flash, "needs flash-attn"),
        f"{_MODEL}.use_fused_kernels": (
            fusable,
            "logits are made for few tokens at a time"
            if fusable
            else "the fused kernel may not compute this architecture's logits",
        ),
        f"{_MODEL}.fused_kernel_options.impl_backend": ("torch", "works on every GPU"),
        f"{_MODEL}.enable_gradient_checkpointing": (True, "needs less memory and more time"),
        f"{_ACTOR}.use_dynamic_bsz": (True, "micro-batches are filled up to the tokens below"),
        **(_TRITON if lacks_compiler() else {}),
        **_memory(longest, fit),
    }


def _memory(longest: int, fit: Fit | None) -> Values:
    tokens = fit.tokens if fit else max(TOKENS, longest)
    why = f"fits by calculation; {_NOT_LESS}" if fit else _NOT_LESS
    between, always = OFFLOADS[fit.offload if fit else "nothing"]
    moved = "the training's state is moved to the machine's memory while rollouts are drawn"
    kept = "the training's state stays in the machine's memory"
    return {
        f"{_ACTOR}.ppo_max_token_len_per_gpu": (tokens, why),
        f"{_ROLLOUT}.log_prob_max_token_len_per_gpu": (2 * tokens, why),
        f"{_REF}.log_prob_max_token_len_per_gpu": (2 * tokens, why),
        f"{_ROLLOUT}.gpu_memory_utilization": (
            (fit.utilisation, "fits by calculation")
            if fit
            else (0.5, "the other half is for training")
        ),
        f"{_FSDP}.param_offload": (between, moved if between else "there is room"),
        f"{_FSDP}.optimizer_offload": (between, moved if between else "there is room"),
        f"{_FSDP}.offload_policy": (always, kept if always else "there is room"),
    }


def _cpu(longest: int, fit: CpuFit | None, bucket: int) -> Values:
    return {
        **_micro_batches(longest, fit),
        f"{_MODEL}.override_config.attn_implementation": ("sdpa", "flash-attn needs a GPU"),
        f"{_MODEL}.use_remove_padding": (False, "needs flash-attn"),
        f"{_MODEL}.enable_gradient_checkpointing": (False, "small models have the memory"),
        f"{_ACTOR}.use_torch_compile": (False, "compiling takes longer than it saves"),
        f"{_ROLLOUT}.enforce_eager": (True, "no CUDA graphs"),
        f"{_ROLLOUT}.enable_sleep_mode": (False, "vLLM has no sleep mode on a CPU"),
        f"{_ROLLOUT}.free_cache_engine": (False, "vLLM has no sleep mode on a CPU"),
        f"{_ROLLOUT}.engine_kwargs.vllm.distributed_executor_backend": (
            "uni",
            "one process less: each needs ten seconds to import vLLM",
        ),
        f"{_ROLLOUT}.agent.num_workers": (1, "few cores"),
        f"{_ROLLOUT}.checkpoint_engine.update_weights_bucket_megabytes": (
            bucket,
            "MiB in shared memory, where the largest tensor has to fit",
        ),
        "reward.num_workers": (1, "few cores"),
        "data.dataloader_num_workers": (0, "few cores"),
        "transfer_queue.backend.SimpleStorage.num_data_storage_units": (1, "few cores"),
    }


def _micro_batches(longest: int, fit: CpuFit | None) -> Values:
    """Return how large a micro-batch on the CPU is, which changes the speed alone.

    The loss is the mean over all tokens of an update, however they are divided (verl 0.9.1,
    `batch_num_tokens` in `workers/engine/fsdp/transformer_impl.py`).
    """
    if fit is None or fit.tokens is not None:
        tokens = fit.tokens if fit and fit.tokens else max(TOKENS, longest)
        return {
            f"{_ACTOR}.use_dynamic_bsz": (True, "micro-batches are filled up to the tokens below"),
            f"{_ACTOR}.ppo_max_token_len_per_gpu": (
                tokens,
                f"fits by calculation; {_NOT_LESS}" if fit else _NOT_LESS,
            ),
        }
    one = (1, "fits by calculation")
    return {
        f"{_ACTOR}.use_dynamic_bsz": (False, "one sequence at a time: the memory is for no more"),
        f"{_ACTOR}.ppo_micro_batch_size_per_gpu": one,
        f"{_ROLLOUT}.log_prob_micro_batch_size_per_gpu": one,
        f"{_REF}.log_prob_micro_batch_size_per_gpu": one,
    }


def cache_gib(variables: Mapping[str, str]) -> float:
    """Return the size of vLLM's cache on a CPU, in GiB: what the user's variable says, or 1."""
    try:
        return max(1.0, float(variables.get(CACHE, "1")))
    except ValueError:
        return 1.0


def environment(placement: Placement) -> dict[str, str]:
    """Return the variables that every process of the training has in its environment."""
    asked = os.environ.get(MODULES)
    own = [JOB_ID_MODULE] if placement.device == "cuda" else [JOB_ID_MODULE, PLATFORM_MODULE]
    shared = {
        MODULES: ",".join([*own, *([asked] if asked else [])]),
        "HYDRA_FULL_ERROR": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TOKENIZERS_PARALLELISM": "true",
    }
    if placement.device == "cuda":
        # vLLM would compile FlashInfer's sampler with CUDA's nvcc, which many machines lack. The
        # recipes leave out no token, so that rollouts are drawn by torch's sampler in any case.
        sampler = "VLLM_USE_FLASHINFER_SAMPLER"
        return {**shared, sampler: os.environ.get(sampler, "0")}
    return {
        **shared,
        "VERL_PLATFORM": "cpu",
        # This chooses verl's FSDP engine, which then asks the platform for its device.
        "VERL_ENGINE_DEVICE": "cuda",
        CACHE: os.environ.get(CACHE, "1"),
        # Otherwise vLLM replaces "uni" by "mp" (`platforms/cpu.py` of vLLM 0.30.0), because it sets
        # OpenMP's variables before a worker starts. Here the two last lines set them.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        # Two engines and a dozen small processes share the cores: more threads than cores would
        # cost more than they add.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(max(1, placement.cores // 2)),
    }
