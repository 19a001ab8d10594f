"""What a training is, as its folder records it, and with what other command it may go on.

A folder has one training. The same command resumes it, and so does one that differs only in what
does not change the steps that are done: how often is saved and validated, and the number of steps,
where no learning rate depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import UserError
from harness.common.files import write_atomically
from harness.common.schema import Frozen, differences, read_value
from harness.models.lineage import read_lineage
from trainers.base import Job
from trainers.verl.command import SAVE, STEPS, VALIDATE, VALIDATE_FIRST
from trainers.verl.paths import TrainingPaths

EPOCHS = "trainer.total_epochs"
LENGTH = (STEPS, EPOCHS)
"""Keys that say how long a training is."""
TRAINS_NOTHING = (SAVE, VALIDATE, VALIDATE_FIRST)
"""Keys that change when something is saved or measured, and nothing that is trained."""
OPTIMISERS = ("actor_rollout_ref.actor.optim", "optim")
"""Where verl's two configurations have the settings of the optimiser that trains the model."""


class TrainingIdentity(Frozen):
    """What decides a checkpoint; see `goes_on` for what of it may change on the way."""

    trainer: str
    base_model: dict[str, str]
    """The sha256 of each file of the base model."""
    data: str
    """The sha256 of the file of rows to train on."""
    settings: dict[str, Any]
    """The value of each key that decides the checkpoint."""


class Prepared(Frozen):
    """`prepared/prepared.json`: what several trainings with different seeds have in common."""

    base_model: dict[str, str]
    """The sha256 of each file of the base model."""
    data: str
    """The sha256 of the file of rows to train on."""


class Changed(Frozen):
    """A setting that another command gave another value, on the way."""

    after_step: int
    """The last step that was saved by then."""
    setting: str
    before: Any
    now: Any


class Record(Frozen):
    """`training/recipe.json`: what was asked, what it resolved to, what it was run with."""

    identity: TrainingIdentity
    job: Job
    changed: tuple[Changed, ...] = ()
    """What changed since the training was begun, in order."""

    def lengthened(self) -> list[dict[str, Any]]:
        """Return the changes of the training's length, as a lineage tells them."""
        return [each.model_dump() for each in self.changed if each.setting in LENGTH]


def read_record(paths: TrainingPaths) -> Record | None:
    """Return the record of the training in a folder; None if none was begun there.

    Raises:
        UserError: the file is not a record; or a model is there that no training of ours made.
    """
    if paths.recipe.is_file():
        return read_value(paths.recipe, Record, "recipe")
    if any(file.suffix == ".safetensors" for file in paths.output.glob("*")):
        raise UserError(
            f"--output {paths.output}: a model is there that was not trained here; "
            "name another folder"
        )
    return None


def write_record(paths: TrainingPaths, record: Record) -> None:
    """Write the record of a training to its folder."""
    paths.training.mkdir(parents=True, exist_ok=True)
    write_atomically(paths.recipe, record.model_dump_json(indent=2) + "\n")


def goes_on(paths: TrainingPaths, earlier: Record | None, record: Record, done: int | None) -> None:
    """Refuse a folder in which another training was begun than ``record`` asks for.

    ``done`` is the last step that is saved there.

    Raises:
        UserError: what differs, and what to do.
    """
    if earlier is None:
        return
    # There are many settings, and the other differences say more: they come first.
    differing = sorted(
        differences(_deciding(earlier.identity), _deciding(record.identity)),
        key=lambda line: line.startswith("settings."),
    )
    further = f"To train a finished checkpoint further: --model {paths.output} --output OTHER"
    if differing:
        raise UserError(
            f"--output {paths.output}: another training was begun there "
            f"({'; '.join(differing[:3])}); name another folder, or give the same command as then "
            f"to resume it. {further}"
        )
    settings = record.identity.settings
    longer = [key for key in LENGTH if earlier.identity.settings.get(key) != settings.get(key)]
    if longer and done is not None and (cause := depends_on_length(settings)):
        told = "; ".join(
            f"{key}: {earlier.identity.settings.get(key)} -> {settings.get(key)}" for key in longer
        )
        raise UserError(
            f"--output {paths.output}: the training there has another length ({told}), and its "
            f"learning rates follow from it ({cause}): the steps that are done would have been "
            "trained otherwise in a training of this length; give the same number of steps as "
            f"then, or name another folder. {further}"
        )


