"""verl's own saves (`global_step_N` folders): which are whole, and who can go on from them.

A save is whole once the state of the data loader is there, since verl writes that last of
all. Its own note of the newest step is corrected before it is read (`resume_after`): where the
folder that it names is gone, verl begins again from nothing without a word.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

from benchmarks import UserError
from harness.common.files import write_atomically

SHARDS = ("model", "optim", "extra_state")
"""What each process of a training writes for itself, without all of which none can go on."""

NOTE = "latest_checkpointed_iteration.txt"
"""Where verl, told to resume by itself, looks which save is the newest."""


def save_folder(state: Path, step: int) -> Path:
    """Return the folder of the save after ``step`` steps."""
    return state / f"global_step_{step}"


def model_folder(saved: Path) -> Path:
    """Return where in a save the model's shards are: verl's SFT trainer has no actor."""
    actor = saved / "actor"
    return actor if actor.is_dir() else saved


def world_size(saved: Path) -> int | None:
    """Return how many processes wrote a save; None if it does not say."""
    try:
        stated = json.loads((model_folder(saved) / "fsdp_config.json").read_text(encoding="utf-8"))
        return int(stated["world_size"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def shard(saved: Path, kind: str, *, rank: int, size: int) -> Path:
    """Return the file of one process of ``size``; ``kind`` is one of `SHARDS`."""
    return model_folder(saved) / f"{kind}_world_size_{size}_rank_{rank}.pt"


def is_whole(saved: Path) -> bool:
    """Say whether a training can go on from a save.

    torch's files are zip archives, whose end is written last: one that was cut off is
    told without reading it.
    """
    size = world_size(saved)
    loader = list(saved.glob("data*.pt"))
    if size is None or not loader:
        return False
    shards = [shard(saved, kind, rank=rank, size=size) for kind in SHARDS for rank in range(size)]
    return all(zipfile.is_zipfile(path) for path in (*loader, *shards))


def saved_steps(state: Path) -> list[int]:
    """List, in order, the steps after which there is a whole save."""
    return [step for step, saved in _numbered(state, r"global_step_(\d+)") if is_whole(saved)]


def latest(state: Path) -> int | None:
    """Return the last step after which there is a whole save; None if there is none."""
    return max(saved_steps(state), default=None)


def resume_after(state: Path) -> int | None:
    """Return the step after which verl will go on, having made its note of it say so.

    None, and no note, if there is no whole save: verl begins at the beginning.
    """
    step = latest(state)
    note = state / NOTE
    if step is None:
        note.unlink(missing_ok=True)
    else:
        write_atomically(note, str(step))
    return step


def check_world_size(saved: Path, processes: int, *, exported: Path) -> None:
    """Refuse to go on from a save with another number of processes than wrote it.

    ``exported`` is where the same weights are in Hugging Face format.

    Raises:
        UserError: the numbers differ; verl names shards by them and would find none.
    """
    size = world_size(saved)
    if size is None or size == processes:
        return
    raise UserError(
        f"resume from {saved}: it was saved by {size} processes (GPUs), and this training has "
        f"{processes}; verl can only go on with as many. Resume with {size}, or begin a new "
        f"training from the weights alone, with a fresh optimizer: --model {exported}"
    )


def keep_last_saves(state: Path, keep: int) -> None:
    """Delete all but the last ``keep`` whole saves, and what is left of older ones.

    verl's own `max_actor_ckpt_to_keep` forgets what an earlier launch saved, and leaves the
    folders of what it deletes. A save newer than the last whole one may be in the making.
    """
    whole = saved_steps(state)[-keep:]
    for step, saved in _numbered(state, r"global_step_(\d+)"):
        if whole and step < whole[-1] and step not in whole:
            _remove(saved)


def keep_last(checkpoints: Path, keep: int) -> None:
    """Delete all but the last ``keep`` of the exported checkpoints (`step-N` folders)."""
    for _, folder in _numbered(checkpoints, r"step-(\d+)")[:-keep]:
        _remove(folder)


def _numbered(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    found = ((re.fullmatch(pattern, path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match and path.is_dir())


def _remove(folder: Path) -> None:
    """Delete a folder that nobody shall take for a whole one meanwhile."""
    doomed = folder.with_name(f".{folder.name}.removed")
    with suppress(FileNotFoundError):  # two may clean up at once
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
