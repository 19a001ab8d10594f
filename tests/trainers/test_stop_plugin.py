"""The step after which verl's own trainer ends when it is asked to."""

from __future__ import annotations

import sys
from importlib import import_module
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


class Supervised:
    """As much of verl's supervised trainer as the hook uses, with its loop."""

    def __init__(self, paths: TrainingPaths, *, asked_in: int) -> None:
        settings = SimpleNamespace(default_local_dir=str(paths.state))
        self.config = SimpleNamespace(trainer=settings)
        self.training_client = SimpleNamespace(train_batch=self.train_batch)
        self.resume_global_step, self.total_training_steps = 2, 9
        self.said: list[str] = []
        self.paths, self.asked_in = paths, asked_in

    def train_batch(self, *, data: int) -> str:
        if data == self.asked_in:
            self.paths.stop.touch()
        return f"trained {data}"

    def fit(self) -> None:
        for step in range(self.resume_global_step + 1, 100):
            self.said.append(self.training_client.train_batch(data=step))
            if step >= self.total_training_steps:
                return self.said.append(f"saved {step}")


@pytest.mark.parametrize(("asked_in", "last"), [(4, 4), (50, 9)])
def test_a_supervised_training_ends_with_the_step_it_was_asked_in(
    asked_in: int, last: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    # verl itself takes long to import, and warns.
    trainer = SimpleNamespace(SFTTrainer=Supervised)
    for name, module in {
        "verl": SimpleNamespace(),
        "verl.trainer": SimpleNamespace(sft_trainer=trainer),
        "verl.utils": SimpleNamespace(),
        "verl.utils.device": SimpleNamespace(get_device_name=lambda: "cpu"),
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "trainers.verl.plugins.sft", raising=False)
    shared: list[str] = []
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda t, op: shared.append(str(op)))
    plugin = import_module("trainers.verl.plugins.sft")
    monkeypatch.delitem(sys.modules, "trainers.verl.plugins.sft")
    paths = TrainingPaths(tmp_path)
    paths.training.mkdir()
    training = plugin.StoppableTrainer(paths, asked_in=asked_in)
    training.fit()
    assert training.said == [*(f"trained {step}" for step in range(3, last + 1)), f"saved {last}"]
    assert len(shared) == last - 2, "all processes agree after each step"
    assert set(shared) == {"RedOpType.MAX"}


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
