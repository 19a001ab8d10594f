"""Supervised fine-tuning by verl, which makes the checkpoint that GRPO starts from.

verl's trainer for it does not use Ray: `torchrun` starts one process for each GPU of one
machine. Four of its shortcomings (0.9.1, `sft_trainer.py`) are made up for here and in
`trainers.verl.conversations`: no seed decides the order of its data; a conversation that is
too long ends it; held-out rows that do not fill a batch give a loss of NaN; and a save at the
end of an epoch resumes after the next epoch.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import UserError, WrongValueError
from trainers.base import Job, Setting, TrainSpec
from trainers.data import TrainingData
from trainers.data.sft import MESSAGES
from trainers.verl import command as verl_command
from trainers.verl import keys, memory, placement, sft_memory
from trainers.verl.command import BATCH, count
from trainers.verl.conversations import LONGEST, Conversations, write_conversations
from trainers.verl.cpu_memory import bytes_of
from trainers.verl.memory import GIB, TOKENS, in_gib
from trainers.verl.paths import TrainingPaths
from trainers.verl.placement import Placement
from trainers.verl.prompts import COUNTED_IN_PLAN
from trainers.verl.recipes import Sft
from trainers.verl.saves import save_folder
from trainers.verl.sft_memory import SftFit
from trainers.verl.trainer import Launch, VerlTrainer

MODULE = "trainers.verl.plugins.sft"
"""verl's own trainer, which here can be asked to end after a step."""


class VerlSft(VerlTrainer):
    """Imitation of the data's own reasoning; the data may be built in any style."""

    name, about, style, recipe = "verl-sft", Sft.about, Sft.style, Sft
    configuration = keys.SFT
    starting = "starting verl, loading the model"

    def place(self, spec: TrainSpec) -> Placement:
        """Return where on this machine it will run."""
        refuse_cluster(spec)
        return placement.place(spec)

    def decided(self, spec: TrainSpec, context: int | None) -> list[Setting]:
        """Return what decides the checkpoint; see `VerlTrainer`."""
        recipe = self.recipe()
        return [*recipe.settings(), *fitted(recipe, context), *seeds(spec.seed)]

    def placed(self, where: Placement, values: Mapping[str, Any], model: Path) -> Iterable[Setting]:
        """Return what follows from the machine; see `VerlTrainer`."""
        found = self._fit(where, values, model)
        return placed(where, count(values, LONGEST), found)

    def room(self, where: Placement, values: Mapping[str, Any], model: Path) -> Iterable[str]:
        """Return what the GPUs or the machine will hold, by calculation; see `VerlTrainer`."""
        into = "this machine" if where.device == "cpu" else "the GPUs' memory"
        if own := sft_memory.sized_by_user(where, values):
            yield f"whether it fits into {into} is not calculated: {own} is set"
        elif (found := self._fit(where, values, model)) is None:
            yield f"whether it fits into {into} is not calculated: not all sizes are known"
        else:
            gib = (sft_memory.there(where) or 0) / GIB
            whose = "that are available here" if where.device == "cpu" else "of each GPU"
            yield f"of the {gib:.1f} GiB {whose}, by calculation: {in_gib(found.parts)}"

    def _fit(self, where: Placement, values: Mapping[str, Any], model: Path) -> SftFit | None:
        size = memory.model_size(model)
        if size is None or not sft_memory.there(where) or sft_memory.sized_by_user(where, values):
            return None
        longest, padded = count(values, LONGEST), not placement.removes_padding()
        return sft_memory.fit(size, where, values, longest=longest, padded=padded)

    def files(self, spec: TrainSpec, model: Path, data: Path) -> dict[str, Any]:
        """Return the keys that name files and folders; see `VerlTrainer`."""
        return files(spec, model)

    def start(self, where: Placement) -> tuple[str, ...]:
        """Return the modules that start verl in one process for each GPU."""
        processes = f"--nproc-per-node={where.gpus}"
        return ("torch.distributed.run", "--standalone", processes, "-m", MODULE)

    def launch(
        self, job: Job, data: TrainingData, base: Path, where: Placement, done: int | None
    ) -> Launch:
        """Write the conversations for this model, and return what is known at launch."""
        paths = TrainingPaths(job.spec.output.absolute())
        values = verl_command.values_of(job.recipe)
        batch = count(values, BATCH)
        rows = write_conversations(
            data,
            paths.conversations,
            model=base,
            longest=count(values, LONGEST),
            seed=job.spec.seed,
            trust_remote_code=job.spec.trust_remote_code,
        )
        an_epoch = steps_an_epoch(rows.rows, batch, where.processes)
        return Launch(
            total=verl_command.total_steps(values, an_epoch),
            left_out=left_out(rows),
            remarks=tuple(remarks(rows, batch, where.processes)),
            values=at_launch(
                rows,
                base,
                batch=batch,
                processes=where.processes,
                resume=None if done is None else resume_point(paths, done, an_epoch),
            ),
        )

    def foreseen(
        self,
        spec: TrainSpec,
        values: Mapping[str, Any],
        data: TrainingData | None,
        model: Path,
        where: Placement,
    ) -> tuple[int | None, tuple[str, ...]]:
        """Return the last step's number, and which rows are left out; see `VerlTrainer`."""
        if data is None or data.card.rows.train > COUNTED_IN_PLAN:
            steps = values[verl_command.STEPS]
            known = None if steps is None else count(values, verl_command.STEPS)
            return known, ("which rows are left out is not counted before the start",)
        batch = count(values, BATCH)
        with TemporaryDirectory(prefix="harness-plan-") as folder:
            rows = write_conversations(
                data,
                Path(folder),
                model=model,
                longest=count(values, LONGEST),
                seed=spec.seed,
                trust_remote_code=spec.trust_remote_code,
            )
        an_epoch = steps_an_epoch(rows.rows, batch, where.processes)
        said = tuple(remarks(rows, batch, where.processes))
        return verl_command.total_steps(values, an_epoch), said

    def weights(self, values: Mapping[str, Any]) -> int:
        """Return the bytes for each number of the trained weights; see `VerlTrainer`."""
        return bytes_of(values["engine.model_dtype"])


