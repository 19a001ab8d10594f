"""A plan says what each GPU will hold, makes it fit, or refuses before anything starts."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import UserError
from harness.common.gpus import Gpu
from harness.demo import MODEL_PATH
from trainers.base import Job, TrainSpec
from trainers.verl import keys, memory, placement
from trainers.verl.grpo import VerlGrpo, VerlGrpoV1, VerlGrpoV4
from trainers.verl.memory import EXAMPLES, GIB, USABLE, fit, model_size

TOKENS = "actor_rollout_ref.actor.ppo_max_token_len_per_gpu"
UTILISATION = "actor_rollout_ref.rollout.gpu_memory_utilization"
OFFLOAD = "actor_rollout_ref.actor.fsdp_config.offload_policy"
FUSED = "actor_rollout_ref.model.use_fused_kernels"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a folder with a config and without weights."""
    known = (MODEL_PATH / "config.json").read_text()
    (tmp_path / "config.json").write_text(known)
    return tmp_path


def plan(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    gpus: int,
    gib: int,
    model: str = "0.5B",
    trainer: type[VerlGrpo] = VerlGrpoV4,
    nodes: int = 1,
    **settings: str,
) -> Job:
    """Return a plan as it would be on a machine of so many GPUs of so many GiB."""
    monkeypatch.setattr(placement, "visible_gpus", lambda: gpus)
    monkeypatch.setattr(placement, "smallest_card", lambda: gib * GIB)
    monkeypatch.setattr(placement, "host_memory", lambda: 2000 * GIB)
    monkeypatch.setattr(memory, "model_size", lambda folder: EXAMPLES[model])
    return trainer().plan(
        TrainSpec(
            trainer=trainer.name,
            model=str(MODEL_PATH),
            data="demo",
            output=folder,
            nodes=nodes,
            address="auto" if nodes > 1 else None,
            settings=settings,
        )
    )


def values(job: Job) -> dict[str, Any]:
    return {line.key: line.value for line in job.recipe}


def test_a_checkpoints_size_is_read_from_its_files() -> None:
    build = json.loads((MODEL_PATH / "build.json").read_text())
    size = model_size(MODEL_PATH)
    assert size is not None
    assert size.parameters == build["parameters"]
    assert (size.hidden, size.layers, size.kv_width) == (192, 4, 192)
    assert size.tied
    assert size.fusable


def test_the_fused_kernel_is_not_used_for_code_of_the_checkpoints_own(model: Path) -> None:
    (model / "model.safetensors").symlink_to(MODEL_PATH / "model.safetensors")
    config = json.loads((model / "config.json").read_text())
    config |= {"auto_map": {"AutoModelForCausalLM": "own.Own"}, "architectures": ["OwnForCausalLM"]}
    (model / "config.json").write_text(json.dumps(config))
    size = model_size(model)
    assert size is not None
    assert not size.fusable


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": "wide"},
        {"hidden_size": float("inf")},
        {"num_attention_heads": 0, "head_dim": None},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": -4},
        {"vocab_size": -640},
        {"vocab_size": 10**400},
        {"text_config": [1]},
        {"vocab_size": None},
    ],
)
def test_the_size_of_what_states_none_is_not_known(changes: dict[str, Any], model: Path) -> None:
    (model / "model.safetensors").symlink_to(MODEL_PATH / "model.safetensors")
    assert model_size(model) is not None
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **changes}))
    assert (model_size(model) is None) == (changes != {"text_config": [1]})


def header(text: str, length: int | None = None) -> bytes:
    """Return the beginning of a safetensors file."""
    return struct.pack("<Q", len(text) if length is None else length) + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        header("{}"),
        header("{}", 1 << 60),
        header("{}", 99 << 20),
        header("[]"),
        header("5"),
        header("[" * 100_000),
        header('{"a": {"shape": "896"}}'),
        header('{"a": {"shape": [-5, 5]}}'),
        header('{"a": {"shape": [1e999]}}'),
        header(json.dumps({"a": {"shape": [10**300, 10**300]}})),
    ],
)
def test_a_file_of_weights_may_hold_anything(content: bytes, model: Path) -> None:
    (model / "model.safetensors").write_bytes(content)
    assert model_size(model) is None


