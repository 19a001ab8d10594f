"""A wrong key or value is known before anything starts, and without importing verl."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import UserError
from trainers.verl import command, keys
from trainers.verl.keys import GRPO, SFT, compose, override

OPTIM = "actor_rollout_ref.actor.optim"
LEARNING_RATE = f"{OPTIM}.lr"


@pytest.mark.parametrize(
    ("configuration", "key"),
    [(GRPO, LEARNING_RATE), (GRPO, "ray_kwargs.ray_init.num_cpus"), (SFT, "optim.lr")],
)
def test_a_key_that_verl_lists_is_given_as_it_is(configuration: str, key: str) -> None:
    assert override(configuration, key, "3") == f"{key}=3"


@pytest.mark.parametrize("configuration", [GRPO, SFT])
def test_a_key_that_verl_hands_on_is_added(configuration: str) -> None:
    ours = (*keys.OPEN, *keys.UNLISTED)
    named = [begin + "anything" if begin.endswith(".") else begin for begin in ours]
    asked = [
        key for key in named if (configuration == SFT) == key.startswith(("model.", "engine."))
    ]
    assert asked
    overrides = [override(configuration, key, "true") for key in asked]
    assert overrides == [f"+{key}=true" for key in asked]
    composed = dict(keys._flat(compose(configuration, overrides)))
    assert all(composed[key] is True for key in asked)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("actor_rollout_ref.actor.optim.lrr", f"did you mean '{LEARNING_RATE}'"),
        ("lr", f"did you mean '{LEARNING_RATE}'"),
        ("data.train_batchsize", "did you mean 'data.train_batch_size'"),
        ("actor_rollout_ref.rollout.N", "did you mean 'actor_rollout_ref.rollout.n'"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(key: str, hint: str) -> None:
    with pytest.raises(UserError, match=f"verl has no key '{key}' -- {hint}"):
        override(GRPO, key, "1")


def test_a_key_like_no_other_is_refused_without_one() -> None:
    with pytest.raises(UserError, match=r"verl has no key 'zzz'$"):
        override(GRPO, "zzz", "1")


def test_what_is_renamed_is_there_under_the_new_name() -> None:
    known = {*keys.known_keys(GRPO), *keys.known_keys(SFT), *keys.OPEN}
    for new in keys.RENAMED.values():
        assert any(key == new or key.startswith(f"{new}.") for key in known), new


@pytest.mark.parametrize(
    ("written", "now"),
    [
        ("actor_rollout_ref.actor.optim.warmup_style", f"{OPTIM}.lr_scheduler_type"),
        ("+actor_rollout_ref.actor.optim.warmup_style", f"{OPTIM}.lr_scheduler_type"),
        ("custom_reward_function.path", "reward.custom_reward_function.path"),
        ("reward_model.reward_manager", "reward.reward_manager.name"),
        ("++ray_init.num_cpus", "ray_kwargs.ray_init.num_cpus"),
        ("actor_rollout_ref.actor.optim.lr", f"{OPTIM}.lr"),
    ],
)
def test_the_spelling_of_older_scripts_is_taken_and_told(written: str, now: str) -> None:
    (setting,) = command.from_user({written: "cosine"}).values()
    assert (setting.key, setting.value) == (now, "cosine")
    if written == now:
        assert command.renamed([written]) == []
    else:
        assert written in setting.why
        assert command.renamed([written]) == [f"--set {written}: taken as {now}"]


def test_one_key_under_two_names_is_refused() -> None:
    twice = {f"{OPTIM}.warmup_style": "cosine", f"{OPTIM}.lr_scheduler_type": "constant"}
    with pytest.raises(UserError, match="is set already, under another of its names"):
        command.from_user(twice)


@pytest.mark.parametrize("value", ["inf", "nan", "1,2", "glob(*)", "range(1,3)", "[[1,nan]]"])
def test_a_value_that_is_not_one_that_json_has_is_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"verl's configuration does not take a\.b="):
        keys.parsed("a.b", value)


def test_a_value_that_is_nested_without_end_is_refused() -> None:
    with pytest.raises(UserError, match="nested too deeply"):
        keys.parsed("a.b", "[" * 3000 + "]" * 3000)


@pytest.mark.parametrize("key", command.SET_BY_FLAGS)
def test_what_a_flag_sets_is_refused_with_the_flag(key: str) -> None:
    with pytest.raises(UserError, match=f"--set {key}: the trainer sets this itself; "):
        command.refuse_keys_of_flags([key])


def test_an_old_name_is_no_way_around_a_flag() -> None:
    with pytest.raises(UserError, match="use --data"):
        command.refuse_keys_of_flags(["+data.train_files"])


def test_a_group_is_no_key() -> None:
    with pytest.raises(UserError, match=r"is a group of \d+ keys, such as actor_rollout_ref"):
        override(GRPO, "actor_rollout_ref.actor.optim", "adam")


@pytest.mark.parametrize("key", ["", "a b", "+data.seed", "~data.seed", "a..b", "a@b", "a=b"])
def test_what_is_no_key_is_told(key: str) -> None:
    with pytest.raises(UserError, match=r"is not a key; write it as part\.part\.name=value"):
        override(GRPO, key, "1")


@pytest.mark.parametrize("value", ["[1,2", "f(x"])
def test_a_value_that_hydra_cannot_read_is_one_paragraph(value: str) -> None:
    with pytest.raises(UserError, match="verl's configuration does not take") as caught:
        compose(GRPO, ["data.shuffle=true", f"data.seed={value}"])
    message = str(caught.value)
    assert f"does not take data.seed={value}: " in message
    assert "shuffle" not in message
    assert "\n" not in message


def test_a_group_that_is_not_there_is_one_paragraph() -> None:
    with pytest.raises(UserError, match="does not take these settings") as caught:
        compose(GRPO, ["data@nowhere=none"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("configuration", [GRPO, SFT])
def test_a_default_is_known_for_every_key(configuration: str) -> None:
    known = keys.known_keys(configuration)
    assert len(known) > 100
    assert known["optim.lr" if configuration == SFT else LEARNING_RATE] > 0


def test_where_verl_is_missing_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs verl, which is not installed here"):
        keys.require_verl()


def test_composing_imports_nothing_of_verl() -> None:
    program = (
        "import sys\n"
        "from trainers.verl.keys import GRPO, compose, override\n"
        f"compose(GRPO, [override(GRPO, {LEARNING_RATE!r}, '1e-5')])\n"
        "print(sorted({'verl', 'torch', 'ray', 'vllm', 'transformers'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
