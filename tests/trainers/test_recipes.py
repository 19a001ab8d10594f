"""The recipes say every setting that decides a checkpoint, where it is from, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trainers.base import Setting
from trainers.verl import keys
from trainers.verl.command import BATCH, MINI_BATCH
from trainers.verl.grpo import reward, seeds
from trainers.verl.recipes import Grpo, GrpoV1, GrpoV4, GrpoV5
from trainers.verl.recipes.base import PRECISION

RECIPES = [GrpoV1, GrpoV4, GrpoV5]
ACTOR = "actor_rollout_ref.actor"
ROLLOUT = "actor_rollout_ref.rollout"
REWARD = "reward.custom_reward_function.name"
STATED = {
    "algorithm.adv_estimator": "grpo",
    f"{ACTOR}.optim.lr_scheduler_type": "cosine",
    f"{ACTOR}.optim.lr_warmup_steps": 20,
    f"{ACTOR}.optim.min_lr_ratio": 0.1,
    f"{ACTOR}.optim.num_cycles": 0.5,
    f"{ACTOR}.optim.weight_decay": 0.01,
}
"""What the report says that both of its versions have."""
BITING = {
    "algorithm.adv_estimator": "gae needs a critic",
    "data.train_batch_size": "1024",
    f"{ACTOR}.ppo_mini_batch_size": "256",
    "data.max_prompt_length": "512",
    "data.max_response_length": "512",
    f"{ACTOR}.optim.lr": "1e-6",
    f"{ACTOR}.entropy_coeff": "0",
    f"{ACTOR}.use_kl_loss": "False",
    f"{ROLLOUT}.n": "1",
    f"{ROLLOUT}.temperature": "1.0",
    f"{ROLLOUT}.val_kwargs.n": "1",
    f"{ROLLOUT}.val_kwargs.temperature": "0",
    f"{ACTOR}.optim.lr_scheduler_type": "constant",
    f"{ACTOR}.loss_agg_mode": "token-mean",
}
"""Keys that must be in every recipe, with the default of verl that nobody chose."""


def settings(recipe: type[Grpo]) -> dict[str, Setting]:
    lines = list(recipe().settings())
    by_key = {line.key: line for line in lines}
    assert len(by_key) == len(lines), "a key is set twice"
    return by_key


def values(recipe: type[Grpo]) -> dict[str, Any]:
    return {key: line.value for key, line in settings(recipe).items()}


@pytest.mark.parametrize("recipe", RECIPES)
def test_verl_has_every_key(recipe: type[Grpo]) -> None:
    assert settings(recipe).keys() <= {*keys.known_keys(keys.GRPO), *keys.UNLISTED}


def test_verl_has_the_keys_that_no_recipe_decides() -> None:
    assert seeds(1).keys() <= keys.known_keys(keys.GRPO).keys()
    assert reward().keys() <= keys.known_keys(keys.GRPO).keys()


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_setting_says_where_it_is_from_and_why(recipe: type[Grpo]) -> None:
    for line in settings(recipe).values():
        assert line.origin in ("stated", "chosen")
        assert line.why.strip(), line.key
    assert recipe.about


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_default_that_bites_is_left_to_verl(recipe: type[Grpo]) -> None:
    assert [key for key in BITING if key not in settings(recipe)] == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_update_has_one_value_for_each_of_its_names(recipe: type[Grpo]) -> None:
    """verl reads some values under two keys, and which one wins depends on the place."""
    found = values(recipe)
    assert found[MINI_BATCH] == found[BATCH]
    assert found[f"{ACTOR}.clip_ratio"] == found[f"{ACTOR}.clip_ratio_low"]
    assert found[f"{ACTOR}.grad_clip"] == found[f"{ACTOR}.optim.clip_grad"]
    assert found[f"{ACTOR}.fsdp_config.{PRECISION}"] == found[f"{ROLLOUT}.dtype"]
    assert found[f"actor_rollout_ref.ref.fsdp_config.{PRECISION}"] == found[f"{ROLLOUT}.dtype"]


@pytest.mark.parametrize(
    ("recipe", "rollouts", "function", "style"),
    [(GrpoV1, 1, "gsm8k_strict", "gsm8k"), (GrpoV4, 5, "hendrycks_boxed", "boxed")],
)
def test_what_the_report_states_is_there_and_marked(
    recipe: type[Grpo], rollouts: int, function: str, style: str
) -> None:
    stated = {key: line.value for key, line in settings(recipe).items() if line.origin == "stated"}
    assert stated == {**STATED, f"{ROLLOUT}.n": rollouts, REWARD: function}
    assert recipe.style == style


def test_the_reports_two_versions_differ_in_its_two_changes() -> None:
    one, four = values(GrpoV1), values(GrpoV4)
    assert one.keys() == four.keys()
    assert {key for key in one if one[key] != four[key]} == {f"{ROLLOUT}.n", REWARD}


def test_what_v5_does_otherwise_has_reasons_of_its_own() -> None:
    four, five = settings(GrpoV4), settings(GrpoV5)
    assert four.keys() == five.keys()
    others = {key for key in four if four[key].value != five[key].value}
    assert REWARD in others
    assert len(others) > 5
    for key in others:
        assert five[key].origin == "chosen"
        assert five[key].why != four[key].why, key


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_reward_is_a_function_of_ours(recipe: type[Grpo]) -> None:
    import trainers.rewards

    assert callable(getattr(trainers.rewards, recipe().reward))


def test_a_value_that_makes_no_sense_is_refused() -> None:
    for bad in ({"rollouts": 0}, {"learning_rate": 0.0}, {"batch": -1}, {"warm_up": 3}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            GrpoV4(**bad)


plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["nan", "Inf", "null", "TRUE", "1e5", "", " ", "\\'", "a,b", "${a}", "a b"])
)


@given(plain | st.lists(plain, max_size=4))
@example(["nan", "inf", "Null", None])
@example("ends in a backslash \\")
def test_hydra_reads_back_what_is_written(value: Any) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (parsed,) = OverridesParser.create().parse_overrides([f"a.b={keys.hydra_value(value)}"])
    found = parsed.value()
    assert as_plain(found) == as_plain(value)


def as_plain(value: Any) -> Any:
    """Return a value with its kind, since Python holds 1, 1.0 and True for equal."""
    if isinstance(value, list):
        return [as_plain(item) for item in value]
    return type(value), value