def depends_on_length(settings: Mapping[str, Any]) -> str:
    """Return the setting by which a step's learning rate depends on the number of all steps.

    So it is with verl's cosine and with a warm-up that is a share of all steps (`workers/engine/
    fsdp/transformer_impl.py` of verl 0.9.1, `_build_lr_scheduler`). A save keeps the number of the
    step, and not the curve: resumed with more steps, the rate would jump to another curve.

    >>> depends_on_length({"optim.lr_scheduler_type": "cosine"})
    'optim.lr_scheduler_type=cosine'
    >>> depends_on_length({"optim.lr_warmup_steps": 20, "optim.lr_warmup_steps_ratio": 0.1})
    ''
    """
    for optimiser in OPTIMISERS:
        schedule = settings.get(f"{optimiser}.lr_scheduler_type")
        if schedule not in (None, "constant"):
            return f"{optimiser}.lr_scheduler_type={schedule}"
        share = settings.get(f"{optimiser}.lr_warmup_steps_ratio")
        if share and (settings.get(f"{optimiser}.lr_warmup_steps") or 0) <= 0:
            return f"{optimiser}.lr_warmup_steps_ratio={share}"
    return ""


def require_the_same(paths: TrainingPaths, record: Record) -> None:
    """Of several trainings that share what is prepared, refuse one with another base or data.

    The first of them says which they are. A name on the Hugging Face hub may lead to other files
    by the time that the next one begins.

    Raises:
        UserError: what differs.
    """
    if paths.shared is None:
        return
    file = paths.shared / "prepared.json"
    now = Prepared(base_model=record.identity.base_model, data=record.identity.data)
    if not file.is_file():
        return write_atomically(file, now.model_dump_json(indent=2) + "\n")
    if differing := differences(read_value(file, Prepared, "record of what is prepared"), now):
        raise UserError(
            f"--seeds: the trainings in {paths.shared.parent} begin from the same base model with "
            f"the same data, and these are others now ({'; '.join(differing[:3])}); name the "
            "revision or the files of then, or another --output"
        )


def with_changes(record: Record, earlier: Record | None, done: int | None) -> Record:
    """Return the record with what changed earlier, and what it changes itself."""
    if earlier is None:
        return record
    before, now = earlier.identity.settings, record.identity.settings
    new = [
        Changed(after_step=done or 0, setting=key, before=before.get(key), now=now.get(key))
        for key in (*LENGTH, *TRAINS_NOTHING)
        if before.get(key) != now.get(key)
    ]
    return record.model_copy(update={"changed": (*earlier.changed, *new)})


def is_finished(
    paths: TrainingPaths, earlier: Record | None, record: Record, total: int | None
) -> bool:
    """Say whether the checkpoint that is asked for is there; ``total`` is its step, if known."""
    if earlier is None or not (paths.output / "config.json").is_file():
        return False
    lineage = read_lineage(paths.output)
    if lineage is None or lineage.trainer != record.identity.trainer:
        return False
    if total is not None:
        return lineage.steps == total
    before, now = earlier.identity.settings, record.identity.settings
    return all(before.get(key) == now.get(key) for key in LENGTH)


def refuse_fewer(paths: TrainingPaths, done: int | None, total: int) -> None:
    """Refuse to end a training before a step that it has done.

    Raises:
        UserError: more steps are saved than are asked for.
    """
    if done is not None and done > total:
        raise UserError(
            f"--output {paths.output}: {total} steps are asked for, and {done} are trained there "
            "already; ask for as many or more, or name another folder. A checkpoint of an earlier "
            f"step that was kept is in {paths.checkpoints}"
        )


def _deciding(identity: TrainingIdentity) -> TrainingIdentity:
    """Return an identity without the settings that may change on the way."""
    free = (*LENGTH, *TRAINS_NOTHING)
    deciding = {key: value for key, value in identity.settings.items() if key not in free}
    return identity.model_copy(update={"settings": deciding})
