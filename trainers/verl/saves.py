"""verl's own saves (`global_step_N` folders): which are complete, and what can be resumed.

A save is complete once the state of the data loader is there, since verl writes that last.
verl notes the newest step in a file; this note is corrected before verl reads it
(`resume_after`). If the folder that it names is gone, verl begins again from the first step
without saying so.
"""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import UserError
from benchmarks.bounded_json import read_json
from harness.common.files import write_atomically
from trainers.base import TrainSpec

SHARDS = ("model", "optim", "extra_state")
"""The kinds of file that each process writes for itself; resuming needs all of them."""

MOST_PROCESSES = 100_000
"""More GPUs than any training has; a save that says more is damaged."""

STEP = r"step-(\d+)"
"""The names of the folders with an exported checkpoint."""

NOTE = "latest_checkpointed_iteration.txt"
"""The file in which verl looks for the newest save when it resumes by itself."""


def save_folder(state: Path, step: int) -> Path:
    """Return the folder of the save after ``step`` steps."""
    return state / f"global_step_{step}"


def model_folder(saved: Path) -> Path:
    """Return the folder of the model's shards: in saves of GRPO it is ``actor``."""
    actor = saved / "actor"
    return actor if actor.is_dir() else saved


def world_size(saved: Path) -> int | None:
    """Return how many processes wrote a save; None if it does not say."""
    try:
        stated = read_json(model_folder(saved) / "fsdp_config.json")
        size = int(stated["world_size"])
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return None
    return size if 1 <= size <= MOST_PROCESSES else None


def shard(saved: Path, kind: str, *, rank: int, size: int) -> Path:
    """Return the file of process ``rank`` of ``size``; ``kind`` is one of `SHARDS`."""
    return model_folder(saved) / f"{kind}_world_size_{size}_rank_{rank}.pt"


def is_whole(saved: Path) -> bool:
    """Say whether a training can be resumed from a save.

    torch's files are zip archives, whose end is written last: one that was cut off is
    recognised without reading it all.
    """
    size = world_size(saved)
    loader = list(saved.glob("data*.pt"))
    if size is None or not loader:
        return False
    shards = [shard(saved, kind, rank=rank, size=size) for kind in SHARDS for rank in range(size)]
    return all(zipfile.is_zipfile(path) for path in (*loader, *shards))


def saved_steps(state: Path) -> list[int]:
    """List, in order, the steps that have a complete save."""
    return [step for step, saved in _numbered(state, r"global_step_(\d+)") if is_whole(saved)]


def latest(state: Path) -> int | None:
    """Return the last step that has a complete save; None if no step has."""
    return max(saved_steps(state), default=None)


def resume_after(state: Path) -> int | None:
    """Return the step after which verl will resume, and correct verl's note to say the same.

    Without a complete save it returns None and removes the note: verl begins at the first step.
    """
    step = latest(state)
    note = state / NOTE
    if step is None:
        note.unlink(missing_ok=True)
    else:
        write_atomically(note, str(step))
    return step


def check_world_size(saved: Path, processes: int, *, exported: Path) -> None:
    """Refuse to resume a save with another number of processes than wrote it.

    ``exported`` is the folder with the same weights in Hugging Face format.

    Raises:
        UserError: the numbers differ; verl names shards by them and would not find any.
    """
    size = world_size(saved)
    if size is None or size == processes:
        return
    raise UserError(
        f"resume from {saved}: it was saved by {size} processes (GPUs), and this training has "
        f"{processes}; verl can only resume with the same number. Use {size}, or begin a new "
        f"training from the weights alone, with a fresh optimizer: --model {exported}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much of a training stays on the disk."""

    weights: int | None
    """How many of the newest checkpoints; None keeps them all."""
    state: int
    """How many of verl's newest saves, from which a training is resumed."""

    @classmethod
    def of(cls, spec: TrainSpec) -> Kept:
        """Return what a training is asked to keep."""
        weights = spec.keep if spec.keep_weights is None else spec.keep_weights
        return cls(
            weights=None if weights == "all" else weights,
            state=spec.keep if spec.keep_state is None else spec.keep_state,
        )


def keep_last_saves(state: Path, keep: int) -> None:
    """Delete all but the last ``keep`` complete saves, and incomplete ones that are older.

    verl's own `max_actor_ckpt_to_keep` does not know what an earlier launch saved, and leaves
    empty folders. A save newer than the last complete one may still be being written.
    """
    whole = saved_steps(state)[-keep:]
    for step, saved in _numbered(state, r"global_step_(\d+)"):
        if whole and step < whole[-1] and step not in whole:
            _remove(saved)


def checkpoint_steps(checkpoints: Path) -> list[int]:
    """List, in order, the steps that have an exported checkpoint (a `step-N` folder)."""
    return [step for step, _ in _numbered(checkpoints, STEP)]


def keep_last(checkpoints: Path, keep: int | None, *, best: int | None = None) -> None:
    """Delete all but the last ``keep`` of the exported checkpoints, and the one of step ``best``.

    With None all of them stay.
    """
    found = _numbered(checkpoints, STEP)
    for step, folder in found[:-keep] if keep else ():
        if step != best:
            _remove(folder)


def drop_after(checkpoints: Path, step: int) -> list[int]:
    """Delete the checkpoints of later steps, which are trained again; return those steps."""
    later = [(each, folder) for each, folder in _numbered(checkpoints, STEP) if each > step]
    for _, folder in later:
        _remove(folder)
    return [each for each, _ in later]


def size(folder: Path) -> int:
    """Return the bytes of the files in a folder; a hard link counts as its file.

    What is removed meanwhile counts as nothing.
    """
    found = {}
    for path in folder.rglob("*"):
        with suppress(OSError):
            told = path.lstat()
            if stat.S_ISREG(told.st_mode):
                found[told.st_ino] = told.st_size
    return sum(found.values())


def on_disk(state: Path, checkpoints: Path, step: int, kept: Kept) -> str:
    """Say what a save takes on the disk, what all that are kept will take, and what is free.

    While a save is made, the ones that it replaces are still there; and the checkpoint with the
    best validation stays beside the newest. Both are counted.
    """
    saved = size(save_folder(state, step))
    checkpoint = size(checkpoints / f"step-{step:06d}")
    free = shutil.disk_usage(state).free
    if kept.weights is None:
        whole = f"{_bytes(saved * (kept.state + 1))}, and {_bytes(checkpoint)} for each checkpoint"
        short = free < saved + checkpoint
    else:
        most = saved * (kept.state + 1) + checkpoint * (kept.weights + 2)
        here = size(state) + size(checkpoints)
        whole, short = f"up to {_bytes(most)}", free < most - here
    told = (
        f"a save takes {_bytes(saved)} to go on from and {_bytes(checkpoint)} as a checkpoint; "
        f"what is kept takes {whole}; {_bytes(free)} are free"
    )
    return f"{told}: too little, keep fewer (--keep-state, --keep-weights)" if short else told


def _bytes(count: float) -> str:
    """Return a size as people read it.

    >>> _bytes(512), _bytes(1.5 * 2**30)
    ('0.5 KiB', '1.5 GiB')
    """
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} TiB"


def _numbered(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    found = ((re.fullmatch(pattern, path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match and path.is_dir())


def _remove(folder: Path) -> None:
    """Delete a folder; first rename it, so that nothing takes it for a complete one meanwhile."""
    doomed = folder.with_name(f".{folder.name}.removed")
    with suppress(FileNotFoundError):  # another process may delete it at the same time
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