def test_what_is_no_file_of_weights_is_not_waited_for(model: Path) -> None:
    assert model_size(model) is None
    os.mkfifo(model / "model.safetensors")
    assert model_size(model) is None
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("nowhere")
    assert model_size(model) is None
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").mkdir()
    assert model_size(model) is None


def test_the_smallest_card_that_may_be_used_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Gpu(memory=80 * GIB, capability=(9, 0), uuid="GPU-a"),
             Gpu(memory=24 * GIB, capability=(8, 9), uuid="GPU-b")]  # fmt: skip
    monkeypatch.setattr(placement, "usable_gpus", lambda: cards)
    assert placement.smallest_card() == 24 * GIB
    monkeypatch.setattr(placement, "usable_gpus", lambda: [])
    assert placement.smallest_card() is None


def test_padding_is_in_memory_unless_it_is_taken_out() -> None:
    model = EXAMPLES["0.5B"]
    padded, bare = (
        fit(model, card=80 * GIB, processes=1, longest=1536, padded=padded)
        for padded in (True, False)
    )
    assert padded is not None
    assert bare is not None
    assert padded.training["activations"] > 3 * bare.training["activations"]


def test_a_training_without_a_reference_model_needs_no_memory_for_one() -> None:
    small = {"card": 80 * GIB, "processes": 1, "longest": 1536, "host": 1.5 * GIB}
    assert fit(EXAMPLES["0.5B"], **small) is None
    assert fit(EXAMPLES["0.5B"], **small, reference=False) is not None


def test_half_a_billion_parameters_fit_on_one_card_of_80_gib_with_v4() -> None:
    """Without the fused kernel the logits alone would take two thirds of the card."""
    model = EXAMPLES["0.5B"]
    fused = fit(model, card=80 * GIB, processes=1, longest=1536)
    plain = fit(replace(model, fusable=False), card=80 * GIB, processes=1, longest=1536)
    assert fused is not None
    assert plain is not None
    assert fused.training["logits"] < 2 * GIB
    assert plain.training["logits"] > 50 * GIB


def test_the_parts_of_a_peak_are_what_is_known_of_them() -> None:
    """Of N parameters in float32: weights and gradients 4 N each, AdamW's two moments 8 N."""
    model = EXAMPLES["1.5B"]
    found = fit(model, card=141 * GIB, processes=2, longest=1536)
    assert found is not None
    share = model.parameters / 2
    assert found.training["weights"] == found.training["gradients"] == 4 * share
    assert found.training["optimiser"] == 8 * share
    assert found.rollouts["state"] == 12 * share
    assert found.rollouts["vLLM's weights"] == 2 * model.parameters


@given(
    model=st.sampled_from(sorted(EXAMPLES)),
    card=st.integers(8, 200),
    processes=st.integers(1, 64),
    longest=st.integers(128, 32768),
    fusable=st.booleans(),
)
def test_what_fits_is_within_the_card_and_fits_in_more(
    model: str, card: int, processes: int, longest: int, fusable: bool
) -> None:
    size = replace(EXAMPLES[model], fusable=fusable)
    found = fit(size, card=card * GIB, processes=processes, longest=longest)
    if found is None:
        return
    assert sum(found.training.values()) <= USABLE * card * GIB
    assert sum(found.rollouts.values()) <= USABLE * card * GIB * (1 + 1e-9)
    assert 0 < found.utilisation < 1
    assert found.tokens >= longest
    order = list(memory.OFFLOADS)
    for larger in (
        fit(size, card=(card + 8) * GIB, processes=processes, longest=longest),
        fit(size, card=card * GIB, processes=2 * processes, longest=longest),
    ):
        assert larger is not None
        assert order.index(larger.offload) <= order.index(found.offload)


def test_state_is_offloaded_only_where_the_machine_has_room_for_it() -> None:
    small = {"card": 24 * GIB, "processes": 1, "longest": 1536}
    found = fit(EXAMPLES["1.5B"], **small)
    assert found is not None
    assert found.offload != "nothing"
    assert fit(EXAMPLES["1.5B"], **small, host=16 * GIB) is None


