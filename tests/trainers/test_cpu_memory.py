"""A plan for the CPU says what the machine will hold, makes it fit, or refuses with what would."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import UserError
from harness.demo import MODEL_PATH
from trainers.base import Job, TrainSpec
from trainers.verl import cpu_memory, keys, memory, placement
from trainers.verl.cpu_memory import USABLE, Held, bucket_megabytes, fit, parts
from trainers.verl.grpo import VerlGrpo, VerlGrpoV4, VerlGrpoV5
from trainers.verl.memory import EXAMPLES, GIB

ACTOR = "actor_rollout_ref.actor"
BUCKET = "actor_rollout_ref.rollout.checkpoint_engine.update_weights_bucket_megabytes"
DYNAMIC, TOKENS = f"{ACTOR}.use_dynamic_bsz", f"{ACTOR}.ppo_max_token_len_per_gpu"
V4 = Held(weights=4, reference=4, rollouts=2, cache=GIB)


def plan(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    free: float,
    model: str = "0.5B",
    trainer: type[VerlGrpo] = VerlGrpoV4,
    **settings: Any,
) -> Job:
    """Return a plan as it would be on a machine without GPUs, with so many GiB available."""
    monkeypatch.setattr(placement, "visible_gpus", lambda: 0)
    monkeypatch.setattr(placement, "free_memory", lambda: int(free * GIB))
    monkeypatch.setattr(memory, "model_size", lambda folder: EXAMPLES[model])
    return trainer().plan(
        TrainSpec(
            trainer=trainer.name,
            model=str(MODEL_PATH),
            data="demo",
            output=folder,
            settings=settings,
        )
    )


def values(job: Job) -> dict[str, Any]:
    return {line.key: line.value for line in job.recipe}


@pytest.mark.parametrize(("weights", "megabytes"), [(4, 520), (2, 260)])
def test_the_largest_tensor_fits_into_the_bucket(weights: int, megabytes: int) -> None:
    """verl refuses to send one that does not: 151,936 x 896 numbers are 519.3 MiB in float32."""
    assert bucket_megabytes(EXAMPLES["0.5B"], weights) == megabytes
    assert megabytes * 2**20 >= EXAMPLES["0.5B"].largest * weights


def test_a_small_models_bucket_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bucket_megabytes(replace(EXAMPLES["0.5B"], largest=1000), 4) == cpu_memory.BUCKET
    assert bucket_megabytes(None, 4) == cpu_memory.BUCKET
    assert values(plan(tmp_path, monkeypatch, free=64))[BUCKET] == 520


def test_the_state_of_a_training_is_what_is_known_of_it() -> None:
    """Of N numbers in float32: weights and gradients 4 N each, AdamW's two moments 8 N."""
    number = EXAMPLES["0.5B"].parameters
    found = parts(EXAMPLES["0.5B"], V4, None, 512)
    assert found["weights"] == found["gradients"] == found["reference model"] == 4 * number
    assert found["optimiser"] == 8 * number
    assert found["vLLM's weights"] == 2 * number
    assert parts(EXAMPLES["0.5B"], replace(V4, weights=2), None, 512)["optimiser"] == 4 * number


@given(
    model=st.sampled_from(sorted(EXAMPLES)),
    free=st.integers(4, 400),
    longest=st.integers(64, 16384),
)
def test_what_fits_is_within_the_memory_and_fits_in_more(
    model: str, free: int, longest: int
) -> None:
    found = fit(EXAMPLES[model], V4, available=free * GIB, longest=longest)
    if found is None:
        return
    assert found.total <= USABLE * free * GIB
    assert found.tokens is None or found.tokens >= longest
    more = fit(EXAMPLES[model], V4, available=2 * free * GIB, longest=longest)
    assert more is not None
    assert (more.tokens or 0) >= (found.tokens or 0)


