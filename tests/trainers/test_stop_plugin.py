"""The step after which verl's own trainer ends when it is asked to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainers.verl import keys
from trainers.verl.paths import TrainingPaths
from trainers.verl.plugins.stop import stopping


class Trainer:
    """As much of verl's trainer as the hook uses."""

    def __init__(self, paths: TrainingPaths, *, every: int, total: int) -> None:
        settings = SimpleNamespace(default_local_dir=str(paths.state), save_freq=every)
        self.config = SimpleNamespace(trainer=settings)
        self.total_training_steps, self.global_steps = total, 0
        self.said: list[str] = []

    def _save_checkpoint(self) -> None:
        self.said.append(f"saved {self.global_steps}")


@pytest.mark.parametrize(
    ("every", "asked_in", "said"),
    [
        (10, 3, ["ended 1", "ended 2", "saved 3", "ended 3"]),
        (3, 3, ["ended 1", "ended 2", "ended 3"]),  # verl itself has saved it
        (10, 5, ["ended 1", "ended 2", "ended 3", "ended 4", "ended 5"]),  # and the last one
    ],
)
def test_the_step_is_saved_once_and_is_the_last(
    every: int, asked_in: int, said: list[str], tmp_path: Path
) -> None:
    paths = TrainingPaths(tmp_path)
    paths.training.mkdir()
    trainer = Trainer(paths, every=every, total=5)
    ended: Any = stopping(lambda it: it.said.append(f"ended {it.global_steps}"))
    while trainer.global_steps < trainer.total_training_steps:
        trainer.global_steps += 1
        if trainer.global_steps == asked_in:
            paths.stop.touch()
        ended(trainer)
    assert trainer.said == said


def test_verl_still_has_what_the_hooks_take_hold_of() -> None:
    """What was read in verl 0.9.1; a release that has it otherwise fails here first."""
    trainer = keys.require_verl().parent
    base, sync, supervised = (
        (trainer / name).read_text(encoding="utf-8")
        for name in ("ppo/v1/trainer_base.py", "ppo/v1/trainer_sync.py", "sft_trainer.py")
    )
    loop = base[base.index("progress_bar = tqdm(total=self.total_training_steps") :]
    saved, ended = loop.index("self._save_checkpoint()"), loop.index("self.on_step_end()")
    assert saved < ended < loop.index("self.logger.log(data=metrics")
    assert "self.global_steps <= self.total_training_steps" in loop
    assert "    def on_step_end(self)" in sync
    assert "build_checkpoint_callback(config)" in base
    trained = supervised.index("self.training_client.train_batch(data=data)")
    assert trained < supervised.index("global_step >= self.total_training_steps")
    assert "trainer = SFTTrainer(config=config)" in supervised