# --- the settings ---------------------------------------------------------------------------


def fitted(recipe: Sft, context: int | None) -> list[Setting]:
    """Shorten the rows where the model's context, in tokens, is shorter than the recipe's."""
    if context is None or context >= recipe.longest:
        return []
    why = f"the model's context is {context} tokens"
    return verl_command.settings({LONGEST: context}, "chosen", why)


def seeds(seed: int) -> list[Setting]:
    """Return verl's two seeds. It uses neither: the order of the rows is made here."""
    why = "--seed; decides the order of the rows"
    return verl_command.settings({"trainer.seed": seed, "engine.seed": seed}, "chosen", why)


def refuse_cluster(spec: TrainSpec) -> None:
    """Refuse to train on several machines.

    Raises:
        UserError: several nodes or a cluster were asked for.
    """
    if spec.nodes > 1 or spec.address is not None:
        asked = f"--nodes {spec.nodes}" if spec.nodes > 1 else f"--address {spec.address}"
        raise WrongValueError(
            f"{asked}: the trainer verl-sft runs on the GPUs of one machine, without Ray; leave "
            "the flag out (--gpus says how many GPUs)"
        )


def placed(placement: Placement, longest: int, fit: SftFit | None = None) -> list[Setting]:
    """Return what verl needs to know of the machine; ``longest`` is the longest row, in tokens.

    ``fit`` is how the training fits into the memory, where that is known.
    """
    gpu = placement.device == "cuda"
    flash = gpu and find_spec("flash_attn") is not None
    values: Mapping[str, tuple[Any, str]] = {
        "trainer.device": (placement.device, ""),
        "trainer.nnodes": (1, ""),
        "trainer.n_gpus_per_node": (placement.gpus, ""),
        "engine.strategy": ("fsdp2", ""),
        "engine.use_torch_compile": (False, "it compiles the entropy, which this loss has not"),
        "model.override_config.attn_implementation": (
            "flash_attention_2" if flash else "sdpa",
            "flash-attn is installed" if flash else "flash-attn is not installed",
        ),
        "model.use_remove_padding": (flash, "needs flash-attn"),
        "model.enable_gradient_checkpointing": (gpu, "memory for time" if gpu else "small models"),
        **_micro_batches(longest, fit),
        "data.num_workers": (4 if gpu else 0, "rows are tokenised meanwhile" if gpu else "cores"),
    }
    return [
        Setting(key=key, value=value, origin="placed", why=why)
        for key, (value, why) in values.items()
    ]


