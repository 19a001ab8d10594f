"""From a recipe, a machine and what was asked for to verl's command, every setting written out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import UserError
from trainers.base import Setting, TrainSpec
from trainers.verl import keys

BATCH, MINI_BATCH = "data.train_batch_size", "actor_rollout_ref.actor.ppo_mini_batch_size"
PROMPT, RESPONSE = "data.max_prompt_length", "data.max_response_length"
STEPS, SAVE = "trainer.total_training_steps", "trainer.save_freq"
OURS = {
    "actor_rollout_ref.model.path": "use --model",
    "actor_rollout_ref.model.trust_remote_code": "use --trust-remote-code",
    "actor_rollout_ref.actor.checkpoint.save_contents": "checkpoints are made of all of it",
    "model.path": "use --model",
    "model.trust_remote_code": "use --trust-remote-code",
    "checkpoint.save_contents": "checkpoints are made of all of it",
    "data.train_files": "use --data",
    "data.val_files": "use --data",
    "trainer.default_local_dir": "use --output",
    "trainer.rollout_data_dir": "use --output",
    "trainer.resume_mode": "an --output that has a save is gone on with",
    "trainer.resume_from_path": "an --output that has a save is gone on with",
    "trainer.logger": "use --logger",
}
"""Keys that follow from the flags, and what to do instead of setting them."""
REWARDS_MODULE = "pkg://trainers.rewards"


@dataclass(frozen=True, slots=True)
class Places:
    """Where a training's files are, below its output folder."""

    output: Path

    @property
    def training(self) -> Path:
        """Everything but the checkpoint itself."""
        return self.output / "training"

    @property
    def checkpoints(self) -> Path:
        """A folder for each of the last saves, ready for evaluation."""
        return self.output / "checkpoints"

    @property
    def recipe(self) -> Path:
        """What was run, to be compared with when it is given again."""
        return self.training / "recipe.json"

    @property
    def data(self) -> Path:
        """The data that the trainer built."""
        return self.training / "data"

    @property
    def metrics(self) -> Path:
        """A row a step."""
        return self.training / "metrics.jsonl"

    @property
    def logs(self) -> Path:
        """A log of verl's a launch."""
        return self.training / "logs"

    @property
    def rollouts(self) -> Path:
        """Prompts, responses and scores of the first and the latest steps."""
        return self.training / "rollouts"

    @property
    def state(self) -> Path:
        """verl's own saves, from which a training goes on."""
        return self.training / "state"

    @property
    def base(self) -> Path:
        """The base model as verl has to be given it, where that is not its own folder."""
        return self.training / "base"

    def checkpoint(self, step: int) -> Path:
        """Return the checkpoint of a step."""
        return self.checkpoints / f"step-{step:06d}"

    def launches(self) -> int:
        """Return how often the training was launched so far."""
        return len(list(self.logs.glob("launch-*.log")))


def files(spec: TrainSpec, *, model: Path, train: Path, test: Path) -> dict[str, Any]:
    """Return the keys that name files and folders."""
    places = Places(spec.output.absolute())
    return {
        "actor_rollout_ref.model.path": str(model.absolute()),
        "data.train_files": str(train.absolute()),
        "data.val_files": str(test.absolute()),
        "trainer.default_local_dir": str(places.state),
        "trainer.rollout_data_dir": str(places.rollouts),
        "trainer.resume_mode": "auto",
        "trainer.project_name": "harness",
        "trainer.experiment_name": spec.output.name,
        "trainer.logger": ["console", "file", *spec.loggers],
        # `watch` removes old saves, when none of them is being read.
        "trainer.max_actor_ckpt_to_keep": None,
        "actor_rollout_ref.actor.checkpoint.save_contents": ["model", "optimizer", "extra"],
        "actor_rollout_ref.model.trust_remote_code": spec.trust_remote_code,
        "data.trust_remote_code": spec.trust_remote_code,
    }


def reward() -> dict[str, Any]:
    """Return the keys that say where our rewards are, and who keeps each response's outcome."""
    return {
        "reward.custom_reward_function.path": REWARDS_MODULE,
        "reward.reward_manager.source": "importlib",
        "reward.reward_manager.name": "RewardManager",
        "reward.reward_manager.module.path": REWARDS_MODULE,
    }


def seeds(seed: int) -> dict[str, Any]:
    """Return every seed that verl has."""
    return {
        "data.seed": seed,
        "actor_rollout_ref.actor.data_loader_seed": seed,
        "actor_rollout_ref.actor.fsdp_config.seed": seed,
        "actor_rollout_ref.ref.fsdp_config.seed": seed,
        "actor_rollout_ref.rollout.seed": seed,
    }


def resolve(lines: Iterable[Setting], given: Mapping[str, str]) -> tuple[Setting, ...]:
    """Return one line a key, in which what was given wins.

    A mini-batch that nobody set follows the batch, since verl refuses one that is larger.
    """
    by_key = {line.key: line for line in lines}
    for key, value in given.items():
        found = keys.parsed(key, value)
        by_key[key] = Setting(key=key, value=found, origin="set", why="--set")
    if BATCH in given and MINI_BATCH in by_key and MINI_BATCH not in given:
        why = f"follows {BATCH}"
        followed = by_key[BATCH].value
        by_key[MINI_BATCH] = Setting(key=MINI_BATCH, value=followed, origin="set", why=why)
    return tuple(by_key.values())


def lines(values: Mapping[str, Any], origin: str, why: str = "") -> list[Setting]:
    """Return settings that share their origin."""
    return [Setting(key=key, value=value, origin=origin, why=why) for key, value in values.items()]


def command(configuration: str, start: Sequence[str], recipe: Iterable[Setting]) -> tuple[str, ...]:
    """Return what starts verl: Python, the modules of ``start``, a recipe in Hydra's grammar.

    Raises:
        UserError: verl has no such key, or does not take the value.
    """
    overrides = [
        keys.override(configuration, line.key, keys.hydra_value(line.value)) for line in recipe
    ]
    keys.compose(configuration, overrides)
    # No folder of Hydra's own: what ran is told in the recipe.
    quiet = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=disabled")
    return (sys.executable, "-u", "-m", *start, *quiet, *overrides)


def with_values(command: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return a command in which keys that it has get values that are known only at launch.

    >>> with_values(["verl", "a.b=1", "+c=2"], {"a.b": None})
    ['verl', 'a.b=null', '+c=2']
    """
    written = {f"{key}=": keys.hydra_value(value) for key, value in values.items()}
    starts = {part: start for part in command for start in written if part.startswith(start)}
    return [starts[part] + written[starts[part]] if part in starts else part for part in command]


def total_steps(values: Mapping[str, Any], an_epoch: int) -> int:
    """Return how many steps there will be, by a recipe's keys and the steps of an epoch."""
    if values[STEPS] is not None:
        return count(values, STEPS)
    return an_epoch * count(values, "trainer.total_epochs")


def count(values: Mapping[str, Any], key: str) -> int:
    """Return a count, which --set may have made something else."""
    found = values[key]
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise UserError(f"--set {key}={keys.hydra_value(found)}: that is no count; give 1 or more")
    return found
