"""What a trainer is: a plug-in that turns a base model and data into a checkpoint.

`plan` says everything that will be run and touches nothing; `train` does it. Between
them stands a `Job`, which is stored, so that a training that is given again goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field

from harness.common.schema import Frozen
from trainers.curves import Step


class TrainSpec(Frozen):
    """One training, as asked."""

    trainer: str
    model: str
    """The base model: a folder, a Hugging Face id, or ``demo``."""
    revision: str | None = None
    """Of a Hugging Face id."""
    data: str
    """A folder made by `data build`, or a source that the trainer builds from in its own style."""
    output: Path
    """The checkpoint's folder."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """None goes once, or as often as the recipe says, through the data."""
    seed: int = 42
    settings: dict[str, str] = Field(default_factory=dict)
    """The engine's own keys that differ from the recipe, as given."""
    gpus: Annotated[int, Field(ge=1)] | None = None
    """On each node; None takes all there are."""
    nodes: Annotated[int, Field(ge=1)] = 1
    address: str | None = None
    """Of a Ray cluster that runs already."""
    loggers: tuple[str, ...] = ()
    """Where the curves go besides the terminal and `metrics.jsonl`."""
    save_every: Annotated[int, Field(ge=1)] | None = None
    """Steps between checkpoints; None leaves it to the recipe."""
    keep: Annotated[int, Field(ge=1)] = 2
    """The newest checkpoints that stay."""
    trust_remote_code: bool = False
    """Whether Python files of the base model may run."""
    data_dir: Path | None = None
    """Where the benchmarks' files are, for data made from one and for its contamination check."""


class Setting(Frozen):
    """One line of a resolved recipe."""

    key: str
    """The engine's own name for it."""
    value: Any
    origin: str
    """`stated` by the recipe's source, `chosen` by this project, `placed` by the machine, `set`."""
    why: str = ""


class Job(Frozen):
    """Exactly what a trainer will run."""

    spec: TrainSpec
    recipe: tuple[Setting, ...]
    command: tuple[str, ...]
    environment: dict[str, str] = Field(default_factory=dict)
    """What is added to the environment."""
    notes: tuple[str, ...] = ()
    """What a reader should know before it starts."""

    def settings(self) -> dict[str, Any]:
        """Return what decides the checkpoint: the recipe without where it was run."""
        return {line.key: line.value for line in self.recipe if line.origin != "placed"}


class Reporter(Protocol):
    """Who is told how a training goes."""

    def phase(self, text: str) -> None:
        """Take note of what is being done now."""

    def step(self, step: Step, total: int | None, seconds_left: float | None) -> None:
        """Take note of a finished step."""


class Trainer(ABC):
    """A way to train; register the class in the entry-point group `harness.trainers`."""

    name: ClassVar[str]
    about: ClassVar[str]
    """One line for `list trainers`."""

    @abstractmethod
    def plan(self, spec: TrainSpec) -> Job:
        """Settle everything that `train` will do, and touch nothing.

        Raises:
            UserError: a model, data, key or machine with which it cannot be done.
        """

    @abstractmethod
    def train(self, job: Job, reporter: Reporter) -> Path:
        """Train, or go on with what the output folder holds, and return the checkpoint's folder.

        The folder is in Hugging Face format and has a `harness.models.lineage.Lineage` beside the
        weights.

        Raises:
            UserError: it could not be finished; what was saved is still there.
            KeyboardInterrupt: it was stopped; the same job goes on.
        """
