"""What can be compared: a stored run, or a row that somebody published.

Both have scores; a run has its verdicts besides, if it was stored with them, and says how it
was made. What is not stated is unknown, and never taken for equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import UserError
from benchmarks.hints import hint, word
from harness.common.files import file_sum
from harness.grading.version import comparable_version
from harness.models.lineage import Lineage, read_lineage
from harness.runs.identity import UNKNOWN_STYLE
from harness.runs.published import Published, PublishedResult
from harness.runs.record import Run, Score
from harness.runs.scores import OUTDATED, BenchmarkScore, with_current_intervals
from harness.runs.verdicts import VERDICTS, ProblemVerdicts, read_verdicts
from harness.stats.intervals import Interval, mean_interval, wilson

PUBLISHED_ID = "published:"
ROUNDING = 1e-6
"""How far an accuracy that was added up in another order may be from another."""
"""How a published row's id begins; its name follows. So it is found though a run has that name."""

Settings = Mapping[str, str]
"""Name of a setting to its value as text; one that is not known is left out."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A stored run or a published row."""

    name: str
    id: str
    """The run's, or ``published:`` and the row's name."""
    scores: Mapping[str, BenchmarkScore]
    """By benchmark."""
    path: Path | None = None
    """The run's folder."""
    run: Run | None = None
    source: Published | None = None
    row: PublishedResult | None = None

    @property
    def average(self) -> float | None:
        """The plain mean of the benchmarks' accuracies."""
        return fmean(s.accuracy for s in self.scores.values()) if self.scores else None

    @property
    def average_interval(self) -> Interval | None:
        """The 95 % confidence interval of the average, by `mean_interval`."""
        scores = list(self.scores.values())
        if not scores:
            return None
        return mean_interval([s.accuracy for s in scores], [s.interval for s in scores])

    @cached_property
    def verdicts(self) -> Mapping[str, list[ProblemVerdicts]] | None:
        """The verdicts by benchmark; None where only counts exist.

        Raises:
            UserError: the file of verdicts is not the one that the scores were taken from.
        """
        rows = None if self.path is None else read_verdicts(self.path)
        if rows is None or self.run is None or self.path is None:
            return None
        _require_sum(self.path / VERDICTS, self.run.verdicts_sum)
        by_benchmark: dict[str, list[ProblemVerdicts]] = {name: [] for name in self.scores}
        for row in rows:
            by_benchmark.setdefault(row.benchmark, []).append(row)
        for name, score in self.scores.items():
            counted = sum(row.correct for row in by_benchmark[name])
            if counted != score.correct:
                raise UserError(
                    f"{self.path}: the record says {score.correct} correct of {name} and the "
                    f"verdicts {counted}; one was edited: take both from where they were copied"
                )
            means = [row.correct / row.samples for row in by_benchmark[name] if row.samples]
            if abs((fmean(means) if means else 0.0) - score.accuracy) > ROUNDING:
                raise UserError(
                    f"{self.path}: the record says an accuracy of {score.accuracy:.4f} on {name}, "
                    "and the verdicts another; one was edited: take both from where they were "
                    "copied"
                )
        return by_benchmark

    def require_counted(self) -> None:
        """Read the verdicts of a complete run, and refuse scores that are not their counts.

        Whoever shows a run's scores, and nothing else of it, asks here first.

        Raises:
            UserError: the record or the verdicts were changed; see `verdicts`.
        """
        if self.run is not None and self.run.status == "complete":
            _ = self.verdicts

    @cached_property
    def lineage(self) -> Lineage | None:
        """How the run's checkpoint was trained, if that is known."""
        return None if self.path is None else read_lineage(self.path)

    @cached_property
    def settings(self) -> Settings:
        """What two results have to share if their difference is to be the model's.

        Neither the seed nor the number of samples is among them: they change how well an
        accuracy is known, and not what it is an estimate of.
        """
        if self.row is not None:
            return {name: _text(value) for name, value in self.row.settings.items()}
        if self.run is None:
            return {}
        settings = {"grader": comparable_version(self.run.identity.grader)}
        for name, identity in self.run.identity.benchmarks.items():
            settings[f"benchmarks.{name}.conventions"] = identity.conventions
        # Saved generations do not say how they were drawn; their spec holds placeholders.
        if self.run.saved is None or self.run.spec.prompt.style != UNKNOWN_STYLE:
            settings |= _flat("prompt", self.run.spec.prompt.model_dump(mode="json"))
        if self.run.saved is None:
            sampling = self.run.spec.sampling.model_dump(
                mode="json", exclude={"seed", "n", "n_by_benchmark"}
            )
            settings |= _flat("sampling", sampling)
        return settings


def _flat(prefix: str, fields: Mapping[str, Any]) -> dict[str, str]:
    return {f"{prefix}.{name}": _text(value) for name, value in fields.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def of_run(path: Path, run: Run) -> Result:
    """Return the result of a stored run.

    Intervals that an earlier version recorded by an `OUTDATED` method are made anew from the
    run's verdicts, so that all that is shown of the run agrees; without its verdicts they stay as
    recorded, with their method.
    """
    if any(score.interval_method == OUTDATED for score in run.scores):
        run = _current(path, run)
    scores = {score.benchmark: _of_score(score) for score in run.scores}
    return Result(name=run.name, id=run.id, scores=scores, path=path, run=run)


def _current(path: Path, run: Run) -> Run:
    file = path / VERDICTS
    if not file.is_file() or file_sum(file) != run.verdicts_sum:
        return run
    return with_current_intervals(run, read_verdicts(path) or ())


def _of_score(score: Score) -> BenchmarkScore:
    return BenchmarkScore(
        benchmark=score.benchmark,
        problems=score.problems,
        samples=score.samples,
        correct=score.correct,
        accuracy=score.accuracy,
        interval=score.interval,
        interval_method=score.interval_method,
        outcomes=score.outcomes,
        hit_token_limit=score.at_limit,
        looping=score.looping,
        mean_tokens=score.mean_response_tokens,
    )


def of_published(source: Published, row: PublishedResult) -> Result:
    """Return the result of a published row.

    How the samples of a problem cluster was not published, so an interval counts problems.
    """
    scores = {
        name: BenchmarkScore(
            benchmark=name,
            problems=score.problems,
            samples=score.samples,
            correct=score.correct,
            accuracy=score.share,
            interval=wilson(score.share * score.problems, score.problems),
            interval_method="wilson",
            whole=score.is_whole,
        )
        for name, score in row.scores.items()
    }
    return Result(
        name=row.name, id=f"{PUBLISHED_ID}{row.name}", scores=scores, source=source, row=row
    )


def _require_sum(path: Path, expected: str | None) -> None:
    found = file_sum(path)
    if found != expected:
        folder = word(str(path.parent))
        raise UserError(
            f"{path} is not the file that the run's scores were taken from: its sum is "
            f"{found[:12]}… and the record says {(expected or 'none')[:12]}…; take the file from "
            f"where it was copied, or grade the samples again: {hint(f'regrade {folder}')}"
        )