@pytest.mark.parametrize(
    ("model", "gpus", "nodes", "gib"),
    [("0.5B", 1, 1, 80), ("1.5B", 1, 1, 24), ("7B", 8, 2, 24), ("7B", 1, 1, 141)],
)
def test_a_plan_is_what_the_calculation_says(
    model: str, gpus: int, nodes: int, gib: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fit(
        EXAMPLES[model],
        card=gib * GIB,
        processes=gpus * nodes,
        longest=1024,  # all that the demo model's context has
        per_node=gpus,
    )
    assert found is not None
    job = plan(tmp_path, monkeypatch, gpus=gpus, nodes=nodes, gib=gib, model=model)
    planned = values(job)
    assert planned[TOKENS] == found.tokens
    assert planned[UTILISATION] == found.utilisation
    assert planned[OFFLOAD] == (found.offload == "always")
    assert planned[FUSED] is True
    assert f"of each GPU's {gib} GiB, by calculation: {found}" in job.notes


def test_what_does_not_fit_is_refused_with_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="does not fit, by calculation, on 1 GPU of 16 GiB") as told:
        plan(tmp_path, monkeypatch, gpus=1, gib=16, model="7B")
    assert "it would on 1 of 24 GiB" in str(told.value)
    job = plan(tmp_path, monkeypatch, gpus=1, gib=16, model="7B", **{UTILISATION: "0.8"})
    assert values(job)[UTILISATION] == 0.8


@pytest.mark.parametrize(
    ("trainer", "gpus", "fits"),
    [
        (VerlGrpoV1, 3, "1, 2"),
        (VerlGrpoV4, 7, "1, 2, 4, 5"),
    ],
)
def test_gpus_that_cannot_share_an_update_are_refused_before_a_rollout(
    trainer: type[VerlGrpo],
    gpus: int,
    fits: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UserError, match=f"cannot share evenly; train on {fits} in all") as e:
        plan(tmp_path, monkeypatch, gpus=gpus, gib=80, trainer=trainer)
    advised = dict(word.split("=") for word in str(e.value).split() if "=" in word)
    plan(tmp_path, monkeypatch, gpus=gpus, gib=80, trainer=trainer, **advised)


@pytest.mark.parametrize(
    ("key", "value"),
    [("actor_rollout_ref.actor.fsdp_config.fsdp_size", "1"), (memory.FORMAT, "bfloat16")],
)
def test_nothing_is_said_to_fit_that_was_not_calculated(
    key: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = plan(tmp_path, monkeypatch, gpus=1, gib=16, model="7B", **{key: value})
    assert f"whether it fits into the GPUs' memory is not calculated: {key} is set" in job.notes
    assert not any("by calculation" in line.why for line in job.recipe)


def test_gpus_share_the_update_that_follows_from_the_users_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="8 × 5 responses"):
        plan(tmp_path, monkeypatch, gpus=3, gib=80, **{"data.train_batch_size": "32"})
    assert plan(tmp_path, monkeypatch, gpus=3, gib=80, **{"data.train_batch_size": "96"})


def test_every_key_of_memory_is_one_of_verl() -> None:
    assert {*memory.SIZED, memory.FORMAT} <= keys.known_keys(keys.GRPO).keys()


@pytest.mark.parametrize("gpus", [1, 5, 8])
def test_gpus_that_can_are_not(gpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(tmp_path, monkeypatch, gpus=gpus, gib=80)


@pytest.mark.parametrize("never", ["-1", "0"])
def test_a_training_that_would_never_be_saved_is_refused(
    never: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=f"--set trainer.save_freq={never}: this is not a count"):
        plan(tmp_path, monkeypatch, gpus=1, gib=80, **{"trainer.save_freq": never})


def test_a_machine_of_few_cores_has_enough_logical_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "core_count", lambda: 4)
    for gpus in (1, 8):
        job = plan(tmp_path, monkeypatch, gpus=gpus, gib=80)
        assert values(job)["ray_kwargs.ray_init.num_cpus"] >= 32 + 8 * gpus
