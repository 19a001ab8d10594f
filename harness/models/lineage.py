"""A checkpoint's lineage: what it was trained from, in `lineage.json` beside its weights.

A trainer writes the file, and each run of the checkpoint copies it. Only what a
comparison shows is read here; any other field stays in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.common.schema import read_value

LINEAGE = "lineage.json"


class Curves(BaseModel):
    """How the training went, as columns of equal length with one value per step."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    step: tuple[int, ...]
    """The number of each step."""
    reward: tuple[float | None, ...] = ()
    """Mean reward of the step's rollouts."""
    response_length: tuple[float | None, ...] = ()
    """Mean length of the step's rollouts, in tokens."""

    @model_validator(mode="after")
    def _columns_run_in_parallel(self) -> Curves:
        for column in (self.reward, self.response_length):
            if column and len(column) != len(self.step):
                raise ValueError(f"a column of {len(column)} values over {len(self.step)} steps")
        return self


class Lineage(BaseModel):
    """A checkpoint's history."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    schema_version: Literal[1] = 1
    """The version of the file's format."""
    trainer: str | None = None
    """The trainer's name."""
    base_model: dict[str, Any] = Field(default_factory=dict)
    """The model it was trained from: its name, and file name to sha256."""
    data: dict[str, Any] = Field(default_factory=dict)
    """The data it was trained on: source, style, rows and checksums."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """All settings of the training, resolved."""
    packages: dict[str, str] = Field(default_factory=dict)
    """The installed versions of the packages that trained it."""
    steps: int | None = None
    """How many steps it was trained for."""
    curves: Curves | None = None
    """How the training went."""
    validation: dict[str, float] = Field(default_factory=dict)
    """Means over the held-out rows after the last of these steps, by the trainer's names; empty
    if nothing was validated then."""
    totals: dict[str, int] = Field(default_factory=dict)
    """What was left out of the training: steps with a skipped update, and groups of responses."""

    def settings(self) -> dict[str, Any]:
        """Return the fields by which two checkpoints can differ: not how the training went."""
        went = {"curves", "validation", "totals"}
        return self.model_dump(mode="json", exclude={"schema_version", *went})


def read_lineage(folder: Path) -> Lineage | None:
    """Return the lineage in a checkpoint's or a run's folder; None if there is none.

    Raises:
        UserError: the file is not a lineage.
    """
    path = folder / LINEAGE
    return read_value(path, Lineage, "lineage") if path.is_file() else None


def lineage_bytes(folder: Path) -> bytes | None:
    """Return the bytes of a folder's lineage file; None if there is none.

    Raises:
        UserError: the file is not a lineage.
    """
    return (folder / LINEAGE).read_bytes() if read_lineage(folder) is not None else None
