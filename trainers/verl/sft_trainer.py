"""Supervised fine-tuning by verl, which makes the checkpoint that GRPO begins with."""

from __future__ import annotations

from pathlib import Path

from trainers.base import Job, Setting, TrainSpec
from trainers.data import TrainingData
from trainers.verl import command as verl_command
from trainers.verl import keys, placement, sft
from trainers.verl.command import Places, count
from trainers.verl.placement import Placement
from trainers.verl.sft import Sft
from trainers.verl.trainer import Launch, VerlTrainer


class VerlSft(VerlTrainer):
    """Imitation of the data's own reasoning; the data may be built in any style."""

    name, about, style = "verl-sft", Sft.about, Sft.style
    starting = "starting verl, loading the model"

    def place(self, spec: TrainSpec) -> Placement:
        """Return where on this machine it will run."""
        sft.refuse_cluster(spec)
        return placement.place(spec)

    def lines(self, spec: TrainSpec, where: Placement, model: Path, data: Path) -> list[Setting]:
        """Return the recipe; see `VerlTrainer`."""
        recipe = Sft()
        fitted = sft.fitted(recipe, model)
        settled = verl_command.resolve([*recipe.settings(), *fitted], spec.settings)
        longest = count({line.key: line.value for line in settled}, sft.LONGEST)
        return [
            *recipe.settings(),
            *fitted,
            *sft.seeds(spec.seed),
            *sft.placed(where, longest),
            *sft.files(spec, model=model),
        ]

    def command(self, recipe: tuple[Setting, ...], where: Placement) -> tuple[str, ...]:
        """Return what starts verl; see `VerlTrainer`."""
        processes = f"--nproc-per-node={where.gpus}"
        start = ("torch.distributed.run", "--standalone", processes, "-m", sft.MODULE)
        return verl_command.command(keys.SFT, start, recipe)

    def launch(
        self, job: Job, data: TrainingData, base: Path, where: Placement, done: int | None
    ) -> Launch:
        """Write the rows for this model, and settle a launch."""
        places = Places(job.spec.output.absolute())
        values = {line.key: line.value for line in job.recipe}
        batch = count(values, verl_command.BATCH)
        rows = sft.write_conversations(
            data,
            sft.conversations(places),
            model=base,
            longest=count(values, sft.LONGEST),
            seed=job.spec.seed,
            trust_remote_code=job.spec.trust_remote_code,
        )
        an_epoch = sft.steps_an_epoch(rows.rows, batch, where.processes)
        return Launch(
            total=verl_command.total_steps(values, an_epoch),
            values=sft.at_launch(
                rows,
                base,
                batch=batch,
                processes=where.processes,
                resume=None if done is None else sft.resume_point(places, done, an_epoch),
            ),
        )
