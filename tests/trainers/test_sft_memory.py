"""Supervised training has the same calculation of its memory as GRPO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import UserError
from harness.demo import MODEL_PATH
from trainers.base import Job, TrainSpec
from trainers.verl import keys, memory, placement, sft_memory
from trainers.verl.memory import EXAMPLES, GIB
from trainers.verl.sft import VerlSft

DYNAMIC, TOKENS = "data.use_dynamic_bsz", "data.max_token_len_per_gpu"


def plan(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    gib: float,
    gpus: int = 0,
    model: str = "0.5B",
    **settings: Any,
) -> Job:
    """Return a plan as it would be with so many GiB, in the machine or in each of its GPUs."""
    monkeypatch.setattr(placement, "visible_gpus", lambda: gpus)
    monkeypatch.setattr(placement, "free_memory", lambda: int(gib * GIB))
    monkeypatch.setattr(placement, "smallest_card", lambda: int(gib * GIB))
    monkeypatch.setattr(memory, "model_size", lambda folder: EXAMPLES[model])
    spec = {"trainer": "verl-sft", "model": str(MODEL_PATH), "data": "demo", "output": folder}
    return VerlSft().plan(TrainSpec.model_validate({**spec, "settings": settings}))


def values(job: Job) -> dict[str, Any]:
    return {line.key: line.value for line in job.recipe}


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_less_memory_means_smaller_micro_batches_and_the_same_training(
    gpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = plan(tmp_path, monkeypatch, gib=900, gpus=gpus)
    less = plan(tmp_path, monkeypatch, gib=60, gpus=gpus)
    assert values(roomy)[TOKENS] == memory.TOKENS
    assert 1024 <= values(less)[TOKENS] < memory.TOKENS
    assert roomy.settings() == less.settings()
    assert any("by calculation: " in note for note in less.notes)


def test_at_last_one_row_at_a_time_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = values(plan(tmp_path, monkeypatch, gib=17))
    assert found[DYNAMIC] is False
    assert found["data.micro_batch_size_per_gpu"] == 1
    assert TOKENS not in found


@pytest.mark.parametrize("gpus", [0, 1])
def test_what_does_not_fit_is_refused_and_the_user_has_the_last_word(
    gpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"does not fit into .* by calculation") as told:
        plan(tmp_path, monkeypatch, gib=24, gpus=gpus, model="7B")
    key, value = str(told.value).rpartition("--set ")[2].split("=")
    job = plan(tmp_path, monkeypatch, gib=24, gpus=gpus, model="7B", **{key: value})
    assert any(note.endswith(f"is not calculated: {key} is set") for note in job.notes)


def test_every_key_is_one_of_verl() -> None:
    named = {*sft_memory.SIZED, sft_memory.FORMAT, sft_memory.LONGEST}
    assert named <= keys.known_keys(keys.SFT).keys()
