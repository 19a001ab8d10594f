"""GRPO by verl, in the recipes v1, v4 and v5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import UserError, WrongValueError
from trainers.base import Job, Setting, TrainSpec
from trainers.data import TrainingData
from trainers.verl import command as verl_command
from trainers.verl import keys, memory, placement
from trainers.verl.command import count
from trainers.verl.memory import GIB, Fit, ModelSize
from trainers.verl.paths import TrainingPaths
from trainers.verl.placement import Placement
from trainers.verl.recipes import BY_VLLM, Grpo, GrpoV1, GrpoV4, GrpoV5
from trainers.verl.trainer import Launch, VerlTrainer

PROMPT, RESPONSE = "data.max_prompt_length", "data.max_response_length"
ROLLOUT_ENGINE = "actor_rollout_ref.rollout.name"
KL_LOSS, KL_REWARD = "actor_rollout_ref.actor.use_kl_loss", "algorithm.use_kl_in_reward"
ROLLOUTS = "actor_rollout_ref.rollout.n"
CARDS = (16, 24, 32, 40, 48, 80, 96, 141, 192)
"""The sizes of GPUs that are named where one is too small, in GiB."""
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
        require_even_shares(values, where.processes)
        size = memory.model_size(model) if where.device == "cuda" else None
        found = None
        if size is not None and where.card and not _sized_by_user(values):
            found = fit_of(size, where, values)
            if found is None:
                raise UserError(_too_large(size, where, values))
        return placement.settings(
            where,
            longest=_longest(values),
            filters_groups=bool(values[FILTERS_GROUPS]),
            fit=found,
            fusable=size is not None and size.fusable,
        )

    def unlike(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is done unlike the source; see `VerlTrainer`."""
        sglang = values.get(ROLLOUT_ENGINE) == "sglang"
        return tuple(each for each in self.recipe.unlike if not (sglang and each == BY_VLLM))

    def room(self, where: Placement, values: Mapping[str, Any], model: Path) -> Iterable[str]:
        """Return what each GPU will hold, by calculation; see `VerlTrainer`."""
        if where.device != "cuda":
            return
        size = memory.model_size(model)
        if own := _sized_by_user(values):
            yield f"whether it fits into the GPUs' memory is not calculated: {own} is set"
        elif size is None or where.card is None:
            what = "the model's sizes are" if size is None else "the GPUs' memory is"
            yield f"whether it fits into the GPUs' memory is not calculated: {what} not known"
        elif found := fit_of(size, where, values):
            yield f"of each GPU's {where.card / GIB:.0f} GiB, by calculation: {found}"

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
        values = {"actor_rollout_ref.model.path": str(base.absolute())}
        total = _total_steps(verl_command.values_of(job.recipe), data)
        return Launch(total=total, values=values)

    def total(self, values: Mapping[str, Any], data: TrainingData | None) -> int | None:
        """Return the number of the last step, which the rows tell once they are built."""
        return super().total(values, data) if data is None else _total_steps(values, data)

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


def require_even_shares(values: Mapping[str, Any], processes: int) -> None:
    """Refuse an update whose responses the processes cannot share evenly.

    verl asserts this only after a whole step's rollouts (0.9.1, `workers/engine_workers.py`).

    Raises:
        UserError: they cannot; the message names what can.
    """
    prompts, rollouts = count(values, verl_command.MINI_BATCH), count(values, ROLLOUTS)
    if prompts * rollouts % processes == 0:
        return
    fitting = [n for n in range(1, processes + 1) if prompts * rollouts % n == 0]
    up = next(n for n in range(prompts, 2 * prompts * processes) if n * rollouts % processes == 0)
    step = up * max(1, count(values, verl_command.BATCH) // prompts)
    raise WrongValueError(
        f"an update has {prompts} × {rollouts} responses (prompts × responses to each), which "
        f"{processes} GPUs cannot share evenly; train on {', '.join(map(str, fitting))} in all, or "
        f"on all of them with --set {verl_command.MINI_BATCH}={up} "
        f"--set {verl_command.BATCH}={step}"
    )


def fit_of(size: ModelSize, where: Placement, values: Mapping[str, Any]) -> Fit | None:
    """Return how a training fits into its GPUs; None if it does not, or if that is not known."""
    if where.card is None:
        return None
    return memory.fit(
        size,
        card=where.card,
        processes=where.processes,
        longest=_longest(values),
        host=where.host or float("inf"),
        per_node=where.gpus,
        reference=bool(values.get(KL_LOSS) or values.get(KL_REWARD)),
        padded=not placement.removes_padding(),
    )


def _sized_by_user(values: Mapping[str, Any]) -> str:
    """Return a key that the user set and with which the calculation would not be true."""
    named = (key for key in memory.SIZED if key in values)
    return next(named, "" if values[memory.FORMAT] == "fp32" else memory.FORMAT)


def _too_large(size: ModelSize, where: Placement, values: Mapping[str, Any]) -> str:
    """Say that a training does not fit, and what would."""
    here = where.card or 0
    responses = count(values, verl_command.MINI_BATCH) * count(values, ROLLOUTS)
    counts = [n for n in (2, 4, 8, 16, 32, 64) if n > where.processes and responses % n == 0]
    more = [replace(where, nodes=1, gpus=n) for n in counts]
    gpus = next((each.gpus for each in more if fit_of(size, each, values)), None)
    larger = [replace(where, card=gib * GIB) for gib in CARDS if gib * GIB > here]
    card = next((each.card for each in larger if fit_of(size, each, values)), None)
    ways = [f"on {gpus} GPUs of this size"] if gpus else []
    ways += [f"on {where.processes} of {card // GIB} GiB"] if card else []
    if fit_of(size, replace(where, host=None), values):
        ways.append("with more memory in the machine, to offload to")
    return (
        f"a model of {size.parameters / 1e9:.1f} billion parameters with sequences of "
        f"{_longest(values)} tokens does not fit, by calculation, on {where.processes} "
        f"GPU{'s' * (where.processes > 1)} of {here / GIB:.0f} GiB, whatever is offloaded to the "
        f"machine's {(where.host or 0) / GIB:.0f} GiB; "
        + (f"it would {' or '.join(ways)}; " if ways else "")
        + "take a smaller model or shorter sequences, or try nevertheless with --set "
        "actor_rollout_ref.rollout.gpu_memory_utilization=…"
    )


def _longest(values: Mapping[str, Any]) -> int:
    return count(values, PROMPT) + count(values, RESPONSE)


def _total_steps(recipe: Mapping[str, Any], data: TrainingData) -> int:
    """Return how many steps there will be; verl leaves out rows that do not fill a batch.

    Raises:
        UserError: the data do not fill one batch.
    """
    batch, rows = count(recipe, verl_command.BATCH), data.card.rows.train
    if rows < batch:
        raise UserError(
            f"{data.folder} has {rows} rows to train on, fewer than the batch of {batch}; "
            f"use more data, or a smaller batch: --set {verl_command.BATCH}={rows}"
        )
    return verl_command.total_steps(recipe, rows // batch)
