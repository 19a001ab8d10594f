"""Where a training keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainers.base import TrainSpec

STOP = "stop"
"""The name of the file, beside verl's saves, that asks a training to end after its step."""


@dataclass(frozen=True, slots=True)
class TrainingPaths:
    """The files and folders of one training, below its output folder."""

    output: Path
    """The checkpoint's folder."""
    shared: Path | None = None
    """The folder with what is prepared once for several trainings."""

    @classmethod
    def of(cls, spec: TrainSpec) -> TrainingPaths:
        """Return where a training keeps its files."""
        shared = None if spec.prepared is None else spec.prepared.absolute()
        return cls(spec.output.absolute(), shared)

    @property
    def training(self) -> Path:
        """The folder of everything but the checkpoint itself."""
        return self.output / "training"

    @property
    def checkpoints(self) -> Path:
        """The folder with a checkpoint for each of the last saves, ready for evaluation."""
        return self.output / "checkpoints"

    @property
    def recipe(self) -> Path:
        """The record of what is run, which a later launch has to match."""
        return self.training / "recipe.json"

    @property
    def data(self) -> Path:
        """The training data, if the trainer built them."""
        return (self.shared or self.training) / "data"

    @property
    def conversations(self) -> Path:
        """The rows of supervised fine-tuning, as verl reads them."""
        return self.training / "conversations"

    @property
    def metrics(self) -> Path:
        """The curves, one row a step."""
        return self.training / "metrics.jsonl"

    @property
    def logs(self) -> Path:
        """The folder with a log of verl for each launch."""
        return self.training / "logs"

    @property
    def rollouts(self) -> Path:
        """The folder with prompts, responses and scores of the first and the latest steps."""
        return self.training / "rollouts"

    @property
    def state(self) -> Path:
        """The folder of verl's own saves, from which a training is resumed."""
        return self.training / "state"

    @property
    def stop(self) -> Path:
        """The file that asks the training to end after its step, saved."""
        return self.training / STOP

    @property
    def resume(self) -> Path:
        """The folder of links to a save, where verl cannot resume from the save itself."""
        return self.training / "resume"

    @property
    def base(self) -> Path:
        """The base model in the form that verl needs, if its own folder does not do."""
        return (self.shared or self.training) / "base"

    def checkpoint(self, step: int) -> Path:
        """Return the folder of the checkpoint of a step."""
        return self.checkpoints / f"step-{step:06d}"

    def launches(self) -> int:
        """Return how often the training was launched so far."""
        return len(list(self.logs.glob("launch-*.log")))
