"""GRPO by verl, in the recipes v1, v4 and v5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import UserError
from trainers.base import Job, Setting, TrainSpec
from trainers.data import TrainingData
from trainers.verl import command as verl_command
from trainers.verl import keys, placement
from trainers.verl.command import count
from trainers.verl.paths import TrainingPaths
from trainers.verl.placement import Placement
from trainers.verl.recipes import Grpo, GrpoV1, GrpoV4, GrpoV5
from trainers.verl.trainer import Launch, VerlTrainer

PROMPT, RESPONSE = "data.max_prompt_length", "data.max_response_length"
FILTERS_GROUPS = "algorithm.filter_groups.enable"
REWARDS_MODULE = "pkg://trainers.rewards"
"""Where verl finds our rewards; lineages and the records of trainings name it."""


class VerlGrpo(VerlTrainer):
    """GRPO in the recipe that a subclass names."""

    recipe: ClassVar[type[Grpo]]
    configuration = keys.GRPO
    starting = "starting Ray and verl, loading the model"

    def decided(self, spec: TrainSpec, context: int | None) -> list[Setting]:
        """Return what decides the checkpoint; see `VerlTrainer`."""
        recipe = self.recipe()
        why = "this project's, in verl's own places for them"
        return [
            *recipe.settings(),
            *fitted(recipe, context),
            *verl_command.settings(reward(), "chosen", why),
            *verl_command.settings(seeds(spec.seed), "chosen", "--seed"),
        ]

    def placed(self, where: Placement, values: Mapping[str, Any]) -> Iterable[Setting]:
        """Return what follows from the machine; see `VerlTrainer`."""
        longest = count(values, PROMPT) + count(values, RESPONSE)
        filters_groups = bool(values[FILTERS_GROUPS])
        return placement.settings(where, longest=longest, filters_groups=filters_groups)

    def files(self, spec: TrainSpec, model: Path, data: Path) -> dict[str, Any]:
        """Return the keys that name files and folders; see `VerlTrainer`."""
        paths = TrainingPaths(spec.output.absolute())
        return {
            "actor_rollout_ref.model.path": str(model.absolute()),
            "data.train_files": str((data / "train.parquet").absolute()),
            "data.val_files": str((data / "test.parquet").absolute()),
            "trainer.default_local_dir": str(paths.state),
            "trainer.rollout_data_dir": str(paths.rollouts),
            "trainer.resume_mode": "auto",
            "trainer.project_name": "harness",
            "trainer.experiment_name": spec.output.name,
            "trainer.logger": ["console", "file", *spec.loggers],
            # `watch` removes old saves, at a time when none of them is being read.
            "trainer.max_actor_ckpt_to_keep": None,
            "actor_rollout_ref.actor.checkpoint.save_contents": ["model", "optimizer", "extra"],
            "actor_rollout_ref.model.trust_remote_code": spec.trust_remote_code,
            "data.trust_remote_code": spec.trust_remote_code,
        }

    def start(self, where: Placement) -> tuple[str, ...]:
        """Return the module that starts verl's GRPO, which starts Ray itself."""
        return ("verl.trainer.main_ppo",)

    def launch(
        self, job: Job, data: TrainingData, base: Path, where: Placement, done: int | None
    ) -> Launch:
        """Return what is known at launch; verl itself finds the save to resume from."""
        values = {"actor_rollout_ref.model.path": str(base.absolute())}
        return Launch(total=_total_steps(job, data), values=values)

    def accepts(self, data: TrainingData) -> None:
        """Refuse answers in a form that the reward does not read."""
        built = data.card.asked.style
        if built != self.style:
            raise UserError(
                f"{data.folder} is built in the style {built}, and {self.name} rewards answers in "
                f"the style {self.style}; build it again with --style {self.style}, "
                "or name the source and let the trainer build it"
            )


class VerlGrpoV1(VerlGrpo):
    """The published report's first version."""

    name, about, style, recipe = "verl-grpo-v1", GrpoV1.about, GrpoV1.style, GrpoV1


class VerlGrpoV4(VerlGrpo):
    """The published report's improved version."""

    name, about, style, recipe = "verl-grpo-v4", GrpoV4.about, GrpoV4.style, GrpoV4


class VerlGrpoV5(VerlGrpo):
    """What this project would use."""

    name, about, style, recipe = "verl-grpo-v5", GrpoV5.about, GrpoV5.style, GrpoV5


def fitted(recipe: Grpo, context: int | None) -> list[Setting]:
    """Shorten prompt and response where together they exceed the model's context, in tokens."""
    if context is None or context >= recipe.longest_prompt + recipe.longest_response:
        return []
    prompt = min(recipe.longest_prompt, context // 2)
    why = f"the model's context is {context} tokens"
    return verl_command.settings({PROMPT: prompt, RESPONSE: context - prompt}, "chosen", why)


def reward() -> dict[str, Any]:
    """Return the keys that say where our rewards are, and who records each response's outcome."""
    return {
        "reward.custom_reward_function.path": REWARDS_MODULE,
        "reward.reward_manager.source": "importlib",
        "reward.reward_manager.name": "RewardManager",
        "reward.reward_manager.module.path": REWARDS_MODULE,
    }


def seeds(seed: int) -> dict[str, Any]:
    """Return every seed that verl's GRPO has."""
    return {
        "data.seed": seed,
        "actor_rollout_ref.actor.data_loader_seed": seed,
        "actor_rollout_ref.actor.fsdp_config.seed": seed,
        "actor_rollout_ref.ref.fsdp_config.seed": seed,
        "actor_rollout_ref.rollout.seed": seed,
    }


def _total_steps(job: Job, data: TrainingData) -> int:
    """Return how many steps there will be; verl leaves out rows that do not fill a batch.

    Raises:
        UserError: the data do not fill one batch.
    """
    values = verl_command.values_of(job.recipe)
    batch, rows = count(values, verl_command.BATCH), data.card.rows.train
    if rows < batch:
        raise UserError(
            f"{data.folder} has {rows} rows to train on, fewer than the batch of {batch}; "
            f"use more data, or a smaller batch: --set {verl_command.BATCH}={rows}"
        )
    return verl_command.total_steps(values, rows // batch)
