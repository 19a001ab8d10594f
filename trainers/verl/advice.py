"""Known failures of a training, and what to do about each.

The first that matches counts, so the more specific ones come first. Keys are verl's own, which
are given with ``--set``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.hints import hint

_BUILD = "`data build`"
"""How an advice names our own command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A known failure."""

    pattern: re.Pattern[str]
    what_to_do: str
    anywhere: bool = False
    """Whether any matching line shows the failure, not only an exception."""
    about_death: bool = False
    """Whether the line says only that a process died."""

    @property
    def said(self) -> str:
        """What to do, with our own command as the user would type it."""
        return self.what_to_do.replace(_BUILD, f"`{hint('data build')}`")


def _known(pattern: str, what_to_do: str, *, anywhere: bool = False) -> Advice:
    return Advice(pattern=re.compile(pattern), what_to_do=what_to_do, anywhere=anywhere)


_SMALLER = (
    "--set actor_rollout_ref.actor.ppo_max_token_len_per_gpu=…, "
    "actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu=…, "
    "actor_rollout_ref.ref.log_prob_max_token_len_per_gpu=… "
    "(verl-sft: data.max_token_len_per_gpu=…), data.max_response_length=…"
)
"""What needs less memory. Micro-batches are filled up to a number of tokens; verl ignores the keys
that give them a number of rows (0.9.1, `use_dynamic_bsz` in `workers/engine/utils.py`)."""

DIED = (
    "a process of the training died without an error: most often the system killed it for needing "
    "too much memory (see dmesg); try smaller batches or a shorter context"
)
"""What is said of a process that left no word."""

ADVICE: tuple[Advice, ...] = (
    _known(
        r"larger than the available KV cache memory|No available memory for the cache blocks"
        r"|Cannot auto-fit max_model_len",
        "vLLM has too little memory for one request of the full length: lower "
        "data.max_prompt_length or data.max_response_length, or raise "
        "actor_rollout_ref.rollout.gpu_memory_utilization (on the CPU: VLLM_CPU_KVCACHE_SPACE, "
        "in GiB)",
        anywhere=True,
    ),
    _known(
        r"Free memory on device .* is less than desired GPU memory utilization",
        "another process is using the GPU (see nvidia-smi), or "
        "actor_rollout_ref.rollout.gpu_memory_utilization is too high for what training needs "
        "beside it",
        anywhere=True,
    ),
    _known(
        r"CUDA out of memory|CUDA error: out of memory|HIP out of memory"
        r"|CUBLAS_STATUS_ALLOC_FAILED|torch\.OutOfMemoryError",
        f"the GPU's memory is full: lower, in this order, {_SMALLER}, or "
        "actor_rollout_ref.rollout.gpu_memory_utilization",
        anywhere=True,
    ),
    _known(
        r"killed due to the node running low on memory|RayOutOfMemoryError"
        r"|DefaultCPUAllocator: can't allocate memory|Cannot allocate memory"
        r"|\(OOM\)|MemoryError",
        f"the machine's memory is full: stop what else runs, or lower {_SMALLER}",
        anywhere=True,
    ),
    _known(
        r"No space left on device|Errno 28|Disk quota exceeded|OutOfDiskError"
        r"|inline_container\.cc.*file write failed|enforce fail at inline_container",
        "a disk is full; what was saved before is intact. Free some space on the disk of the "
        "output folder and of Ray's own folder (/tmp/ray unless RAY_TMPDIR says otherwise), or "
        "keep fewer checkpoints with --keep, and give the same command again",
        anywhere=True,
    ),
    _known(
        r"Bus error|SIGBUS|unable to mmap .* shared memory|shared memory.*\(shm\)",
        "the shared memory is full or too small: in a container, start it with more (--shm-size)",
        anywhere=True,
    ),
    _known(
        r"Key '([^']*)' is not in struct|Could not override '([^']*)'|Error merging override"
        r"|ConfigAttributeError|ConfigKeyError|ConfigCompositionException"
        r"|(no viable alternative|mismatched input).* at input",
        "verl does not take that setting; check the --set that names it",
    ),
    _known(
        r"MissingMandatoryValue|InterpolationKeyError|ValidationError: Value '.*' of type",
        "a setting of verl has no usable value; check what is given with --set",
    ),
    _known(
        r"real_train_batch_size|must be divisible by|must be greater than or equal to"
        r"|is not divisible by|Train dataloader is empty|Validation dataloader is empty",
        "the sizes do not fit together: the batch (data.train_batch_size times "
        "actor_rollout_ref.rollout.n) must be a multiple of what all devices take at once, and "
        "there must be at least one batch of rows",
    ),
    _known(
        r"KeyError: '(prompt|reward_model|data_source|ground_truth|extra_info|style|messages)'",
        "the training data do not have the columns that verl reads; build them with `data build`",
    ),
    _known(
        r"ArrowInvalid|ArrowException|DatasetGenerationError|Parquet magic bytes not found"
        r"|Unsupported file format",
        "a file of the training data cannot be read; build it again with `data build`",
    ),
    _known(
        r"gated repo|GatedRepoError|40[13] Client Error|[Aa]ccess to model .* is restricted",
        "the model is gated or private: accept its licence on its page and log in "
        "(`hf auth login`, or HF_TOKEN), or give a local folder with --model",
    ),
    _known(
        r"is not a valid model identifier|RepositoryNotFoundError|Repository Not Found"
        r"|HFValidationError|LocalEntryNotFoundError|OfflineModeIsEnabled"
        r"|We couldn't connect to '[^']*' to load|Can't load the configuration of"
        r"|does not appear to have a file named",
        "the model cannot be loaded: check --model (a folder in Hugging Face format, or a Hugging "
        "Face id) and the network",
    ),
    _known(
        r"trust_remote_code",
        "the model has Python code of its own: read it, then give --trust-remote-code",
    ),
    _known(
        r"does not recognize this architecture|are not supported for now"
        r"|failed to be inspected|Unrecognized configuration class|Unrecognized model in"
        r"|has no vLLM implementation",
        "the installed transformers or vLLM does not know this model's architecture; if its folder "
        "has the Python files for it, give --trust-remote-code",
    ),
    _known(
        r"Model type .* is not supported|not found in the base model|size mismatch for ",
        "the weights and the model's config.json do not belong together",
    ),
    _known(
        r"FlashAttention2 has been toggled on|flash_attn.*(not installed|seems to be not)"
        r"|No module named 'flash_attn'",
        "flash-attn is not installed: "
        "--set +actor_rollout_ref.model.override_config.attn_implementation=sdpa",
    ),
    _known(
        r"[Cc]ould not find nvcc|nvcc: (?:command )?not found|'[^']*\bnvcc'"
        r"|CUDA_HOME environment variable is not set",
        "CUDA's compiler nvcc is not there: install the CUDA toolkit 13 and name its folder in "
        "CUDA_HOME, or leave VLLM_USE_FLASHINFER_SAMPLER unset and choose kernels of attention "
        "that need none: --set +actor_rollout_ref.rollout.engine_kwargs.vllm.attention_backend="
        "TRITON_ATTN",
        anywhere=True,
    ),
    _known(
        r"NVIDIA driver on your system is too old|driver version is insufficient",
        "NVIDIA's driver is too old for the installed build of torch: update it to version 580 or "
        "newer",
        anywhere=True,
    ),
    _known(
        r"No module named '([\w.]+)'|ModuleNotFoundError",
        "a package is missing from the environment that trains; install it there (the extra "
        "`train` has all that the trainers need)",
    ),
    _known(
        r"InvalidAuthToken|[Aa]uthentication token is missing",
        "the Ray cluster wants a token: give the one that `ray get-auth-token` prints on its head "
        "node in RAY_AUTH_TOKEN",
        anywhere=True,
    ),
    _known(
        r"Failed to connect to (Ray cluster|GCS)|Timed out while waiting for GCS"
        r"|Could not find any running Ray|RaySystemError.*connect|Failed to get cluster ID"
        r"|Can't find a `node_ip_address\.json`",
        "no Ray cluster answers at that address: check the address, that `ray status` works there, "
        "and that the cluster has the same versions of Ray and Python as this machine",
        anywhere=True,
    ),
    _known(
        r"node timed out during startup|raylet failed to start|GCS has become overloaded"
        r"|Failed to start the (dashboard|raylet|GCS)",
        "Ray did not start in time, because the machine is busy with something else; give the same "
        "command again when it is not",
    ),
    _known(
        r"Total available GPUs .* is less than total desired|No available node types can fulfill"
        r"|placement group.*(not ready|cannot be|infeasible|timed out)|not enough resources",
        "the machine or cluster has fewer free GPUs or CPUs than were asked for: lower --gpus or "
        "--nodes, or end what else runs on it",
        anywhere=True,
    ),
    _known(
        r"[Aa]ddress already in use|EADDRINUSE|Could not find a free port|Errno 98",
        "a port is in use by another program: end an older training that still runs, and give "
        "the same command again",
        anywhere=True,
    ),
    _known(
        r"NCCL error|ncclUnhandledCudaError|ncclInternalError|ncclSystemError|ncclRemoteError"
        r"|Watchdog caught collective operation timeout|Connection closed by peer",
        "the processes of the training lost each other: one of them died, or the network between "
        "the GPUs failed (NCCL_DEBUG=INFO says more)",
        anywhere=True,
    ),
    _known(
        r"CUDA error|CUDA driver|cudaError|device-side assert|no kernel image is available",
        "the GPU or its driver failed; see nvidia-smi and whether the installed torch is built "
        "for this driver",
        anywhere=True,
    ),
    _known(
        r"probability tensor contains either `inf`, `nan`|(loss|grad|logits?)\b.*\b(nan|inf)\b"
        r"|\bnan\b.*(loss|grad)",
        "training became unstable (a value is not a number): train from an earlier checkpoint "
        "with a lower actor_rollout_ref.actor.optim.lr",
    ),
    _known(
        r"No API key|api_key not configured|wandb: ERROR|CommError",
        "a logger could not log in: log in to it, or leave it out of --logger",
        anywhere=True,
    ),
    _known(
        r"Permission denied|PermissionError|Read-only file system",
        "this user may not read or write a file or folder",
    ),
    _known(
        r"FileNotFoundError|No such file or directory",
        "a file that the settings name is not there; check the paths of --data, --model and --set",
    ),
    _known(
        r"Too many open files|Errno 24",
        "the limit on open files is too low for Ray: raise it with `ulimit -n 65535`",
        anywhere=True,
    ),
    _known(
        r"exceeded the limit of processes|can't start new thread|Resource temporarily unavailable",
        "the limit on processes or threads is too low for Ray: raise it with `ulimit -u`",
        anywhere=True,
    ),
    _known(
        r"EngineDeadError",
        "vLLM's engine died and left no error of its own: most often the system killed it for "
        "needing too much memory (see dmesg); try a lower "
        "actor_rollout_ref.rollout.gpu_memory_utilization (on the CPU: VLLM_CPU_KVCACHE_SPACE), or "
        "a shorter context",
        anywhere=True,
    ),
    Advice(
        pattern=re.compile(
            r"The actor is dead because its worker process has died"
            r"|Worker exit type: SYSTEM_ERROR|worker died or was killed"
        ),
        what_to_do=DIED,
        anywhere=True,
        about_death=True,
    ),
)
