"""What a plan says of a training's schedule, time and disk, or refuses because of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import UserError
from harness.common.text import duration
from trainers.base import TrainSpec
from trainers.curves import read, seconds_left
from trainers.verl import command as verl_command
from trainers.verl import disk, memory
from trainers.verl.export import trained_files
from trainers.verl.paths import TrainingPaths
from trainers.verl.saves import Kept

WARMUPS = ("actor_rollout_ref.actor.optim.lr_warmup_steps", "optim.lr_warmup_steps")
"""The keys with the steps in which the learning rate rises, of verl's two trainers."""


def on_schedule(values: Mapping[str, Any], total: int | None) -> Iterator[str]:
    """Yield what is strange about the sizes of a training with so many steps."""
    prompts, update = (values.get(key) for key in (verl_command.BATCH, verl_command.MINI_BATCH))
    if update and prompts and prompts % update:
        yield (
            f"a step's last update has {prompts % update} prompts, and the others have {update}: "
            f"{verl_command.BATCH} is no multiple of {verl_command.MINI_BATCH}"
        )
    for key in WARMUPS:
        warmup = values.get(key)
        if total is not None and isinstance(warmup, int) and warmup >= total:
            yield (
                f"the warm-up of {warmup} steps ({key}) is as long as the training of {total} or "
                "longer: the learning rate never reaches its full value"
            )


def on_time(paths: TrainingPaths, total: int | None) -> str:
    """Say how long it takes, where steps of an earlier launch tell it."""
    left = seconds_left(read(paths.metrics), total) if total is not None else None
    if left is None:
        return "how long it takes is not known before the first steps are done"
    return f"by the steps that are done already, {duration(left)} are left"


def on_disk(
    spec: TrainSpec, values: Mapping[str, Any], model: Path, total: int | None, weights: int
) -> str:
    """Say what the saves need on the disk; ``weights`` are the bytes for a number of the weights.

    Raises:
        UserError: the disk has less.
    """
    size = memory.model_size(model)
    if size is None:
        return "what the saves need on the disk is not calculated: the model's sizes are not known"
    needed = disk.saves(
        TrainingPaths(spec.output.absolute()),
        size,
        weights=weights,
        exported=sum(file.stat().st_size for file in trained_files(model)),
        kept=Kept.of(spec),
        total=total,
        every=verl_command.count(values, verl_command.SAVE),
    )
    if not needed.fits:
        raise UserError(
            f"--output {spec.output}: {needed}, which is too little; free some space, name a "
            "folder on another disk, or keep less: --keep-state, --keep-weights"
        )
    return str(needed)