def test_a_plan_takes_smaller_micro_batches_and_then_one_sequence_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = values(plan(tmp_path, monkeypatch, free=400))
    assert (roomy[DYNAMIC], roomy[TOKENS]) == (True, memory.TOKENS)
    fewer = values(plan(tmp_path, monkeypatch, free=64))
    assert fewer[DYNAMIC]
    assert 1024 <= fewer[TOKENS] < memory.TOKENS
    tight = values(plan(tmp_path, monkeypatch, free=28))
    assert tight[DYNAMIC] is False
    assert TOKENS not in tight
    rows = {key: value for key, value in tight.items() if "micro_batch_size_per_gpu" in key}
    assert rows == dict.fromkeys(rows, 1)
    assert len(rows) == 3


def test_what_is_trained_is_the_same_however_little_memory_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [plan(tmp_path, monkeypatch, free=free) for free in (400, 64, 28)]
    assert jobs[0].settings() == jobs[1].settings() == jobs[2].settings()


def test_a_plan_says_what_the_machine_will_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = plan(tmp_path, monkeypatch, free=28)
    found = fit(EXAMPLES["0.5B"], V4, available=28 * GIB, longest=1024)
    assert f"of the 28.0 GiB that are available here, by calculation: {found}" in job.notes


def test_what_does_not_fit_is_refused_with_settings_that_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="does not fit into this machine, by calculation") as told:
        plan(tmp_path, monkeypatch, free=21)
    assert "21.0 GiB are available" in str(told.value)
    assert "which changes what is trained" in str(told.value)
    named = re.search(r"it would fit with (.*?), which changes", str(told.value))
    assert named is not None
    ways = named[1].split(", or with ")
    assert len(ways) == 2
    for way in ways:
        advised: dict[str, Any] = dict(word.split("=") for word in way.split() if "=" in word)
        assert plan(tmp_path, monkeypatch, free=21, **advised)


def test_the_settings_that_help_only_together_are_named_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="it would fit with") as told:
        plan(tmp_path, monkeypatch, free=16)
    advised = dict(re.findall(r"--set (\S+)=(\S+?),? ", str(told.value).partition("; end")[0]))
    assert advised.keys() == {memory.FORMAT, f"{ACTOR}.use_kl_loss", *SHORTER}
    assert plan(tmp_path, monkeypatch, free=16, **advised)


SHORTER = ("data.max_prompt_length", "data.max_response_length")


def test_what_fits_in_no_way_is_refused_without_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="take a smaller model") as told:
        plan(tmp_path, monkeypatch, free=24, model="7B", trainer=VerlGrpoV5)
    assert "it would fit" not in str(told.value)


def test_the_user_has_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError) as told:
        plan(tmp_path, monkeypatch, free=5)
    key, value = re.findall(r"--set (\S+)=(\d+)$", str(told.value))[0]
    job = plan(tmp_path, monkeypatch, free=5, **{key: value})
    assert f"whether it fits into this machine is not calculated: {key} is set" in job.notes


def test_a_cluster_is_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "visible_gpus", lambda: 0)
    spec = TrainSpec(
        trainer="verl-grpo-v4", model="demo", data="demo", output=tmp_path, address="auto"
    )
    assert placement.place(spec).free is None


def test_the_cache_of_vllm_is_as_large_as_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of vLLM's, and our advice, name this variable."""
    where = placement.Placement(device="cpu", nodes=1, gpus=1, address=None, cores=2)
    monkeypatch.delenv(placement.CACHE, raising=False)
    assert placement.environment(where)[placement.CACHE] == "1"
    monkeypatch.setenv(placement.CACHE, "3")
    assert placement.environment(where)[placement.CACHE] == "3"
    assert placement.cache_gib({placement.CACHE: "3"}) == 3
    assert placement.cache_gib({placement.CACHE: "much"}) == 1


def test_every_key_named_is_one_of_verl() -> None:
    from trainers.verl import grpo_memory

    named = {
        value
        for value in vars(grpo_memory).values()
        if isinstance(value, str) and re.fullmatch(r"(actor|data|algorithm)\w*(\.\w+)+", value)
    }
    assert len(named) >= 8
    assert named <= keys.known_keys(keys.GRPO).keys()
