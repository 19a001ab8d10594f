"""What the saves of a training need on the disk, by calculation."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from trainers.verl.memory import GIB, ModelSize
from trainers.verl.paths import TrainingPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class Saves:
    """The most that is on the disk at a time, in bytes."""

    each: float
    """One save: the weights, AdamW's two moments, and the exported checkpoint."""
    most: int
    """How many there are at a time: a new one is whole before an old one is removed."""
    there: int
    """What an earlier launch left of them."""
    free: int
    """What is free on the disk."""

    @property
    def fits(self) -> bool:
        """Whether the disk has room for them."""
        return self.each * self.most <= self.free + self.there

    def __str__(self) -> str:
        """Return what they need and what there is."""
        needed = self.each * self.most
        return (
            f"up to {self.most} save{'s' * (self.most > 1)} of {_size(self.each)} "
            f"(weights, the optimiser's state, the exported checkpoint) are on the disk at a time, "
            f"{_size(needed)} in all, of {_size(self.free + self.there)} that are free"
        )


def saves(
    paths: TrainingPaths,
    size: ModelSize,
    *,
    weights: int,
    exported: int,
    keep: int,
    total: int | None,
    every: int,
) -> Saves:
    """Return what the saves of a training need.

    Args:
        paths: the training's folders, which need not be there.
        size: the model's sizes.
        weights: the bytes for each number of the trained weights.
        exported: the bytes of the base model's weights, whose formats the exported ones have.
        keep: how many saves are kept.
        total: the number of steps, if it is known.
        every: the steps between saves.
    """
    made = keep + 1 if total is None else -(-total // every)
    return Saves(
        each=3.0 * weights * size.parameters + exported,
        most=max(1, min(keep + 1, made)),
        there=_held(paths.state) + _held(paths.checkpoints),
        free=free_space(paths.output),
    )


def free_space(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder, which need not be there yet."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(existing).free


def _held(folder: Path) -> int:
    """Return the bytes of a folder's files; a hard link counts as its file."""
    found = {}
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            told = file.stat()
            found[told.st_ino] = told.st_size
    return sum(found.values())


def _size(number: float) -> str:
    """Return a size in the unit that suits it.

    >>> _size(3 * 2**30), _size(5 * 2**20)
    ('3.0 GiB', '5 MiB')
    """
    return f"{number / GIB:.1f} GiB" if number >= GIB else f"{number / 2**20:.0f} MiB"
