"""Make verl's checkpoints: by hand, which is fast, or with verl's own checkpoint manager."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def make_save(
    state: Path, step: int, tensors: Mapping[str, Any] | None = None, *, actor: bool = True
) -> Path:
    """Make the save of a training by one process; without ``actor``, that of verl's SFT trainer."""
    saved = state / f"global_step_{step}"
    folder = saved / "actor" if actor else saved
    _write_shards(folder, dict(tensors or {}), rank=0, size=1)
    _write_rest(saved, folder, size=1)
    return saved


def make_sharded_save(state: Path, step: int, tensors: Mapping[str, Tensor], *, size: int) -> Path:
    """Make the save of a training by ``size`` processes, each of which has a slice of all."""
    import torch
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    saved = state / f"global_step_{step}"
    for rank in range(size):
        dist.init_process_group("fake", rank=rank, world_size=size, store=FakeStore())
        try:
            mesh = init_device_mesh("cpu", (size,), mesh_dim_names=("fsdp",))
            parts = {}
            for name, tensor in tensors.items():
                chunks = list(torch.chunk(tensor, size))
                chunks += [tensor[:0]] * (size - len(chunks))
                parts[name] = DTensor.from_local(
                    chunks[rank].clone(), mesh, [Shard(0)],
                    run_check=False, shape=tensor.shape, stride=tensor.stride(),
                )  # fmt: skip
            _write_shards(saved / "actor", parts, rank=rank, size=size)
        finally:
            dist.destroy_process_group()
    _write_rest(saved, saved / "actor", size=size)
    return saved


def _write_shards(folder: Path, tensors: dict[str, Any], *, rank: int, size: int) -> None:
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in (("model", tensors), ("optim", {}), ("extra_state", {})):
        torch.save(content, folder / f"{kind}_world_size_{size}_rank_{rank}.pt")


def _write_rest(saved: Path, folder: Path, *, size: int) -> None:
    import torch

    stated = {"FSDP_version": 2, "world_size": size}
    (folder / "fsdp_config.json").write_text(json.dumps(stated), encoding="utf-8")
    (folder / "huggingface").mkdir()
    torch.save({}, saved / "data.pt")


def save_with_verl(base: Path, actor: Path, *, trust: bool) -> None:
    """Train one step with FSDP2 as verl does, and save twice with verl's own manager."""
    import torch
    import torch.distributed as dist
    from omegaconf import OmegaConf
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy
    from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager
    from verl.utils.fsdp_utils import apply_fsdp2
    from verl.utils.model import get_hf_auto_model_class
    from verl.workers.config.model import HFModelConfig

    actor.mkdir(parents=True)
    meeting = (actor.parent / "meeting").as_uri()
    dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    config = HFModelConfig(
        path=str(base), trust_remote_code=trust, override_config={"attn_implementation": "sdpa"}
    )
    model = get_hf_auto_model_class(config.hf_config).from_pretrained(
        str(base), dtype=torch.float32, config=config.hf_config, trust_remote_code=trust
    )
    model.to(torch.float32)
    mesh = init_device_mesh("cpu", (1,), mesh_dim_names=("fsdp",))
    precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    apply_fsdp2(model, {"mesh": mesh, "mp_policy": precision}, {"wrap_policy": {}})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    tokens = torch.arange(5, 45).unsqueeze(0)
    logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
    loss: Any = torch.nn.functional.cross_entropy(logits[0, :-1].float(), tokens[0, 1:])
    loss.backward()
    optimizer.step()
    contents = ["model", "optimizer", "extra"]
    manager = FSDPCheckpointManager(
        model, optimizer, None, config.get_processor(),
        checkpoint_config=OmegaConf.create({"save_contents": contents}),
        trust_remote_code=trust,
    )  # fmt: skip
    for _ in range(2):  # what the first save does to the config, the second one writes
        manager.save_checkpoint(str(actor), global_step=1)
    dist.destroy_process_group()


if __name__ == "__main__":
    words = iter(sys.argv[1:])  # of each save three; to import verl takes longer than to save
    for base, actor, trust in zip(words, words, words, strict=True):
        save_with_verl(Path(base), Path(actor), trust=trust == "trust")
