"""Puts together the shards of a model that the processes of a training saved.

verl's own ways are not used. Its `hf_model` save stops the training if a config has a leftover
`auto_map`, and writes every number twice; its merger rounds everything to bfloat16 and runs the
model's own code. Reading the shards needs neither.
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
    """Yield each complete tensor of the model in a save, with the model's name for it.

    Shards stay on disk until a tensor in them is needed.

    Raises:
        UserError: a shard is missing or damaged, or of a kind that cannot be put together.
    """
    size = world_size(saved)
    if size is None:
        raise UserError(
            f"{saved} is not a save of verl's FSDP trainer: it has no fsdp_config.json that says "
            "how many processes wrote it"
        )
    first = _load(shard(saved, "model", rank=0, size=size))
    # With hybrid sharding there are replicas; the ranks of the first replica hold everything.
    parts = max((_parts(value) for value in first.values()), default=1)
    others = [_load(shard(saved, "model", rank=rank, size=size)) for rank in range(1, parts)]
    for name in list(first):
        yield name, _joined(name, [ours.pop(name) for ours in (first, *others)])


def _load(path: Path) -> dict[str, Any]:
    import torch
    import torch.distributed.tensor  # with it, torch.load accepts distributed tensors

    # torch warns that there is no process group, which nothing here needs.
    logging.getLogger("torch.distributed.device_mesh").setLevel(logging.ERROR)
    try:
        loaded = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"the saved weights cannot be read: {path}: {reason}") from error
    return dict(loaded)


def _parts(value: Any) -> int:
    """Count the processes that share a tensor: those along the last axis of their mesh."""
    return int(value.device_mesh.mesh.shape[-1]) if hasattr(value, "device_mesh") else 1


def _joined(name: str, parts: list[Any]) -> Tensor:
    """Put a tensor together; the result shares no memory with another tensor."""
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
