"""Says in one paragraph why vLLM could not be started, and what to do about it.

vLLM starts processes of its own. If one of them fails, what reaches its caller is only "Engine
core initialization failed. See root cause above", and the cause stands in what that process wrote.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.common.text import one_line
from harness.common.tracebacks import (
    Failure,
    Line,
    clear_chain,
    find_chains,
    is_vague,
    read_log,
)

LONGEST = 400
"""Characters of an exception's message that are shown."""
GONE = "its process is gone"
"""What is said of an engine's process that ended without a word to its driver."""
FULL_LOG = (
    "set VLLM_LOGGING_LEVEL=INFO to see its full log, or try model_impl transformers "
    "(--model-impl) or the hf engine (--engine)"
)
"""What is advised for a failure that is not known."""


class Advice(NamedTuple):
    """A known failure by what is said of it, and what to do."""

    pattern: re.Pattern[str]
    what_to_do: str


def _known(pattern: str, what_to_do: str) -> Advice:
    return Advice(re.compile(pattern), what_to_do)


ADVICE: tuple[Advice, ...] = (
    # v1/core/kv_cache_utils.py
    _known(
        r"larger than the available KV cache memory|No available memory for the cache blocks"
        r"|Cannot auto-fit max_model_len",
        "beside the weights there is too little memory for one request of full length: lower "
        "max_tokens (--max-tokens) or max_model_len (--max-model-len), spread the model over more "
        "GPUs with tensor_parallel (--tp), or raise gpu_memory_utilization (on a CPU "
        "kv_cache_memory_bytes), which is an argument of vLLM (--engine-arg)",
    ),
    # request_memory in v1/worker/utils.py
    _known(
        r"Free memory on device .* is less than desired GPU memory utilization",
        "another process uses this GPU (nvidia-smi shows which): end it, choose another GPU with "
        "CUDA_VISIBLE_DEVICES, or lower gpu_memory_utilization, an argument of vLLM (--engine-arg)",
    ),
    # torch: c10/cuda/CUDACachingAllocator.cpp and ATen/cuda/Exceptions.h
    _known(
        r"CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
        r"|OutOfMemoryError",
        "the GPU's memory is full: spread the model over more GPUs with tensor_parallel (--tp), or "
        "lower max_num_seqs or gpu_memory_utilization, which are arguments of vLLM (--engine-arg); "
        "nvidia-smi shows whether another process uses the GPU",
    ),
    _known(
        r"DefaultCPUAllocator: can't allocate memory|Cannot allocate memory|\bMemoryError\b",
        "this machine's memory is full: end what else runs, or lower kv_cache_memory_bytes, an "
        "argument of vLLM (--engine-arg)",
    ),
    # flashinfer/jit/cpp_ext.py; torch/utils/cpp_extension.py; deep_gemm
    _known(
        r"[Cc]ould not find nvcc|nvcc: (?:command )?not found|'[^']*\bnvcc'"
        r"|CUDA_HOME environment variable is not set",
        "vLLM would compile a kernel with CUDA's compiler nvcc, which is not there: install the "
        "CUDA toolkit 13 and name its folder in CUDA_HOME. Weights in FP8 cannot do without; for "
        "others leave VLLM_USE_FLASHINFER_SAMPLER unset, and give vLLM the argument "
        "attention_backend=TRITON_ATTN (--engine-arg)",
    ),
    # triton/runtime/build.py, and the C compiler that it calls
    _known(
        r"Failed to find C compiler|Python\.h: No such file",
        "Triton compiles C code with Python's headers before its first kernel: install a C "
        "compiler (gcc) and the headers (such as python3.12-dev)",
    ),
    # torch/csrc/cuda/Module.cpp and c10/cuda/CUDAFunctions.cpp; requirements/check.py has the 580
    _known(
        r"NVIDIA driver on your system is too old|driver version is insufficient"
        r"|forward compatibility was attempted",
        "NVIDIA's driver is too old for the installed build of torch: update it to version 580 or "
        "newer, or install the CPU build (make ACCELERATOR=cpu setup)",
    ),
    _known(
        r"no kernel image is available|not compatible with the current PyTorch installation",
        "the installed build of torch or vLLM has no code for this GPU: use another GPU, or the hf "
        "engine",
    ),
    # check_if_supports_dtype in platforms/cuda.py
    _known(
        r"only supported on GPUs with compute capability",
        "this GPU cannot compute in that number format: give dtype float16 (--dtype)",
    ),
    # config/device.py; torch/cuda/__init__.py
    _known(
        r"Failed to infer device type|No CUDA GPUs are available|Found no NVIDIA driver"
        r"|NVML Shared Library Not Found",
        "vLLM's GPU build finds no GPU that it may use: see nvidia-smi and CUDA_VISIBLE_DEVICES, "
        "or install the CPU build (make ACCELERATOR=cpu setup)",
    ),
    # config/parallel.py
    _known(
        r"World size \(\d+\) is larger than the number of",
        "there are fewer GPUs than one copy of the model was asked to take: lower "
        "tensor_parallel (--tp)",
    ),
    _known(
        r"must be divisible by tensor parallel size",
        "this model cannot be split into that many parts: give a tensor_parallel (--tp) that "
        "divides its number of attention heads",
    ),
    _known(
        r"[Aa]ddress already in use|EADDRINUSE|Errno 98\b",
        "another program took a port that vLLM's processes were to use: give the same command "
        "again, without VLLM_PORT if that is set",
    ),
    # model_executor/models/registry.py; transformers/models/auto/configuration_auto.py
    _known(
        r"does not recognize this architecture|are not supported for now|failed to be inspected"
        r"|has no vLLM implementation|Unrecognized configuration class|Unrecognized model in",
        "the installed vLLM or transformers does not know this model's architecture: try "
        "model_impl transformers (--model-impl) or the hf engine (--engine), or, if the "
        "checkpoint has Python files for it, trust_remote_code (--trust-remote-code)",
    ),
    # get_attn_backend_cls in platforms/cuda.py
    _known(
        r"Selected backend .* is not valid|No valid attention backend",
        "these kernels of attention do not fit the model, its number format, or this GPU: give "
        "vLLM another attention_backend (--engine-arg), or none",
    ),
    _known(
        r"SafetensorError|HeaderTooLarge|MetadataIncompleteBuffer|InvalidHeaderDeserialization",
        "a file of weights is cut off or damaged: copy or download the checkpoint again",
    ),
    _known(
        r"size mismatch|not initialized from checkpoint|no module or parameter named",
        "the weights and the checkpoint's config.json do not belong together",
    ),
    _known(
        r"unexpected keyword argument",
        "vLLM has no such argument: look at what is given as an argument of vLLM (--engine-arg)",
    ),
    _known(
        r"No space left on device|Errno 28\b|Disk quota exceeded",
        "a disk is full; vLLM and torch keep what they compile in ~/.cache (VLLM_CACHE_ROOT names "
        "another folder), and shared memory in /dev/shm",
    ),
    _known(
        r"NCCL error|ncclUnhandledCudaError|ncclInternalError|ncclSystemError",
        "the GPUs cannot reach each other: NCCL_DEBUG=INFO says more; a container needs shared "
        "memory for it (--shm-size)",
    ),
)
"""Known failures, the more specific first. The messages are those of vLLM 0.24.0 and 0.30.0, torch
2.11 to 2.13, and what they load; the comments name the file that raises each."""


