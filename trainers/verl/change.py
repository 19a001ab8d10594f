"""A training whose weights are its base model's is no success."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import UserError
from trainers.curves import Step, totals
from trainers.verl.export import trained_files


def is_same(checkpoint: Path, base: Path) -> bool:
    """Say whether every tensor of a checkpoint is as its base stores it.

    It stops at the first tensor that differs. In most trainings that is the first one, so little
    is read.
    """
    import torch
    from safetensors import safe_open

    stored = {name: file for file in trained_files(base) for name in _names(file)}
    for file in trained_files(checkpoint):
        with safe_open(file, framework="pt") as new:
            for name in new.keys():  # noqa: SIM118 - it is not a mapping
                with safe_open(stored[name], framework="pt") as old:
                    if not torch.equal(new.get_tensor(name), old.get_tensor(name)):
                        return False
    return True


def require_change(checkpoint: Path, base: Path, steps: Sequence[Step]) -> None:
    """Refuse to call a checkpoint trained if it is its base model.

    Raises:
        UserError: no weight has changed.
    """
    if not is_same(checkpoint, base):
        return
    trained = [step for step in steps if step.reward is not None or step.loss is not None]
    if skipped := totals(trained).get("skipped_steps", 0):
        why = (
            f"in {skipped} of {len(trained)} steps an update was skipped, because its "
            "gradient was NaN or infinite: a setting may not be a number (see --set), or the base "
            "model may not be in order"
        )
    elif trained and all(step.even_groups == 1 for step in trained):
        why = (
            "in every group all rewards were equal, so there was nothing to learn from: take "
            "problems that the model solves now and then, or draw more responses to each"
        )
    else:
        why = (
            "the changes were smaller than the number format of the base model can hold: train "
            "for more steps, or with a higher learning rate"
        )
    raise UserError(
        f"training has ended, and no weight is other than the base model's: {why}. The checkpoint "
        f"is in {checkpoint}; to begin again, name another --output"
    )


def _names(file: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as stored:
        return list(stored.keys())
