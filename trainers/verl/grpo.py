"""GRPO by verl, in the recipes v1, v4 and v5."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from benchmarks import UserError
from trainers.base import Job, Setting, TrainSpec
from trainers.data import TrainingData
from trainers.verl import command as verl_command
from trainers.verl import keys, placement
from trainers.verl.base_model import declared_context
from trainers.verl.command import count
from trainers.verl.placement import Placement
from trainers.verl.recipes import Grpo, GrpoV1, GrpoV4, GrpoV5
from trainers.verl.trainer import Launch, VerlTrainer


class VerlGrpo(VerlTrainer):
    """GRPO in the recipe of a subclass."""

    recipe: ClassVar[type[GrpoV1 | GrpoV4 | GrpoV5]]
    starting = "starting Ray and verl, loading the model"

    def lines(self, spec: TrainSpec, where: Placement, model: Path, data: Path) -> list[Setting]:
        """Return the recipe; see `VerlTrainer`."""
        recipe = self.recipe()
        sized = [*recipe.settings(), *_fitted(recipe, model)]
        settled = {line.key: line.value for line in verl_command.resolve(sized, spec.settings)}
        longest = count(settled, verl_command.PROMPT) + count(settled, verl_command.RESPONSE)
        files = verl_command.files(
            spec, model=model, train=data / "train.parquet", test=data / "test.parquet"
        )
        return [
            *sized,
            *verl_command.lines(
                verl_command.reward(), "chosen", "this project's, in verl's own places for them"
            ),
            *verl_command.lines(verl_command.seeds(spec.seed), "chosen", "--seed"),
            *placement.settings(where, longest=longest, filters_groups=recipe.uneven_groups_only),
            *verl_command.lines(files, "placed"),
        ]

    def command(self, recipe: tuple[Setting, ...], where: Placement) -> tuple[str, ...]:
        """Return what starts verl; see `VerlTrainer`."""
        return verl_command.command(keys.GRPO, ("verl.trainer.main_ppo",), recipe)

    def launch(
        self, job: Job, data: TrainingData, base: Path, where: Placement, done: int | None
    ) -> Launch:
        """Settle a launch; verl itself finds the save to go on from."""
        model = {"actor_rollout_ref.model.path": str(base.absolute())}
        return Launch(total=_total_steps(job, data), values=model)

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


def _fitted(recipe: Grpo, model: Path) -> list[Setting]:
    """Shorten the response where prompt and response together are more than the model's context."""
    context = declared_context(model)
    if context is None or context >= recipe.longest_prompt + recipe.longest_response:
        return []
    prompt = min(recipe.longest_prompt, context // 2)
    why = f"the model's context is {context} tokens"
    lengths = {verl_command.PROMPT: prompt, verl_command.RESPONSE: context - prompt}
    return verl_command.lines(lengths, "chosen", why)


def _total_steps(job: Job, data: TrainingData) -> int:
    """Return how many steps there will be; verl leaves out what does not fill a batch.

    Raises:
        UserError: the data do not fill one batch.
    """
    values = {line.key: line.value for line in job.recipe}
    batch, rows = count(values, verl_command.BATCH), data.card.rows.train
    if rows < batch:
        raise UserError(
            f"{data.folder} has {rows} rows to train on, fewer than the batch of {batch}; "
            f"use more data, or a smaller batch: --set {verl_command.BATCH}={rows}"
        )
    return verl_command.total_steps(values, rows // batch)