def cause_of(failure: Failure, log: Sequence[Line] = ()) -> str:
    """Say why vLLM could not be started, and what to do.

    ``failure`` is what was raised, and ``log`` what its processes wrote. The paragraph does not
    end with a full stop.
    """
    vague = failure.is_vague or failure.text == GONE
    chain = (clear_chain(find_chains(log)) if vague else []) or [failure]
    for one in chain:
        if advice := _advice(one.text):
            return f"{_shown(one)}; {advice}"
    if vague and chain == [failure]:  # no exception says more, but a line may
        for line in reversed(log):
            if advice := _advice(line.text):
                return f"{one_line(line.text, limit=LONGEST).rstrip('.')}; {advice}"
    return f"{_shown(chain[0])}; {FULL_LOG}"


def described(error: BaseException) -> Failure:
    """Return an exception as a failure, without its place."""
    return Failure(kind=type(error).__name__, message=str(error).strip(), place="")


def is_told_elsewhere(error: BaseException) -> bool:
    """Say whether an exception only says that another process has failed."""
    return is_vague(described(error).text)


def own_log() -> list[Line]:
    """Return what this process and those it started have written, if that goes to a file.

    A process that Ray starts writes its standard error to a file of Ray's session.
    """
    try:
        file = Path(os.readlink("/proc/self/fd/2"))
        return read_log(file) if stat.S_ISREG(file.stat().st_mode) else []
    except OSError:
        return []


def _shown(failure: Failure) -> str:
    return one_line(failure.shown, limit=LONGEST).rstrip(".")


def _advice(text: str) -> str:
    return next((one.what_to_do for one in ADVICE if one.pattern.search(text)), "")
