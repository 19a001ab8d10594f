"""What the saves of a training need on the disk, by calculation."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.common.text import counted
from trainers.verl.memory import GIB, ModelSize
from trainers.verl.paths import TrainingPaths
from trainers.verl.saves import Kept
from trainers.verl.saves import size as size_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Saves:
    """The most that is on the disk at a time, in bytes."""

    state: float
    """One state to go on from: the weights, and AdamW's two moments."""
    states: int
    """How many there are at a time: a new one is whole before an old one is removed."""
    checkpoint: int
    """One exported checkpoint."""
    checkpoints: int
    """How many there are at a time; the one with the best validation may stay beside the newest."""
    there: int
    """What an earlier launch left of them."""
    free: int
    """What is free on the disk."""

    @property
    def needed(self) -> float:
        """The bytes of all of them."""
        return self.state * self.states + self.checkpoint * self.checkpoints

    @property
    def fits(self) -> bool:
        """Whether the disk has room for them."""
        return self.needed <= self.free + self.there

    def __str__(self) -> str:
        """Return what they need and what there is."""
        return (
            f"on the disk are, at a time, up to {counted(self.states, 'state')} to go on from of "
            f"{_size(self.state)} (weights, and the optimiser's state), and up to "
            f"{counted(self.checkpoints, 'checkpoint')} of {_size(self.checkpoint)}: "
            f"{_size(self.needed)} in all, of {_size(self.free + self.there)} that are free"
        )


def saves(
    paths: TrainingPaths,
    size: ModelSize,
    *,
    weights: int,
    exported: int,
    kept: Kept,
    total: int | None,
    every: int,
) -> Saves:
    """Return what the saves of a training need.

    Args:
        paths: the training's folders, which need not be there.
        size: the model's sizes.
        weights: the bytes for each number of the trained weights.
        exported: the bytes of the base model's weights, whose formats the exported ones have.
        kept: how many states and checkpoints are kept.
        total: the number of steps, if it is known.
        every: the steps between saves.
    """
    made = None if total is None else max(1, -(-total // every))
    # Of a training whose length is not known, and that keeps all checkpoints, one is counted.
    checkpoints = made or 1 if kept.weights is None else kept.weights + 2
    return Saves(
        state=3.0 * weights * size.parameters,
        states=min(kept.state + 1, made or kept.state + 1),
        checkpoint=exported,
        checkpoints=min(checkpoints, made or checkpoints),
        there=size_of(paths.state) + size_of(paths.checkpoints),
        free=free_space(paths.output),
    )


def free_space(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder, which need not be there yet."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(existing).free


def _size(number: float) -> str:
    """Return a size in the unit that suits it.

    >>> _size(3 * 2**30), _size(5 * 2**20)
    ('3.0 GiB', '5 MiB')
    """
    return f"{number / GIB:.1f} GiB" if number >= GIB else f"{number / 2**20:.0f} MiB"
