"""From settings to verl's command, in which every setting is written out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks import WrongValueError
from trainers.base import Setting, TrainSpec
from trainers.verl import keys
from trainers.verl.values import refuse_interpolation

BATCH, MINI_BATCH = "data.train_batch_size", "actor_rollout_ref.actor.ppo_mini_batch_size"
STEPS, SAVE = "trainer.total_training_steps", "trainer.save_freq"
CALLBACK = "trainer.checkpoint_callback_class"
VALIDATE, VALIDATE_FIRST = "trainer.test_freq", "trainer.val_before_train"
SET_BY_FLAGS = {
    "actor_rollout_ref.model.path": "use --model",
    "actor_rollout_ref.model.trust_remote_code": "use --trust-remote-code",
    "actor_rollout_ref.actor.checkpoint.save_contents": "checkpoints need everything that is saved",
    "model.path": "use --model",
    "model.trust_remote_code": "use --trust-remote-code",
    "checkpoint.save_contents": "checkpoints need everything that is saved",
    "data.trust_remote_code": "use --trust-remote-code",
    "reward.reward_manager.module.name": "its reward manager records the outcome of each response",
    "reward.reward_manager.module.path": "its reward manager records the outcome of each response",
    "reward.reward_manager.name": "its reward manager records the outcome of each response",
    "reward.reward_manager.source": "its reward manager records the outcome of each response",
    "trainer.device": "the machine decides",
    "trainer.max_actor_ckpt_to_keep": "use --keep",
    "trainer.n_gpus_per_node": "use --gpus",
    "trainer.nnodes": "use --nodes",
    "trainer.val_only": "a training cannot only validate",
    "data.train_files": "use --data",
    "data.val_files": "use --data",
    "trainer.default_local_dir": "use --output",
    "trainer.rollout_data_dir": "use --output",
    "trainer.resume_mode": "a training is resumed if --output has a save of it",
    "trainer.resume_from_path": "a training is resumed if --output has a save of it",
    "trainer.logger": "use --logger",
}
"""Keys that only the trainer may set, and what a user can do instead."""


def refuse_keys_of_flags(settings: Iterable[str]) -> None:
    """Refuse keys with which the checkpoint would not be what its lineage says.

    Raises:
        UserError: the trainer sets one of the keys itself.
    """
    for key in map(keys.current_name, settings):
        if key in SET_BY_FLAGS:
            raise WrongValueError(f"--set {key}: the trainer sets this itself; {SET_BY_FLAGS[key]}")


def experiment(spec: TrainSpec) -> str:
    """Return the name under which loggers show a training; of several seeds, each has its own."""
    name = spec.output.absolute().name
    return name if spec.prepared is None else f"{spec.output.absolute().parent.name}-{name}"


def refuse_two_callbacks(settings: Iterable[str]) -> None:
    """Refuse a callback of the user's where verl has place for one, and it is needed.

    Raises:
        UserError: the user sets the key.
    """
    if CALLBACK in map(keys.current_name, settings):
        raise WrongValueError(
            f"--save-on-stop with --set {CALLBACK}: verl calls only one class, and --save-on-stop "
            "needs it to be ours; leave one of the two out"
        )


def from_user(settings: Mapping[str, str]) -> dict[str, Setting]:
    """Return what the user gave with --set, by today's key, with values as verl will read them.

    Raises:
        UserError: a value is not in Hydra's grammar, or a key is given under two names.
    """
    given: dict[str, Setting] = {}
    for written, value in settings.items():
        key = keys.current_name(written)
        if key in given:
            raise WrongValueError(
                f"--set {written}: {key} is set already, under another of its names"
            )
        why = "--set" if key == written else f"--set {written}, as older scripts write it"
        given[key] = Setting(key=key, value=keys.parsed(key, value), origin="set", why=why)
    return given


def renamed(settings: Iterable[str]) -> list[str]:
    """Return a sentence for each key that is written as older scripts write it."""
    return [
        f"--set {written}: taken as {keys.current_name(written)}"
        for written in settings
        if keys.current_name(written) != written
    ]


def resolve(settings: Iterable[Setting], given: Mapping[str, Setting]) -> tuple[Setting, ...]:
    """Return one setting a key: the last one, or what the user gave.

    A mini-batch that the user did not set follows the batch, so that a step keeps its number of
    updates.

    Raises:
        UserError: the user gave a batch that is not a count.
    """
    recipe = {setting.key: setting for setting in settings}
    by_key = {**recipe, **given}
    if BATCH in given and MINI_BATCH in recipe and MINI_BATCH not in given:
        batch = count(values_of(given.values()), BATCH)
        each = batch * recipe[MINI_BATCH].value // recipe[BATCH].value
        by_key[MINI_BATCH] = Setting(
            key=MINI_BATCH, value=max(1, each), origin="set", why=f"follows {BATCH}"
        )
    return tuple(by_key.values())


def with_launch_values(recipe: Iterable[Setting], values: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return the recipe with the values of keys that are known only at launch.

    >>> recipe = [Setting(key="a", value=1, origin="chosen")]
    >>> [(line.key, line.value) for line in with_launch_values(recipe, {"a": 2})]
    [('a', 2)]
    """
    known_now = settings(values, "placed", "known at launch")
    return resolve([*recipe, *known_now], {})


def settings(values: Mapping[str, Any], origin: str, why: str = "") -> list[Setting]:
    """Return settings that share their origin and reason."""
    return [Setting(key=key, value=value, origin=origin, why=why) for key, value in values.items()]


def values_of(settings: Iterable[Setting]) -> dict[str, Any]:
    """Return the value of each key; of two settings of one key, the last one's."""
    return {setting.key: setting.value for setting in settings}


def overrides(configuration: str, recipe: Iterable[Setting]) -> list[str]:
    """Return a recipe in Hydra's grammar.

    Raises:
        UserError: verl has no such key, or a value stands for another one in verl's configuration.
    """
    recipe = tuple(recipe)
    refuse_interpolation(recipe)
    return [keys.override(configuration, line.key, keys.hydra_value(line.value)) for line in recipe]


def command(start: Sequence[str], overrides: Iterable[str]) -> tuple[str, ...]:
    """Return what starts verl: Python, the modules of ``start``, and the overrides."""
    # Hydra would make a folder of its own for what ran; the training's record says that.
    quiet = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=disabled")
    return (sys.executable, "-u", "-m", *start, *quiet, *overrides)


def total_steps(values: Mapping[str, Any], steps_an_epoch: int) -> int:
    """Return how many steps the training has in all: those asked for, or those of its epochs."""
    if values[STEPS] is not None:
        return count(values, STEPS)
    return steps_an_epoch * count(values, "trainer.total_epochs")


def count(values: Mapping[str, Any], key: str) -> int:
    """Return the value of a key that has to be a count.

    Raises:
        UserError: --set gave it another value.
    """
    found = values[key]
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise WrongValueError(
            f"--set {key}={keys.hydra_value(found)}: this is not a count; give a whole number, "
            "1 or more"
        )
    return found