def _micro_batches(longest: int, fit: SftFit | None) -> dict[str, tuple[Any, str]]:
    if fit is not None and fit.tokens is None:
        return {
            "data.use_dynamic_bsz": (False, "one row at a time: the memory is for no more"),
            "data.micro_batch_size_per_gpu": (1, "fits by calculation"),
        }
    tokens = fit.tokens if fit and fit.tokens else max(TOKENS, longest)
    why = "not less than the longest row"
    return {
        "data.use_dynamic_bsz": (True, "micro-batches are filled up to the tokens below"),
        "data.max_token_len_per_gpu": (tokens, f"fits by calculation; {why}" if fit else why),
    }


def files(spec: TrainSpec, model: Path) -> dict[str, Any]:
    """Return the keys that name files and folders."""
    paths = TrainingPaths(spec.output.absolute())
    return {
        "model.path": str(model.absolute()),
        "model.trust_remote_code": spec.trust_remote_code,
        "data.train_files": str(paths.conversations / "train.parquet"),
        "data.val_files": str(paths.conversations / "test.parquet"),
        "data.messages_key": MESSAGES,
        "checkpoint.save_contents": ["model", "optimizer", "extra"],
        "trainer.default_local_dir": str(paths.state),
        "trainer.max_ckpt_to_keep": None,
        "trainer.resume_mode": "disable",
        "trainer.resume_from_path": None,
        "trainer.project_name": "harness",
        "trainer.experiment_name": verl_command.experiment(spec),
        "trainer.logger": ["console", "file", *spec.loggers],
    }


# --- the launch -----------------------------------------------------------------------------


def steps_an_epoch(rows: int, batch: int, processes: int) -> int:
    """Return how many steps one pass over the rows takes; a batch that is not full is left out.

    >>> steps_an_epoch(70, 32, 1), steps_an_epoch(70, 32, 2)
    (2, 2)

    Raises:
        UserError: the rows do not fill a batch, or the processes cannot share it evenly.
    """
    if batch % processes:
        raise UserError(
            f"a batch of {batch} cannot be shared out evenly among {processes} GPUs; "
            f"use a multiple: --set {BATCH}={-(-batch // processes) * processes}"
        )
    steps = rows // processes // (batch // processes)
    if not steps:
        raise UserError(
            f"there are {rows} rows to train on, which fill no batch of {batch}; "
            f"use more data, or a smaller batch: --set {BATCH}=…"
        )
    return steps


def left_out(found: Conversations) -> dict[str, int]:
    """Return how many rows are not trained on, or not held out, by reason."""
    return {"no reasoning": found.without_reasoning, "too long": found.too_long}


def remarks(found: Conversations, batch: int, processes: int) -> Iterator[str]:
    """Yield what the user should know of the rows."""
    if any(left_out(found).values()):
        yield (
            f"{found.rows:,} rows are trained on; left out are {found.without_reasoning:,} without "
            f"reasoning and {found.too_long:,} that are longer than {LONGEST}"
        )
    if _validates_nothing(found, batch, processes):
        yield (
            f"no loss on held-out rows will be measured: there are {found.held_out} of them, which "
            f"fill no batch of {batch}"
        )


def _validates_nothing(found: Conversations, batch: int, processes: int) -> bool:
    return found.held_out // processes < batch // processes


def at_launch(
    found: Conversations, base: Path, *, batch: int, processes: int, resume: Path | None
) -> dict[str, Any]:
    """Return the keys whose values are known only when the rows and the base model are there."""
    values: dict[str, Any] = {"model.path": str(base.absolute())}
    if _validates_nothing(found, batch, processes):
        values |= {"data.val_files": None, "trainer.test_freq": -1}
    if resume is not None:
        values |= {
            "trainer.resume_mode": "resume_path",
            "trainer.resume_from_path": str(resume.absolute()),
        }
    return values


def resume_point(paths: TrainingPaths, done: int, an_epoch: int) -> Path:
    """Return the folder from which verl resumes after ``done`` steps as if it had not stopped.

    At the end of an epoch this is not the save itself. The save's data loader has given out all
    rows of that epoch; verl, which counts the next epoch as begun, would get no rows for it and
    continue with the epoch after. In a copy without the loader's state the next epoch begins at
    its first row.
    """
    saved = save_folder(paths.state, done)
    if done % an_epoch:
        return saved
    without = paths.resume / saved.name
    shutil.rmtree(paths.resume, ignore_errors=True)
    without.mkdir(parents=True)
    for file in saved.iterdir():
        if not file.match("data_*.pt"):
            (without / file.name).symlink_to(file.resolve())
    return without
