"""GRPO by verl, in the recipes v1, v4 and v5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import UserError, WrongValueError
from trainers.base import Job, Setting, TrainSpec
from trainers.data import TrainingData
from trainers.verl import command as verl_command
from trainers.verl import grpo_memory, keys, memory, placement, prompts
from trainers.verl.command import count
from trainers.verl.cpu_memory import bytes_of
from trainers.verl.grpo_memory import PROMPT, RESPONSE, ROLLOUTS
from trainers.verl.memory import GIB
from trainers.verl.paths import TrainingPaths
from trainers.verl.placement import Placement
from trainers.verl.recipes import BY_VLLM, Grpo, GrpoV1, GrpoV4, GrpoV5
from trainers.verl.trainer import Launch, VerlTrainer

ROLLOUT_ENGINE = "actor_rollout_ref.rollout.name"
FILTERS_GROUPS = "algorithm.filter_groups.enable"
REWARDS_MODULE = "pkg://trainers.rewards"
"""Where verl finds our rewards; lineages and the records of trainings name it."""

STOP_WHEN_ASKED = "trainers.verl.plugins.stop.StopWhenAsked"
"""What verl makes in its trainer's process, so that a training can be asked to end."""


class VerlGrpo(VerlTrainer):
    """GRPO in the recipe that a subclass names."""

    recipe: ClassVar[type[Grpo]]
    configuration = keys.GRPO
    starting = "starting Ray and verl, loading the model"

    def decided(self, spec: TrainSpec, context: int | None) -> list[Setting]:
        """Return what decides the checkpoint; see `VerlTrainer`."""
        recipe = self.recipe()
        why = "the reward function and the manager that records outcomes are this project's"
        return [
            *recipe.settings(),
            *fitted(recipe, context),
            *verl_command.settings(reward(), "chosen", why),
            *verl_command.settings(seeds(spec.seed), "chosen", "--seed"),
        ]

    def placed(self, where: Placement, values: Mapping[str, Any], model: Path) -> Iterable[Setting]:
        """Return what follows from the machine and the base model's size; see `VerlTrainer`."""
        require_rollout_engine(str(values.get(ROLLOUT_ENGINE, "vllm")), where)
        require_whole_updates(values)
        require_even_shares(values, where.processes)
        size = memory.model_size(model)
        on_cpu, on_gpus = None, None
        if size is not None and not grpo_memory.sized_by_user(where, values):
            if where.device == "cpu" and where.free:
                on_cpu = grpo_memory.fit_on_cpu(size, where, values)
                if on_cpu is None:
                    raise UserError(grpo_memory.too_large_for_cpu(size, where, values))
            if where.device == "cuda" and where.card:
                on_gpus = grpo_memory.fit_of(size, where, values)
                if on_gpus is None:
                    raise UserError(grpo_memory.too_large(size, where, values))
        return placement.settings(
            where,
            longest=grpo_memory.longest(values),
            filters_groups=bool(values[FILTERS_GROUPS]),
            fit=on_gpus,
            on_cpu=on_cpu,
            bucket=grpo_memory.bucket(size, values),
            fusable=size is not None and size.fusable,
        )

    def unlike(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is done unlike the source; see `VerlTrainer`."""
        sglang = values.get(ROLLOUT_ENGINE) == "sglang"
        return tuple(each for each in self.recipe.unlike if not (sglang and each == BY_VLLM))

    def room(self, where: Placement, values: Mapping[str, Any], model: Path) -> Iterable[str]:
        """Return what the GPUs or the machine will hold, by calculation; see `VerlTrainer`."""
        size = memory.model_size(model)
        cpu = where.device == "cpu"
        into, there = ("this machine", where.free) if cpu else ("the GPUs' memory", where.card)
        if own := grpo_memory.sized_by_user(where, values):
            yield f"whether it fits into {into} is not calculated: {own} is set"
        elif size is None or there is None:
            what = "the model's sizes are" if size is None else "its memory is"
            yield f"whether it fits into {into} is not calculated: {what} not known"
        elif cpu and (on_cpu := grpo_memory.fit_on_cpu(size, where, values)):
            yield (
                f"of the {there / GIB:.1f} GiB that are available here, by calculation: {on_cpu}"
            )
        elif not cpu and (on_gpus := grpo_memory.fit_of(size, where, values)):
            yield f"of each GPU's {there / GIB:.0f} GiB, by calculation: {on_gpus}"

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
            "trainer.experiment_name": verl_command.experiment(spec),
            "trainer.logger": ["console", "file", *spec.loggers],
            # `watch` removes old saves, at a time when none of them is being read.
            "trainer.max_actor_ckpt_to_keep": None,
            "actor_rollout_ref.actor.checkpoint.save_contents": ["model", "optimizer", "extra"],
            "actor_rollout_ref.model.trust_remote_code": spec.trust_remote_code,
            "data.trust_remote_code": spec.trust_remote_code,
            **({verl_command.CALLBACK: STOP_WHEN_ASKED} if spec.save_on_stop else {}),
        }

    def start(self, where: Placement) -> tuple[str, ...]:
        """Return the module that starts verl's GRPO, which starts Ray itself."""
        return ("verl.trainer.main_ppo",)

    def launch(
        self, job: Job, data: TrainingData, base: Path, where: Placement, done: int | None
    ) -> Launch:
        """Return what is known at launch; verl itself finds the save to resume from."""
        values = verl_command.values_of(job.recipe)
        lost = prompts.too_long(data, base, values, trust=job.spec.trust_remote_code)
        return Launch(
            total=_total_steps(values, data, lost or 0),
            values={"actor_rollout_ref.model.path": str(base.absolute())},
            left_out={} if lost is None else {"prompt is too long": lost},
        )

    def foreseen(
        self,
        spec: TrainSpec,
        values: Mapping[str, Any],
        data: TrainingData | None,
        model: Path,
        where: Placement,
    ) -> tuple[int | None, tuple[str, ...]]:
        """Return the last step's number, and how many prompts are too long; see `VerlTrainer`."""
        if data is None:
            steps = values[verl_command.STEPS]
            return (None if steps is None else count(values, verl_command.STEPS)), ()
        few = data.card.rows.train <= prompts.COUNTED_IN_PLAN
        lost = prompts.too_long(data, model, values, trust=spec.trust_remote_code) if few else None
        if lost is None:
            said = "how many prompts are too long and left out is not counted before the start"
        else:
            said = (
                f"{lost:,} of {data.card.rows.train:,} training prompts are longer than "
                f"{PROMPT}={values[PROMPT]}, and are left out"
            )
        return _total_steps(values, data, lost or 0), (said,) if lost != 0 else ()

    def weights(self, values: Mapping[str, Any]) -> int:
        """Return the bytes for each number of the trained weights; see `VerlTrainer`."""
        return bytes_of(values[memory.FORMAT])

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


def require_rollout_engine(name: str, where: Placement) -> None:
    """Refuse an engine for rollouts that is not there, before verl fails to import it.

    verl 0.9.1 has vllm, sglang and trtllm (`workers/rollout/base.py`); its extra ``sglang`` pins
    sglang 0.5.12, whose other requirements vLLM's exclude.

    Raises:
        UserError: the engine is unknown, is not installed, or needs a GPU.
    """
    asked = f"--set {ROLLOUT_ENGINE}={name}"
    if name not in ("vllm", "sglang"):
        raise WrongValueError(f"{asked}: rollouts are drawn by vllm or by sglang")
    if name == "vllm":
        return
    if where.device == "cpu":
        raise WrongValueError(
            f"{asked}: SGLang draws rollouts on GPUs only, and there is none here; leave the "
            "setting out to use vLLM"
        )
    if where.address is None and find_spec("sglang") is None:
        raise WrongValueError(
            f"{asked}: SGLang is not installed here; install what verl wants of it, in an "
            "environment without vLLM (pip install 'verl[sglang]==0.9.1'), or leave the setting "
            "out to use vLLM"
        )


def require_whole_updates(values: Mapping[str, Any]) -> None:
    """Refuse an update that takes more prompts than a step draws.

    verl would fill such an update up with rows that teach nothing (0.9.1, `_balance_batch` in
    `trainer/ppo/v1/trainer_base.py`), and the recorded size would not be that of any update.

    Raises:
        WrongValueError: it does.
    """
    step, update = count(values, verl_command.BATCH), count(values, verl_command.MINI_BATCH)
    if update > step:
        raise WrongValueError(
            f"--set {verl_command.MINI_BATCH}={update}: a step has {step} prompts "
            f"({verl_command.BATCH}), so an update cannot take {update}; give at most {step}, or a "
            f"larger batch: --set {verl_command.BATCH}={update}"
        )


def require_even_shares(values: Mapping[str, Any], processes: int) -> None:
    """Refuse an update whose responses the processes cannot share evenly.

    verl asserts this only after a whole step's rollouts (0.9.1, `workers/engine_workers.py`).

    Raises:
        UserError: they cannot; the message names what can.
    """
    asked, rollouts = count(values, verl_command.MINI_BATCH), count(values, ROLLOUTS)
    if asked * rollouts % processes == 0:
        return
    fitting = [n for n in range(1, processes + 1) if asked * rollouts % n == 0]
    up = next(n for n in range(asked, 2 * asked * processes) if n * rollouts % processes == 0)
    step = up * max(1, count(values, verl_command.BATCH) // asked)
    raise WrongValueError(
        f"an update has {asked} × {rollouts} responses (prompts × responses to each), which "
        f"{processes} GPUs cannot share evenly; train on {', '.join(map(str, fitting))} in all, or "
        f"on all of them with --set {verl_command.MINI_BATCH}={up} "
        f"--set {verl_command.BATCH}={step}"
    )


def _total_steps(recipe: Mapping[str, Any], data: TrainingData, left_out: int) -> int:
    """Return how many steps there will be; verl leaves out rows that do not fill a batch.

    Raises:
        UserError: the data do not fill one batch.
    """
    batch, rows = count(recipe, verl_command.BATCH), data.card.rows.train - left_out
    if rows < batch:
        without = f" whose prompt is not too long ({PROMPT}={recipe[PROMPT]})" if left_out else ""
        raise UserError(
            f"{data.folder} has {rows} rows to train on{without}, fewer than the batch of {batch}; "
            f"use more data, or a smaller batch: --set {verl_command.BATCH}={max(1, rows)}"
        )
    return verl_command.total_steps(recipe, rows // batch)
