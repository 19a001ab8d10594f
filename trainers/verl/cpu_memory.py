"""What a training on the CPU needs of the machine's memory, by calculation, and how it fits.

All sizes are in bytes. A GPU holds one phase of a step at a time; here everything is in one memory
at once, because vLLM has no sleep mode on a CPU: the training's weights, gradients and AdamW's two
moments, the reference model, vLLM's weights and cache, and what the processes themselves need.
What a phase needs beside that comes and goes: the layers that are gathered, activations and
logits in an update; temporary tensors when the optimiser steps; the bucket that carries the new
weights to vLLM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainers.verl.memory import GIB, PADDED, ModelSize, in_gib, logits, micro_batches

USABLE = 0.95
"""The fraction of the available memory that a plan fills."""
PROCESSES = 6 * GIB
"""What Ray, verl and vLLM need beside the model: a dozen processes, each with its own Python.

The demo model's own size is next to nothing, and a training of it held 7.3 GiB at its peak, of
which 1 GiB was vLLM's cache and 0.25 GiB the bucket (`tests/performance/training_memory.py`,
2 cores, verl 0.9.1, vLLM 0.30.0)."""
BUCKET = 256
"""The least size of the bucket, in MiB."""
FULL = frozenset({"fp32", "float32", "32", 32})
"""How verl writes the format with 4 bytes for a number (0.9.1, `utils/torch_dtypes.py`, where 32
bits are ``FLOAT_LIST``); every other format that it takes has 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is in memory all the time, whatever the step does."""

    weights: int
    """Bytes for each number of the trained weights."""
    reference: int = 0
    """Bytes for each number of the reference model; 0 without one."""
    rollouts: int = 0
    """Bytes for each number of vLLM's weights; 0 without rollouts."""
    cache: float = 0
    """vLLM's cache of keys and values."""
    processes: float = PROCESSES
    """What the processes need beside the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuFit:
    """How a training fits into the machine."""

    tokens: int | None
    """Tokens of a micro-batch; None takes one sequence at a time."""
    parts: Mapping[str, float]
    """The parts of the peak, in bytes."""

    @property
    def total(self) -> float:
        """The peak, in bytes."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        """Return the peak and its parts in GiB."""
        return in_gib(self.parts)


def bytes_of(number_format: Any) -> int:
    """Return the bytes for a number in a format as verl names it.

    >>> bytes_of("fp32"), bytes_of("bfloat16")
    (4, 2)
    """
    return 4 if number_format in FULL else 2


def bucket_megabytes(model: ModelSize | None, weights: int) -> int:
    """Return the size of the bucket that carries weights to vLLM, in MiB.

    verl sends each tensor in the format in which it is trained, and in shared memory one that is
    larger than the bucket ends the training (0.9.1, `workers/rollout/vllm_rollout/
    bucketed_weight_transfer.py`).

    Args:
        model: the model's sizes, if they are known.
        weights: the bytes for each number of the trained weights.
    """
    return max(BUCKET, -(-model.largest * weights // 2**20)) if model else BUCKET


def fit(model: ModelSize, held: Held, *, available: float, longest: int) -> CpuFit | None:
    """Return the first way in which a training fits, or None.

    ``longest`` is the most tokens of a sequence. Smaller micro-batches come first, and then one
    sequence at a time, which has no padding: both change the speed and not the training.
    """
    ways = (CpuFit(tokens=way, parts=parts(model, held, way, longest)) for way in _ways(longest))
    return next((found for found in ways if found.total <= USABLE * available), None)


def parts(model: ModelSize, held: Held, tokens: int | None, longest: int) -> dict[str, float]:
    """Return the parts of the peak, for micro-batches of so many tokens or of one sequence.

    Without checkpointing the activations of all layers are kept, in bfloat16: about 12 times the
    hidden and 4 times the intermediate size for each token of each layer.
    """
    kept = {
        "weights": float(held.weights * model.parameters),
        "gradients": float(held.weights * model.parameters),
        "optimiser": 2.0 * held.weights * model.parameters,
        "reference model": float(held.reference * model.parameters),
        "vLLM's weights": float(held.rollouts * model.parameters),
        "vLLM's cache": held.cache,
        "processes": held.processes,
    }
    many = longest if tokens is None else tokens * PADDED
    update = {
        "gathered layers": float((2 + 2 + held.weights) * (model.root + 2 * model.layer)),
        "activations": 2.0 * many * (12 * model.hidden + 4 * model.intermediate) * model.layers,
        "logits": logits(model, many, fused=False),
    }
    step = {"the optimiser's step": 2.0 * held.weights * model.largest}
    sent = bucket_megabytes(model, held.weights) * 2**20 + held.weights * model.largest
    phases: list[dict[str, float]] = [update, step]
    if held.rollouts:
        phases.append({"weights on their way to vLLM": float(sent)})
    return kept | max(phases, key=_sum)


def _sum(phase: Mapping[str, float]) -> float:
    return sum(phase.values())


def _ways(longest: int) -> Iterator[int | None]:
    yield from micro_batches(longest)
    yield None
