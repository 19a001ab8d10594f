"""While verl trains: write the curves, turn saves into checkpoints, and remove old ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.common.files import write_atomically
from harness.models.lineage import LINEAGE, Lineage, read_lineage
from trainers.base import Reporter
from trainers.curves import Step, append, best_validated, read, seconds_left, to_lineage
from trainers.rollouts import SAMPLES, complete_steps, outcomes_of, prune
from trainers.verl import saves
from trainers.verl.export import export
from trainers.verl.lengths import told
from trainers.verl.metrics import Follower
from trainers.verl.paths import TrainingPaths

KEPT_ROLLOUTS = 5
"""Rollout dumps that are kept, of the latest steps and beside the first; each may be megabytes."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Follows one launch of a training from outside."""

    paths: TrainingPaths
    base: Path
    """The base model as the user gave it; checkpoints take over its files."""
    lineage: Lineage
    """The lineage of the checkpoints, still without steps and curves."""
    kept: saves.Kept
    """How many checkpoints are kept, and saves to go on from."""
    total: int
    """The number of the last step."""
    reporter: Reporter
    exported: int | None = None
    """The last step that has a checkpoint."""
    _follower: Follower | None = None
    _said: Path | None = None
    """What the launch prints, until it was looked for prompts that were left out."""
    _counted: set[int] = field(default_factory=set)
    """Steps whose outcomes are in the curves."""

    def follow(self, log: Path) -> None:
        """Read verl's metrics from ``log`` from here on."""
        self._follower = Follower(log)
        self._said = log.with_suffix(".log")
        self._counted = {step.step for step in self._steps() if step.outcomes}

    def take_in(self, log: Path) -> None:
        """Add what an earlier launch logged and dumped, and what nobody read before it ended."""
        known = {step.step for step in self._steps()}
        for step in Follower(log).new():
            if step.step not in known:
                append(self.paths.metrics, step)
        self._counted = {step.step for step in self._steps() if step.outcomes}
        self._count_outcomes(ended=True)

    def tick(self) -> None:
        """Read what happened since the last call."""
        for step in self._follower.new() if self._follower else ():
            self._tell_left_out()
            append(self.paths.metrics, step)
            self._add_validation(step)
            self.reporter.step(step, self.total, seconds_left(self._steps(), self.total))
        self._count_outcomes(ended=False)
        saved = saves.latest(self.paths.state)
        # verl saves a step before it logs the step, and a checkpoint's curves have its own step.
        # The last checkpoint waits for the last step's outcomes, complete when verl has ended.
        new = saved not in (self.exported, self.total)
        if new and any(row.step == saved for row in self._steps()):
            self.export_new()

    def _add_validation(self, step: Step) -> None:
        """Add a validation to the checkpoint of its step, if that is there already without one.

        A launch that goes on validates first what it goes on from.
        """
        folder = self.paths.checkpoint(step.step)
        lineage = read_lineage(folder) if step.validation and folder.is_dir() else None
        if lineage is not None and not lineage.validation:
            told = lineage.model_copy(update={"validation": step.validation})
            write_atomically(folder / LINEAGE, told.model_dump_json(indent=2) + "\n")

    def _tell_left_out(self) -> None:
        """Say once, when there is a step and the data were loaded, which prompts were too long."""
        if self._said is not None:
            for line in told(self._said):
                self.reporter.phase(line)
        self._said = None

    def finish(self) -> None:
        """Read the rest, once verl has ended."""
        self.tick()
        self._count_outcomes(ended=True)
        self.export_new()

    def export_new(self) -> None:
        """Make a checkpoint of verl's last save, if it has none yet."""
        step = saves.latest(self.paths.state)
        if step is None or step == self.exported:
            return
        output = self.paths.checkpoint(step)
        if not output.is_dir():
            self.reporter.phase(f"writing the checkpoint of step {step}")
            self._export(step, output)
        if self.exported is None:
            self.reporter.phase(
                saves.on_disk(self.paths.state, self.paths.checkpoints, step, self.kept)
            )
        saves.keep_last(self.paths.checkpoints, self.kept.weights, best=self.best())
        saves.keep_last_saves(self.paths.state, self.kept.state)
        self.exported = step

    def best(self) -> int | None:
        """Return the step of the checkpoint that did best in its validation; None without one."""
        return best_validated(self._steps(), saves.checkpoint_steps(self.paths.checkpoints))

    def _export(self, step: int, output: Path) -> None:
        done = [row for row in self._steps() if row.step <= step]
        measured = done[-1].validation if done and done[-1].step == step else {}
        lineage = self.lineage.model_copy(
            update={"steps": step, "curves": to_lineage(done), "validation": measured}
        )
        export(
            saves.save_folder(self.paths.state, step),
            self.base,
            output,
            lineage=lineage,
        )

    def _count_outcomes(self, *, ended: bool) -> None:
        """Add each step's outcomes to the curves, as soon as its dump is complete."""
        folder = self.paths.rollouts
        new = [n for n in complete_steps(folder, ended=ended) if n not in self._counted]
        for number in new:
            self._counted.add(number)
            outcomes = outcomes_of(folder / f"{number}.jsonl")
            if outcomes[SAMPLES]:
                row = Step(step=number, accuracy=outcomes["acc"], outcomes=outcomes)
                append(self.paths.metrics, row)
        if new:
            prune(folder, KEPT_ROLLOUTS)

    def _steps(self) -> list[Step]:
        return read(self.paths.metrics) if self.paths.metrics.is_file() else []
