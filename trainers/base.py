"""What a trainer is: a plug-in that turns a base model and data into a checkpoint.

`plan` returns everything that will be run and changes nothing; `train` does it. What passes
between them is a `Job`. It is stored, so that the same command resumes an interrupted training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field

from harness.common.schema import Frozen
from trainers.curves import Step


class TrainSpec(Frozen):
    """One training, as asked."""

    trainer: str
    model: str
    """The base model: a folder, a Hugging Face id, or ``demo``."""
    revision: str | None = None
    """The revision of a Hugging Face id."""
    data: str
    """A folder made by `data build`, or a source from which the trainer builds data."""
    output: Path
    """The checkpoint's folder."""
    prepared: Path | None = None
    """The folder with data and base model prepared for several trainings; None: for this one."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Training steps; None makes as many passes over the data as the recipe says."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """The seed of everything random in the training; numpy takes none of 2**32 or more."""
    settings: dict[str, str] = Field(default_factory=dict)
    """The engine's own keys that the user set, with their values as written."""
    gpus: Annotated[int, Field(ge=1)] | None = None
    """GPUs on each node; None takes all that are visible."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Machines to train on."""
    address: str | None = None
    """The address of a running Ray cluster; None starts Ray on this machine."""
    loggers: tuple[str, ...] = ()
    """Loggers that receive the curves, besides the terminal and `metrics.jsonl`."""
    save_every: Annotated[int, Field(ge=1)] | None = None
    """Steps between checkpoints; None leaves it to the recipe."""
    validate_every: Annotated[int, Field(ge=1)] | None = None
    """Steps between validations; None takes ``save_every``, or else leaves it to the recipe."""
    keep: Annotated[int, Field(ge=1)] = 2
    """How many of the newest checkpoints are kept, and states to go on from."""
    keep_weights: Annotated[int, Field(ge=1)] | Literal["all"] | None = None
    """How many of the newest checkpoints are kept; None takes ``keep``."""
    keep_state: Annotated[int, Field(ge=1)] | None = None
    """How many of the newest states to go on from are kept; None takes ``keep``."""
    save_on_stop: bool = False
    """Whether a training that is stopped finishes its step and saves it."""
    trust_remote_code: bool = False
    """Whether Python files of the base model may run."""
    data_dir: Path | None = None
    """The folder with the benchmarks' files.

    It is needed for data made from a benchmark, and for the contamination check of any data.
    """


class Setting(Frozen):
    """One setting of a resolved recipe."""

    key: str
    """The engine's own name of the setting."""
    value: Any
    origin: str
    """Where the value comes from.

    ``stated`` by the recipe's source; ``engine's default then``: the source leaves it to its
    engine, whose default it was at that time; ``chosen`` by this project or by a flag; ``set`` by
    the user with ``--set``; or ``placed``: it follows from the machine and the folders.
    """
    source: str = ""
    """The document, the script, or the release that has the value, where another one has it."""
    why: str = ""
    """The reason for the value."""


class Job(Frozen):
    """Exactly what a trainer will run."""

    spec: TrainSpec
    recipe: tuple[Setting, ...]
    command: tuple[str, ...]
    """What starts the engine; values that are known only at launch are put in then."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables that are added to the environment."""
    notes: tuple[str, ...] = ()
    """What the user should know before the training starts."""

    def settings(self) -> dict[str, Any]:
        """Return what decides the checkpoint: the recipe without what follows from the machine."""
        return {line.key: line.value for line in self.recipe if line.origin != "placed"}


class Reporter(Protocol):
    """Receives the progress of a training."""

    def phase(self, text: str) -> None:
        """Receive what is being done now."""

    def warn(self, text: str) -> None:
        """Receive what seems to go wrong, and what to do about it; the training goes on."""

    def step(self, step: Step, total: int | None, seconds_left: float | None) -> None:
        """Receive a finished step, the number of all steps, and the seconds left, if known."""


class Trainer(ABC):
    """A way to train; register the class in the entry-point group `harness.trainers`."""

    name: ClassVar[str]
    about: ClassVar[str]
    """One line for `list trainers`."""

    @abstractmethod
    def plan(self, spec: TrainSpec) -> Job:
        """Decide everything that `train` will do, and change nothing.

        Raises:
            UserError: it cannot be done with this model, data, settings or machine.
        """

    @abstractmethod
    def train(self, job: Job, reporter: Reporter) -> Path:
        """Train, or resume what is in the output folder; return the checkpoint's folder.

        The folder is in Hugging Face format and has a `harness.models.lineage.Lineage` beside the
        weights.

        Raises:
            UserError: the training could not be finished; what was saved is still there.
            KeyboardInterrupt: the user stopped it; the same job resumes it.
        """
