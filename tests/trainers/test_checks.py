"""verl itself is asked what it takes: what it would refuse after the start is refused before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import WrongValueError
from trainers import TRAINERS, TrainSpec
from trainers.base import Setting
from trainers.verl import checks, command, keys, placement
from trainers.verl.keys import GRPO, SFT
from trainers.verl.placement import Placement
from trainers.verl.trainer import VerlTrainer

pytestmark = pytest.mark.slow
ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
WHERE = Placement(device="cpu", nodes=1, gpus=1, address=None, cores=2)

REFUSED: dict[str, dict[str, Any]] = {
    GRPO: {
        "algorithm.adv_estimator": "grppo",
        "algorithm.kl_penalty": "k9",
        "algorithm.gamma": "all",
        "algorithm.rollout_correction.rollout_is": "word",
        "reward.custom_reward_function.name": "no_such_reward",
        "data.truncation": "centre",
        "trainer.v1.trainer_mode": "sync_async",
        f"{ACTOR}.loss_agg_mode": "token-median",
        f"{ACTOR}.policy_loss.loss_mode": "vanila",
        f"{ACTOR}.kl_loss_type": "k9",
        f"{ACTOR}.clip_ratio_high": "wide",
        f"{ACTOR}.shuffle": "maybe",
        f"{ACTOR}.optim.lr_scheduler_type": "cosinus",
        f"{ACTOR}.optim.betas": [0.9, 0.99, 0.999],
        f"{ACTOR}.fsdp_config.model_dtype": "fp13",
        f"{ACTOR}.fsdp_config.mixed_precision.param_dtype": "fp13",
        f"{ROLLOUT}.dtype": "fp13",
        f"{ROLLOUT}.mode": "sync",
        f"{ROLLOUT}.max_num_seqs": "many",
    },
    SFT: {
        "data.truncation": "centre",
        "engine.model_dtype": "fp13",
        "optim.optimizer": "AdamV",
        "optim.betas": [2.0, 0.9],
        "engine.strategy": "fsdp3",
    },
}


def trainer_of(configuration: str) -> VerlTrainer:
    name = {GRPO: "verl-grpo-v4", SFT: "verl-sft"}[configuration]
    trainer = TRAINERS[name]()
    assert isinstance(trainer, VerlTrainer)
    return trainer


def asked(trainer: VerlTrainer, given: dict[str, Any]) -> tuple[list[Any], str]:
    """Return all that verl refuses of a recipe with some settings changed."""
    changed = {key: Setting(key=key, value=value, origin="set") for key, value in given.items()}
    spec = TrainSpec(trainer=trainer.name, model="demo", data="demo", output=Path("out"))
    decided = command.resolve(trainer.decided(spec, None), changed)
    where = trainer.placed(WHERE, command.values_of(decided), Path("nowhere"))
    recipe = command.resolve([*decided, *where], changed)
    overrides = command.overrides(trainer.configuration, recipe)
    composed = keys.compose(trainer.configuration, overrides)
    question = {"configuration": trainer.configuration, "config": composed, "keys": list(given)}
    environment = tuple(sorted(placement.environment(WHERE).items()))
    answer, failed = checks._asked(json.dumps(question), environment)
    return list(answer), failed


@pytest.mark.parametrize("configuration", [GRPO, SFT])
def test_what_verl_refuses_is_refused(configuration: str) -> None:
    given = REFUSED[configuration]
    answer, failed = asked(trainer_of(configuration), given)
    assert not failed
    alone = {named[0] for named, _ in answer if len(named) == 1}
    together = {key for named, _ in answer for key in named}
    assert together == given.keys()
    rest = given.keys() - alone
    assert rest <= {f"{ROLLOUT}.mode", f"{ACTOR}.loss_agg_mode", "data.truncation",
                    f"{ACTOR}.optim.lr_scheduler_type", "engine.strategy", "optim.optimizer",
                    "algorithm.rollout_correction.rollout_is", "optim.betas"}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in TRAINERS if name.startswith("verl")])
def test_nothing_of_a_recipe_is_refused(name: str) -> None:
    trainer = TRAINERS[name]()
    assert isinstance(trainer, VerlTrainer)
    whole = {line.key: line.value for line in trainer.recipe().settings()}
    assert asked(trainer, whole) == ([], "")


def test_a_plan_refuses_it_with_verls_own_reason(tmp_path: Path) -> None:
    spec = TrainSpec(
        trainer="verl-grpo-v4",
        model="demo",
        data="demo",
        output=tmp_path / "out",
        settings={f"{ACTOR}.loss_agg_mode": "token-median"},
    )
    with pytest.raises(WrongValueError, match="Invalid loss_agg_mode: token-median") as refused:
        TRAINERS["verl-grpo-v4"]().plan(spec)
    assert str(refused.value).startswith(f"--set {ACTOR}.loss_agg_mode=token-median: verl does not")


@pytest.mark.parametrize(
    ("module", "reason"), [("trainers.verl.no_such", "No module"), ("json", "")]
)
def test_a_plan_says_where_verl_could_not_be_asked(
    module: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MODULE", module)
    recipe = [Setting(key="data.shuffle", value=True, origin="set")]
    given = {line.key: line for line in recipe}
    checks._asked.cache_clear()
    said = checks.refuse_what_verl_refuses(GRPO, recipe, given, {})
    checks._asked.cache_clear()
    assert said.startswith("verl could not be asked whether it takes the settings: ")
    assert reason in said


def test_a_plan_in_which_nothing_is_set_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_asked", lambda *_: pytest.fail("verl was asked"))
    assert checks.refuse_what_verl_refuses(GRPO, [], {}, {}) == ""
