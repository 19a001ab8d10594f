"""The recipes say every setting that decides a checkpoint, where it is from, and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.demo import MODEL_PATH
from trainers.base import Job, Setting, TrainSpec
from trainers.verl import command, keys
from trainers.verl.command import BATCH, MINI_BATCH
from trainers.verl.grpo import VerlGrpo, VerlGrpoV1, VerlGrpoV4, reward, seeds
from trainers.verl.recipes import Grpo, GrpoV1, GrpoV4, GrpoV5
from trainers.verl.recipes.base import PRECISION, Origin

RECIPES = [GrpoV1, GrpoV4, GrpoV5]
ACTOR = "actor_rollout_ref.actor"
ROLLOUT = "actor_rollout_ref.rollout"
REWARD = "reward.custom_reward_function.name"
TABLE = json.loads((Path(__file__).parents[1] / "golden" / "report_settings.json").read_text())
"""The report's settings under the names that its scripts use: key, values, origin, source.

An origin and a source are those of both versions, or of each by its name."""
REPEATED = {"v1": VerlGrpoV1, "v4": VerlGrpoV4}
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
        assert line.origin in get_args(Origin)
        assert bool(line.source) == (line.origin != "chosen"), line.key
        assert line.why.strip(), line.key
    assert recipe.about


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_default_that_bites_is_left_to_verl(recipe: type[Grpo]) -> None:
    assert [key for key in BITING if key not in settings(recipe)] == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_update_has_one_value_for_each_of_its_names(recipe: type[Grpo]) -> None:
    """verl reads some values under two keys, and which one wins depends on the place."""
    found = values(recipe)
    assert found[BATCH] % found[MINI_BATCH] == 0
    assert found[f"{ACTOR}.clip_ratio"] == found[f"{ACTOR}.clip_ratio_low"]
    assert found[f"{ACTOR}.grad_clip"] == found[f"{ACTOR}.optim.clip_grad"]
    assert found[f"{ACTOR}.fsdp_config.{PRECISION}"] == found[f"{ROLLOUT}.dtype"]
    assert found[f"actor_rollout_ref.ref.fsdp_config.{PRECISION}"] == found[f"{ROLLOUT}.dtype"]


def planned(trainer: type[VerlGrpo], folder: Path) -> Job:
    """Return the plan for a model whose context has room for the recipe's lengths."""
    model = shutil.copytree(MODEL_PATH, folder / "long")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 8192}))
    spec = TrainSpec(trainer=trainer.name, model=str(model), data="demo", output=folder / "out")
    return trainer().plan(spec)


@pytest.mark.parametrize("version", REPEATED)
def test_a_plan_has_the_settings_of_the_reports_scripts(version: str, tmp_path: Path) -> None:
    job = planned(REPEATED[version], tmp_path)
    lines = {line.key: line for line in job.recipe}
    for row in TABLE:
        of_version = {k: v[version] if isinstance(v, dict) else v for k, v in row.items()}
        line = lines.get(keys.current_name(row["key"]))
        if of_version["origin"] == "placed":
            assert line is None or line.origin == "placed", row["key"]
            assert (line and [line.value]) == [row[version]] or "why" in row, row["key"]
            continue
        assert line is not None, row["key"]
        assert line.value == row[version], row["key"]
        assert type(line.value) is type(row[version]), row["key"]
        assert (line.origin, line.source) == (of_version["origin"], of_version["source"])


@pytest.mark.parametrize("recipe", [GrpoV1, GrpoV4])
def test_what_the_report_has_no_value_for_is_little(recipe: type[Grpo]) -> None:
    table = {keys.current_name(row["key"]) for row in TABLE}
    ours = {key: line for key, line in settings(recipe).items() if key not in table}
    assert {line.origin for line in ours.values()} == {"chosen", "engine's default then"}
    assert set(ours) == {
        "algorithm.filter_groups.metric",
        "algorithm.rollout_correction.rollout_is_threshold",
        f"{ACTOR}.optim.clip_grad",
    }


def test_the_reports_two_versions_differ_in_nine_settings() -> None:
    one, four = values(GrpoV1), values(GrpoV4)
    assert one.keys() == four.keys()
    decided = [row for row in TABLE if row["origin"] != "placed" and row["v1"] != row["v4"]]
    differing = {key for key in one if one[key] != four[key]}
    assert differing == {keys.current_name(row["key"]) for row in decided}
    assert len(differing) == 9


@pytest.mark.parametrize("version", REPEATED)
def test_a_plan_says_what_is_done_unlike_the_source(version: str, tmp_path: Path) -> None:
    (note,) = [note for note in planned(REPEATED[version], tmp_path).notes if "unlike" in note]
    for word in ("SGLang", "verl 0.5.0", "micro-batch", "--trust-remote-code", "GPUs"):
        assert word in note


def test_a_step_keeps_its_updates_if_its_batch_is_another() -> None:
    recipe = list(GrpoV4().settings())
    for batch, each in ((512, 128), (32, 8), (2, 1)):
        found = command.values_of(command.resolve(recipe, command.from_user({BATCH: str(batch)})))
        assert (found[BATCH], found[MINI_BATCH]) == (batch, each)
    both = command.from_user({BATCH: "32", MINI_BATCH: "32"})
    assert command.values_of(command.resolve(recipe, both))[MINI_BATCH] == 32


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
