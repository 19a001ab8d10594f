"""Whether supervised fine-tuning fits into its GPUs or its machine, by the same calculation.

There is neither a reference model nor a rollout engine, and verl's supervised trainer is not given
the fused kernel, so that the logits of a whole micro-batch are in memory at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import UserError
from trainers.verl import cpu_memory, memory
from trainers.verl.cpu_memory import Held, bytes_of
from trainers.verl.memory import GIB, PADDED, USABLE, ModelSize, in_gib, micro_batches
from trainers.verl.placement import Placement

FORMAT, TOKENS, LONGEST = "engine.model_dtype", "data.max_token_len_per_gpu", "data.max_length"
SIZED = (TOKENS, "data.use_dynamic_bsz", "data.micro_batch_size_per_gpu", "engine.strategy",
         "engine.fsdp_size", "engine.offload_policy", "engine.ulysses_sequence_parallel_size",
         "model.enable_gradient_checkpointing", "model.use_remove_padding")  # fmt: skip
"""Keys that decide how much memory is needed. If the user sets one, nothing is calculated."""
PROCESSES = 2 * GIB
"""What torchrun, the command and the process that trains need beside the model on a CPU; the
process that trains held 1.1 GiB where the model was next to nothing (see `cpu_memory`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftFit:
    """How a training fits."""

    tokens: int | None
    """Tokens of a micro-batch; None takes one row at a time."""
    parts: Mapping[str, float]
    """The parts of the peak, in bytes."""


def sized_by_user(where: Placement, values: Mapping[str, Any]) -> str:
    """Return a key that the user set and with which the calculation would not be true."""
    named = next((key for key in SIZED if key in values), "")
    return named or (FORMAT if where.device == "cuda" and bytes_of(values[FORMAT]) != 4 else "")


def there(where: Placement) -> int | None:
    """Return the memory that there is, in bytes; None if that is not known."""
    return where.free if where.device == "cpu" else where.card


def fit(
    size: ModelSize, where: Placement, values: Mapping[str, Any], *, longest: int, padded: bool
) -> SftFit:
    """Return the first way in which a training fits.

    Raises:
        UserError: it does not fit.
    """
    available, last = there(where) or 0, SftFit(tokens=None, parts={})
    if where.device == "cpu":
        held = Held(weights=bytes_of(values[FORMAT]), processes=PROCESSES)
        found = cpu_memory.fit(size, held, available=available, longest=longest)
        if found is not None:
            return SftFit(tokens=found.tokens, parts=found.parts)
        last = SftFit(tokens=None, parts=cpu_memory.parts(size, held, None, longest))
    else:
        plain, share = replace(size, fusable=False), size.parameters / where.processes
        for tokens in micro_batches(longest):
            in_memory = tokens * (PADDED if padded else 1)
            last = SftFit(tokens=tokens, parts=memory.training_parts(plain, share, in_memory))
            if sum(last.parts.values()) <= USABLE * available:
                return last
    what = "this machine" if where.device == "cpu" else f"{where.processes} of these GPUs"
    raise UserError(
        f"a model of {size.parameters / 1e9:.1f} billion parameters with rows of {longest} tokens "
        f"does not fit into {what}, by calculation: it needs {in_gib(last.parts)}, and "
        f"{available / GIB:.1f} GiB are there; take a smaller model, more or larger GPUs, or "
        f"shorter rows (--set {LONGEST}=…, which changes what is trained), or try nevertheless "
        f"with --set {TOKENS}={longest}"
    )
