"""What the processes of a training saved of a model, put together again.

Read here rather than by verl's `hf_model` save or its merger: the first stops the training
where a config's `auto_map` is a leftover, and writes every number twice; the second rounds
everything to bfloat16 and runs the model's own code. Shards need neither.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import UserError
from trainers.verl.saves import shard, world_size

if TYPE_CHECKING:
    from torch import Tensor


def merged_tensors(saved: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor of the model in a save, whole, by the name that the model has for it.

    Shards stay on disk until a tensor of theirs is asked for.

    Raises:
        UserError: a shard is missing or damaged, or of a kind that cannot be put together.
    """
    size = world_size(saved)
    if size is None:
        raise UserError(
            f"{saved} is no save of verl's FSDP trainer: it has no fsdp_config.json that says "
            "how many processes wrote it"
        )
    first = _load(shard(saved, "model", rank=0, size=size))
    # With replicas (hybrid sharding) the ranks of the first one hold everything.
    parts = max((_parts(value) for value in first.values()), default=1)
    others = [_load(shard(saved, "model", rank=rank, size=size)) for rank in range(1, parts)]
    for name in list(first):
        yield name, _joined(name, [ours.pop(name) for ours in (first, *others)])


def _load(path: Path) -> dict[str, Any]:
    import torch
    import torch.distributed.tensor  # declares its tensors safe to load

    # torch warns that there is no process group, which nothing here needs.
    logging.getLogger("torch.distributed.device_mesh").setLevel(logging.ERROR)
    try:
        loaded = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"the saved weights cannot be read: {path}: {reason}") from error
    return dict(loaded)


def _parts(value: Any) -> int:
    """Count the processes over which a tensor is spread: along the last axis of their mesh."""
    return int(value.device_mesh.mesh.shape[-1]) if hasattr(value, "device_mesh") else 1


def _joined(name: str, parts: list[Any]) -> Tensor:
    """Put a tensor together; the result shares no memory with any other."""
    import torch
    from torch.distributed.tensor import DTensor, Replicate, Shard

    first: object = parts[0]
    placement = first.placements[-1] if isinstance(first, DTensor) else Replicate()
    pieces: list[Tensor] = [getattr(part, "_local_tensor", part) for part in parts]
    if isinstance(first, torch.Tensor) and isinstance(placement, Replicate):
        return pieces[0].clone()
    if isinstance(placement, Shard):
        return torch.cat(pieces, dim=placement.dim)
    raise UserError(
        f"the saved weights cannot be put together: {name} is a {type(first).__name__} "
        f"({placement}); train with strategy fsdp2"
    )
