"""A value that no training can mean is refused, and none that a recipe or an old script has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from benchmarks import WrongValueError
from trainers import TRAINERS, TrainSpec
from trainers.base import Setting
from trainers.verl import command, keys
from trainers.verl.keys import GRPO, SFT
from trainers.verl.trainer import VerlTrainer
from trainers.verl.values import (
    refuse_adapters,
    refuse_interpolation,
    refuse_nonsense,
    refuse_secrets,
)

ACTOR = "actor_rollout_ref.actor"
ROLLOUT = "actor_rollout_ref.rollout"


def setting(key: str, value: Any) -> Setting:
    return Setting(key=key, value=value, origin="set")


@pytest.mark.parametrize(
    ("configuration", "key", "value", "takes"),
    [
        (GRPO, f"{ACTOR}.optim.lr", "nan", "a number above 0"),
        (GRPO, f"{ACTOR}.optim.lr", 0, "a number above 0"),
        (SFT, "optim.lr", -1e-6, "a number above 0"),
        (SFT, "optim.lr", True, "a number above 0"),
        (GRPO, "data.train_batch_size", -8, "a whole number, 1 or more"),
        (GRPO, "data.train_batch_size", 0, "a whole number, 1 or more"),
        (GRPO, "data.train_batch_size", 2**40, "a whole number, 1 or more"),
        (GRPO, "data.val_batch_size", 1.5, "a whole number, 1 or more"),
        (GRPO, "data.max_response_length", "long", "a whole number, 1 or more"),
        (SFT, "data.max_length", -1, "a whole number, 1 or more"),
        (SFT, "data.micro_batch_size_per_gpu", 0, "a whole number, 1 or more"),
        (GRPO, f"{ACTOR}.ppo_micro_batch_size_per_gpu", -1, "a whole number, 1 or more"),
        (GRPO, f"{ACTOR}.ppo_max_token_len_per_gpu", 0, "a whole number, 1 or more"),
        (GRPO, f"{ROLLOUT}.n", 0, "a whole number, 1 or more"),
        (GRPO, f"{ROLLOUT}.response_length", 0, "a whole number, 1 or more"),
        (GRPO, "trainer.total_epochs", -3, "a whole number, 1 or more"),
        (GRPO, "trainer.total_training_steps", -3, "a whole number, 1 or more"),
        (GRPO, "trainer.save_freq", -2, "a number, -1 or more"),
        (GRPO, f"{ROLLOUT}.temperature", -0.1, "a number, 0 or more"),
        (GRPO, f"{ROLLOUT}.top_p", 1.1, "a number above 0, and at most 1"),
        (GRPO, f"{ROLLOUT}.gpu_memory_utilization", 9, "a number above 0, and at most 1"),
        (GRPO, f"{ACTOR}.clip_ratio_high", "x", "a number"),
        (GRPO, f"{ACTOR}.grad_clip", [1], "a number"),
        (GRPO, f"{ACTOR}.use_kl_loss", 1, "true or false"),
    ],
)
def test_nonsense_is_refused_with_what_the_key_takes(
    configuration: str, key: str, value: Any, takes: str
) -> None:
    with pytest.raises(WrongValueError) as refused:
        refuse_nonsense(configuration, [setting(key, value)])
    assert str(refused.value).startswith(f"--set {key}=")
    assert str(refused.value).endswith(f": this key takes {takes}")


@pytest.mark.parametrize(
    ("configuration", "key", "value"),
    [
        (GRPO, "trainer.save_freq", -1),
        (GRPO, "trainer.test_freq", -1),
        (GRPO, "trainer.total_training_steps", None),
        (GRPO, f"{ROLLOUT}.top_k", -1),
        (GRPO, f"{ROLLOUT}.temperature", 0),
        (GRPO, f"{ACTOR}.entropy_coeff", 0.01),
        (GRPO, f"{ACTOR}.optim.lr_warmup_steps", -1),
        (GRPO, f"{ACTOR}.fsdp_config.fsdp_size", -1),
        (GRPO, f"{ACTOR}.optim.lr_scheduler_type", "cosine"),
        (GRPO, "ray_kwargs.ray_init.num_cpus", 4),
        (GRPO, "data.nowhere", -1),
    ],
)
def test_what_verl_means_by_a_value_is_taken(configuration: str, key: str, value: Any) -> None:
    refuse_nonsense(configuration, [setting(key, value)])


@pytest.mark.parametrize("name", [name for name in TRAINERS if name.startswith("verl")])
def test_every_recipe_would_be_taken(name: str) -> None:
    trainer = TRAINERS[name]
    assert issubclass(trainer, VerlTrainer)
    refuse_nonsense(trainer.configuration, trainer.recipe().settings())


@pytest.mark.parametrize("configuration", [GRPO, SFT])
def test_every_way_to_ask_for_an_adapter_is_refused(configuration: str) -> None:
    adapters = [
        key for key in keys.known_keys(configuration)
        if key.startswith(("actor_rollout_ref.model.lora", "model.lora"))
        and key.rpartition(".")[2] in ("lora_rank", "rank", "lora_adapter_path", "adapter_path")
    ]  # fmt: skip
    assert len(adapters) == 4
    for key in adapters:
        with pytest.raises(WrongValueError, match="LoRA is not supported"):
            refuse_adapters([setting(key, 8 if key.endswith("rank") else "/adapter")])
        refuse_adapters([setting(key, 0 if key.endswith("rank") else None)])


def test_a_plan_refuses_an_adapter(tmp_path: Path) -> None:
    asked = {"model": "demo", "data": "demo", "output": tmp_path / "out"}
    rank = {"actor_rollout_ref.model.lora_rank": "8"}
    with pytest.raises(WrongValueError, match="LoRA is not supported"):
        TRAINERS["verl-grpo-v4"]().plan(TrainSpec(trainer="verl-grpo-v4", **asked, settings=rank))


def test_an_update_takes_no_more_prompts_than_a_step_has(tmp_path: Path) -> None:
    asked = {"model": "demo", "data": "demo", "output": tmp_path / "out"}
    larger = {command.MINI_BATCH: "512"}
    with pytest.raises(WrongValueError, match=r"a step has 256 prompts .*give at most 256"):
        TRAINERS["verl-grpo-v4"]().plan(TrainSpec(trainer="verl-grpo-v4", **asked, settings=larger))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trainer.experiment_name", "sk-0123456789abcdefghij"),
        ("ray_kwargs.ray_init.runtime_env.env_vars.HF_TOKEN", "x"),
        ("actor_rollout_ref.rollout.engine_kwargs.vllm", {"api_key": "x"}),
    ],
)
def test_a_secret_is_refused_and_not_repeated(key: str, value: Any) -> None:
    with pytest.raises(WrongValueError, match="this holds a secret") as refused:
        refuse_secrets(GRPO, [setting(key, value)])
    assert "sk-" not in str(refused.value)


@pytest.mark.parametrize("key", ["data.prompt_key", "data.reward_fn_key", "trainer.nnodes"])
def test_a_key_that_names_a_column_is_no_secret(key: str) -> None:
    refuse_secrets(GRPO, [setting(key, "question")])


def test_a_text_of_omegaconf_would_become_another() -> None:
    """This is why they are refused: the folder of the checkpoint would be another one."""
    key = "trainer.default_local_dir"
    written = keys.hydra_value("/out/${trainer.project_name}")
    composed = OmegaConf.create(keys.compose(GRPO, [f"{key}={written}"]))
    assert OmegaConf.select(composed, key) == "/out/verl_examples"


@pytest.mark.parametrize(
    "value",
    ["/a/${trainer.project_name}", "${oc.env:HOME}", "\\${x}", "???", ["a", "${b}"], {"a": "${b}"}],
)
def test_a_text_that_omegaconf_would_change_is_refused(value: Any) -> None:
    with pytest.raises(WrongValueError, match=r"^trainer\.default_local_dir would be"):
        command.overrides(GRPO, [setting("trainer.default_local_dir", value)])


@pytest.mark.parametrize("value", ["/a/$HOME", "{a}", "$ {a}", "a???", 5, None, ["x"], "ü'\"\\"])
def test_any_other_text_is_what_verl_reads(value: Any) -> None:
    key = "trainer.default_local_dir"
    (override,) = command.overrides(GRPO, [setting(key, value)])
    composed = OmegaConf.create(keys.compose(GRPO, [override]))
    assert OmegaConf.select(composed, key) == value


@pytest.mark.parametrize("name", ["verl-grpo-v4", "verl-sft"])
@pytest.mark.parametrize("field", ["output", "model", "data"])
def test_a_path_with_an_interpolation_is_refused_before_anything_starts(
    name: str, field: str, tmp_path: Path
) -> None:
    from harness.demo import MODEL_PATH

    strange = tmp_path / "${trainer.project_name}"
    asked: dict[str, Any] = {"model": "demo", "data": "demo", "output": tmp_path / "out"}
    if field == "model":
        strange.symlink_to(MODEL_PATH)
    if field == "data":
        strange = strange.with_suffix(".jsonl")
        strange.write_text('{"prompt": "?", "reasoning": "1", "answer": "1"}\n', encoding="utf-8")
    asked[field] = strange if field == "output" else str(strange)
    plan = TRAINERS[name]().plan
    if field == "data":  # it is not built yet: its name is no value of verl's
        plan(TrainSpec(trainer=name, **asked))
        return
    with pytest.raises(WrongValueError, match=r"\$\{trainer\.project_name\}"):
        plan(TrainSpec(trainer=name, **asked))
    assert not (tmp_path / "out").exists()


def test_no_interpolation_is_refused_where_there_is_none() -> None:
    values: list[Any] = ["$x", "{x}", 1, None, [], {"a": 1}]
    refuse_interpolation([setting("a", value) for value in values])
