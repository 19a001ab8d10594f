"""Why vLLM cannot be started, in the words of its source, and what is advised."""

from __future__ import annotations

import pytest

from harness.common.tracebacks import Failure, log_lines
from harness.engines.vllm.failures import FULL_LOG, GONE, LONGEST, cause_of, described

VAGUE = described(
    RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")
)


def failure(kind: str, message: str) -> Failure:
    return Failure(kind=kind, message=message, place="")


@pytest.mark.parametrize(
    ("kind", "message", "advises"),
    [
        (
            "ValueError",
            "To serve at least one request with the model's max seq len (32768), (3.0 GiB KV cache "
            "is needed, which is larger than the available KV cache memory (1.2 GiB).",
            "max_model_len (--max-model-len)",
        ),
        (
            "ValueError",
            "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
            "gpu_memory_utilization",
        ),
        (
            "ValueError",
            "Free memory on device cuda:0 (11.2/79.1 GiB) on startup is less than desired GPU "
            "memory utilization (0.92, 72.8 GiB). Decrease GPU memory utilization",
            "another process uses this GPU",
        ),
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB.", "memory is full"),
        (
            "RuntimeError",
            "Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist",
            "CUDA toolkit",
        ),
        (
            "FileNotFoundError",
            "[Errno 2] No such file or directory: '/usr/local/cuda/bin/nvcc'",
            "attention_backend=TRITON_ATTN",
        ),
        (
            "RuntimeError",
            "Failed to find C compiler. Please specify via CC environment variable",
            "a C compiler (gcc)",
        ),
        (
            "RuntimeError",
            "The NVIDIA driver on your system is too old (found version 12040). Please update",
            "version 580 or newer",
        ),
        (
            "AcceleratorError",
            "CUDA error: no kernel image is available for execution on the device",
            "no code for this GPU",
        ),
        (
            "ValueError",
            "Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
            "float16",
        ),
        ("RuntimeError", "Failed to infer device type, please set the environment", "CPU build"),
        (
            "ValueError",
            "World size (8) is larger than the number of available GPUs (1) in this node.",
            "lower tensor_parallel",
        ),
        (
            "ValueError",
            "Total number of attention heads (14) must be divisible by tensor parallel size (4).",
            "number of attention heads",
        ),
        (
            "DistNetworkError",
            "The server socket has failed to listen on any local network address. port: 51217, "
            "useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use",
            "VLLM_PORT",
        ),
        (
            "ValidationError",
            "1 validation error for ModelConfig\n  Value error, Model architectures "
            "['StrangeForCausalLM'] are not supported for now. Supported architectures: dict_keys("
            "['LlamaForCausalLM']) [type=value_error, input_value=ArgsKwargs(()), "
            "input_type=ArgsKwargs]\n    For further information visit https://errors.pydantic.dev",
            "model_impl transformers",
        ),
        (
            "ValueError",
            "Selected backend AttentionBackendEnum.TRITON_ATTN is not valid for this "
            "configuration. Reason: ['MLA not supported']",
            "another attention_backend",
        ),
        (
            "TypeError",
            "EngineArgs.__init__() got an unexpected keyword argument 'max_nums'",
            "vLLM has no such argument",
        ),
    ],
)
def test_a_known_failure_comes_with_what_to_do(kind: str, message: str, advises: str) -> None:
    for log in ("", f'Traceback (most recent call last):\n  File "x.py", line 1\n{kind}: no\n'):
        cause = cause_of(failure(kind, message), log_lines(log.encode()))
        assert cause.startswith(f"{kind}: {' '.join(message.split())[:40]}")
        assert advises in cause
        assert "\n" not in cause
        assert FULL_LOG not in cause

    below = "".join(
        f"(EngineCore pid=8) ERROR 11-30 13:00:00 [core.py:1349] {line}\n"
        for line in ["Traceback (most recent call last):", '  File "/x.py", line 3, in go',
                     *f"package.{kind}: {message}".splitlines()]
    )  # fmt: skip
    from_log = cause_of(VAGUE, log_lines(below.encode()))
    assert from_log.startswith(kind)
    assert advises in from_log


def test_the_first_process_that_failed_is_the_cause() -> None:
    log = (
        "(Worker_TP1 pid=3) Traceback (most recent call last):\n"
        "(Worker_TP1 pid=3) torch.OutOfMemoryError: CUDA out of memory.\n"
        "(EngineCore pid=2) Traceback (most recent call last):\n"
        "(EngineCore pid=2) Exception: WorkerProc initialization failed due to an exception in a "
        "background process. See stack trace for root cause.\n"
    )
    assert cause_of(VAGUE, log_lines(log.encode())).startswith("OutOfMemoryError: CUDA out of")


def test_a_line_before_the_end_may_be_the_cause() -> None:
    """A process that dies by itself leaves no exception."""
    log = "loading\nfatal error: Python.h: No such file or directory\ncompilation terminated.\n"
    told = cause_of(failure(GONE, ""), log_lines(log.encode()))
    assert told.startswith("fatal error: Python.h")
    assert "headers" in told


def test_what_is_not_known_is_told_as_it_is_with_the_way_to_more() -> None:
    assert cause_of(failure("KeyError", "'x'")) == f"KeyError: 'x'; {FULL_LOG}"
    assert cause_of(failure(GONE, "")) == f"{GONE}; {FULL_LOG}"
    hostile = cause_of(failure("ValueError", "\x1b[2J" + "much " * 10_000))
    assert "\x1b" not in hostile
    assert len(hostile) < LONGEST + 200
