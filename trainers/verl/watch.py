"""While verl trains: write the curves, turn saves into checkpoints, and remove old ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.common.files import write_atomically
from harness.models.lineage import LINEAGE, Lineage, read_lineage
from trainers.alarms import Alarms
from trainers.base import Reporter
from trainers.curves import (
    Step,
    best_validated,
    merged,
    put,
    read,
    seconds_left,
    to_lineage,
    totals,
)
from trainers.rollouts import SAMPLES, complete_steps, outcomes_of, prune
from trainers.supervise import Running
from trainers.verl import saves
from trainers.verl.drawn import DrawnSoFar, Sampling, in_vain, nearly_in_vain
from trainers.verl.export import export
from trainers.verl.failures import cause_of_wait
from trainers.verl.lengths import told
from trainers.verl.liveness import CannotGoOnError, Liveness
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
    sampling: Sampling | None = None
    """How a step draws its responses; None if it draws none."""
    exported: int | None = None
    """The last step that has a checkpoint."""
    _follower: Follower | None = None
    _said: Path | None = None
    """What the launch prints, until it was looked for prompts that were left out."""
    _counted: set[int] = field(default_factory=set)
    """Steps whose outcomes are in the curves."""
    _done: int = 0
    """The last step that was logged."""
    _warned: bool = False
    """Whether it was said that a step draws nearly in vain."""
    _drawn: DrawnSoFar | None = None
    _liveness: Liveness | None = None
    _alarms: Alarms = field(default_factory=Alarms)

    def follow(self, log: Path) -> None:
        """Read verl's metrics from ``log`` from here on, and what it prints beside it."""
        self._follower = Follower(log)
        self._said = log.with_suffix(".log")
        steps = self.steps()
        self._counted = {step.step for step in steps if step.outcomes}
        self._done = max((step.step for step in steps), default=0)
        self._drawn = self._draws()
        if self._drawn:
            self._drawn.forget(self._done)
        self._liveness = Liveness(self._said)
        self._liveness.learn(_durations(steps))

    def take_in(self, log: Path) -> None:
        """Add what an earlier launch logged and dumped, and what nobody read before it ended."""
        drawn = self._draws()
        steps = [_with_drawn(step, drawn) for step in Follower(log).new()]
        put(self.paths.metrics, *steps)
        self._counted = {step.step for step in self.steps() if step.outcomes}
        self._count_outcomes(ended=True)

    def tick(self) -> None:
        """Read what happened since the last call.

        Raises:
            CannotGoOnError: the training cannot go on; the text says why.
        """
        self._take_new()
        self._check()

    def look(self, processes: Mapping[int, Running]) -> None:
        """Take in the processes that live now, by their ids."""
        if self._liveness:
            self._liveness.look(processes)

    def stop(self, saying: str) -> None:
        """Note that the training is being stopped: what it does not do any more is no fault."""
        self._liveness = None
        self.reporter.phase(saying)

    @property
    def complete(self) -> bool:
        """Whether the last step is done and saved, whatever verl still does."""
        done = any(step.step == self.total for step in self.steps())
        return done and saves.latest(self.paths.state) == self.total

    def _take_new(self) -> None:
        if self._drawn and self._drawn.look():
            self._note_life()
        for step in self._follower.new() if self._follower else ():
            self._tell_left_out()
            step = _with_drawn(step, self._drawn)
            put(self.paths.metrics, step)
            self._add_validation(step)
            steps = self.steps()
            self.reporter.step(step, self.total, seconds_left(steps, self.total))
            for line in self._alarms.new(steps):
                self.reporter.warn(line)
            self._note_life(step)
            self._done = step.step
            if self._drawn:
                self._drawn.forget(step.step)
        self._count_outcomes(ended=False)
        saved = saves.latest(self.paths.state)
        # verl saves a step before it logs the step, and a checkpoint's curves have its own step.
        # The last checkpoint waits for the last step's outcomes, complete when verl has ended.
        new = saved not in (self.exported, self.total)
        if new and any(row.step == saved for row in self.steps()):
            self._note_life()
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

    def _check(self) -> None:
        """See whether the training goes on."""
        if self._liveness is None:
            return
        try:
            if line := self._liveness.check():
                self.reporter.warn(line)
        except CannotGoOnError as error:
            raise CannotGoOnError(cause_of_wait(self._liveness.log, str(error))) from error
        step = self._done + 1
        drawn = self._drawn.of(step) if self._drawn else None
        if not drawn or not self.sampling:
            return
        if line := in_vain(step, drawn, self.sampling):
            raise CannotGoOnError(line)
        if not self._warned and (line := nearly_in_vain(step, drawn, self.sampling)):
            self._warned = True
            self.reporter.warn(line)

    def _note_life(self, step: Step | None = None) -> None:
        if self._liveness is None:
            return
        trained = step is not None and step.step > 0 and step.seconds is not None
        self._liveness.is_alive(step=trained)
        if step is not None:
            self._liveness.learn(_durations([step]))

    def _draws(self) -> DrawnSoFar | None:
        return DrawnSoFar(self.paths.rollouts, self.sampling.rollouts) if self.sampling else None

    def _tell_left_out(self) -> None:
        """Say once, when there is a step and the data were loaded, which prompts were too long."""
        if self._said is not None:
            for line in told(self._said):
                self.reporter.phase(line)
        self._said = None

    def finish(self) -> None:
        """Read the rest, once verl has ended."""
        self._take_new()
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
        return best_validated(self.steps(), saves.checkpoint_steps(self.paths.checkpoints))

    def _export(self, step: int, output: Path) -> None:
        done = [row for row in self.steps() if row.step <= step]
        measured = done[-1].validation if done and done[-1].step == step else {}
        told = {
            "steps": step,
            "curves": to_lineage(done),
            "validation": measured,
            "totals": totals(done),
        }
        lineage = self.lineage.model_copy(update=told)
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
                put(self.paths.metrics, row)
        if new:
            prune(folder, KEPT_ROLLOUTS)

    def steps(self) -> list[Step]:
        """Return the steps that are in the curves."""
        return read(self.paths.metrics) if self.paths.metrics.is_file() else []


def _durations(steps: Iterable[Step]) -> list[float]:
    """Return how long the steps took, each with its validation, in seconds."""
    return [(step.seconds or 0.0) + (step.validation_seconds or 0.0) for step in steps]


def _with_drawn(step: Step, drawn: DrawnSoFar | None) -> Step:
    """Add what was drawn for a step, which is all graded by the time that it is logged."""
    if drawn is None:
        return step
    drawn.look()
    found = drawn.of(step.step)
    return step if found is None else merged(step, found.as_row(step.step))
