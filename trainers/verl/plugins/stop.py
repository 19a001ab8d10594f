"""A GRPO training that ends after the step that it is in, saved, when a file asks for it.

verl has no order to stop (0.9.1): it saves at every so many steps and at the last one. The file
lies beside the folder of saves. verl makes the class below where its trainer is, once
(`trainer.checkpoint_callback_class`, in `trainer/ppo/v1/trainer_base.py`); verl's own end of a
step is then preceded by ours, at the place where verl saves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainers.verl.paths import STOP


class StopWhenAsked:
    """Has the training look, at the end of each step, whether it is to stop.

    It is one of verl's checkpoint callbacks (`trainer/ppo/checkpoint_callback.py`).
    """

    def __init__(self, config: Any = None) -> None:
        """Take the place of the end of a step, for the one trainer of this process."""
        from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

        PPOTrainerSync.on_step_end = stopping(PPOTrainerSync.on_step_end)

    def on_save(self, **what: Any) -> None:
        """Do nothing after a save."""


def stopping(on_step_end: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return an end of a step that first saves it and makes it the last, if that is asked for."""

    @functools.wraps(on_step_end)
    def ended(trainer: Any) -> None:
        settings, step = trainer.config.trainer, trainer.global_steps
        if Path(settings.default_local_dir).with_name(STOP).exists():
            is_saved = step >= trainer.total_training_steps or step % settings.save_freq == 0
            if not is_saved:
                trainer._save_checkpoint()
            # The loop ends once it has logged this step: it compares the next step with this.
            trainer.total_training_steps = step
        on_step_end(trainer)

    return ended
