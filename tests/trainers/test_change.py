"""A checkpoint that is its base model is told from one that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import UserError
from trainers.curves import Step
from trainers.verl.change import is_same, require_change


def stored(folder: Path, tensors: dict[str, Any], *, size: int = 1000) -> Path:
    from huggingface_hub import save_torch_state_dict

    folder.mkdir()
    save_torch_state_dict(tensors, folder, max_shard_size=size)
    return folder


@pytest.fixture
def tensors() -> dict[str, Any]:
    import torch

    return {name: torch.full((4, 4), number / 8) for number, name in enumerate("abc")}


def test_the_same_weights_are_the_same_in_other_files(
    tmp_path: Path, tensors: dict[str, Any]
) -> None:
    base = stored(tmp_path / "base", tensors)
    split = stored(tmp_path / "split", tensors, size=70)
    assert len(list(split.glob("*.safetensors"))) > 1
    assert is_same(split, base)
    assert is_same(base, split)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_single_weight_makes_another_checkpoint(
    name: str, tmp_path: Path, tensors: dict[str, Any]
) -> None:
    base = stored(tmp_path / "base", tensors)
    changed = tensors[name].clone()
    changed[-1, -1] += 1
    new = stored(tmp_path / "new", {**tensors, name: changed}, size=70)
    assert not is_same(new, base)
    require_change(new, base, [])


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        (
            [Step(step=0), Step(step=1, reward=0, skipped_update=1), Step(step=2, reward=0)],
            "in 1 of 2 steps an update was skipped",
        ),
        ([Step(step=1, loss=2, skipped_update=1)], "in 1 of 1 steps an update was skipped"),
        ([Step(step=1, reward=0, even_groups=1)], "in every group all rewards were equal"),
        ([Step(step=1, reward=0, even_groups=0.5)], "smaller than the number format"),
        ([], "smaller than the number format"),
    ],
)
def test_why_nothing_changed_is_told(
    steps: list[Step], why: str, tmp_path: Path, tensors: dict[str, Any]
) -> None:
    base = stored(tmp_path / "base", tensors)
    with pytest.raises(UserError, match=why):
        require_change(stored(tmp_path / "new", tensors), base, steps)
