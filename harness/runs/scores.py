"""From verdicts to scores. Only here does an outcome become a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

from benchmarks.errata import errata_for
from harness.grading.verdict import Outcome
from harness.runs.record import Average, Run, Score, WithoutErrata
from harness.runs.verdicts import ProblemVerdicts
from harness.stats.intervals import (
    Interval,
    accuracy_interval,
    interval_method,
    mean_interval,
)

MAX_FAILURES = 0.005
"""The share of a benchmark's samples on which grader or engine may fail before its score is
not to be trusted: half a point, less than what two checkpoints differ by."""
FAILURES = {
    "grader": (Outcome.GRADER_TIMEOUT, Outcome.GRADER_ERROR),
    "engine": (Outcome.ENGINE_ERROR,),
}
"""By the part that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkScore:
    """The score of one benchmark, or of some of its problems: counted, recorded or published."""

    benchmark: str
    """The benchmark's name."""
    problems: int
    """How many problems were asked."""
    samples: int
    """How many samples they have together."""
    correct: int | None
    """How many samples are correct; None where only a percentage was published."""
    accuracy: float
    """The mean over the problems of the share of their samples that are correct."""
    interval: Interval
    """The 95 % confidence interval of the accuracy."""
    interval_method: str
    """How the interval was made."""
    whole: bool = True
    """Whether a whole number of correct samples has this accuracy, as far as it was printed."""
    outcomes: Mapping[str, int] | None = None
    """The number of samples with each outcome that occurs; None where it was not published."""
    hit_token_limit: int | None = None
    """How many samples the token limit ended; None where that is not known."""
    looping: int | None = None
    """How many truncated samples were repeating themselves; None where nobody looked."""
    mean_tokens: float | None = None
    """The mean length of a response in tokens; None where no length is known."""

    @classmethod
    def of(cls, benchmark: str, rows: Sequence[ProblemVerdicts]) -> Self:
        """Score a benchmark by the verdicts on its problems."""
        means = [row.accuracy for row in rows]
        samples = sum(row.samples for row in rows)
        lengths = [tokens for row in rows for tokens in row.tokens if tokens is not None]
        return cls(
            benchmark=benchmark,
            problems=len(rows),
            samples=samples,
            correct=sum(row.correct for row in rows),
            accuracy=fmean(means) if means else 0.0,
            interval=accuracy_interval(means, samples=samples),
            interval_method=interval_method(problems=len(rows), samples=samples),
            outcomes=count_outcomes(rows),
            hit_token_limit=_hit_token_limit(rows),
            looping=_looping(rows),
            mean_tokens=fmean(lengths) if lengths else None,
        )

    @property
    def share_at_limit(self) -> float | None:
        """The share of the samples that the token limit ended; None where it is not known."""
        return None if self.hit_token_limit is None else self.hit_token_limit / self.samples

    @property
    def share_looping(self) -> float | None:
        """The share of the samples that are truncated and repeat themselves, where known."""
        return None if self.looping is None else self.looping / self.samples

    @property
    def share_without_answer(self) -> float | None:
        """The share of the samples that ended by themselves and state no answer, where known."""
        if self.outcomes is None or self.hit_token_limit is None:
            return None
        return self.outcomes.get(Outcome.NO_ANSWER, 0) / self.samples


def _hit_token_limit(rows: Sequence[ProblemVerdicts]) -> int | None:
    """Count the samples that the token limit ended; None if that is not known of each."""
    known = [at_limit for row in rows for at_limit in row.at_limit if at_limit is not None]
    return sum(known) if len(known) == sum(row.samples for row in rows) else None


def _looping(rows: Sequence[ProblemVerdicts]) -> int | None:
    """Count the truncated samples that repeat themselves; None if that is not known of each."""
    if any(at_limit is None for row in rows for at_limit in row.at_limit):
        return None
    known = [row.looped for row in rows if row.looped is not None]
    return sum(known) if len(known) == len(rows) else None


def count_outcomes(rows: Iterable[ProblemVerdicts]) -> dict[str, int]:
    """Count every outcome that occurs; known ones come first, in their order."""
    counts = Counter(outcome for row in rows for outcome in row.outcomes)
    order = [*map(str, Outcome), *sorted(counts)]
    return {name: counts[name] for name in dict.fromkeys(order) if counts[name]}


def token_limit(run: Run) -> int | None:
    """Return the most tokens that a response of a run may have; None if the run does not know.

    Saved responses were drawn with limits of their own, and an engine's argument may set one.
    """
    asked = run.spec.engine
    if run.saved is not None or asked.name == "replay":
        return None
    named = [
        asked.args[key] for key in ("max_completion_tokens", "max_tokens") if key in asked.args
    ]
    limit = named[0] if named else run.spec.sampling.max_tokens
    return limit if isinstance(limit, int) else None


def ended_by_context(tokens: int | None, *, at_limit: bool | None, limit: int | None) -> bool:
    """Say whether a response that was cut off is shorter than the run's own limit.

    Then the model's context was full, or a server has a limit of its own.
    """
    return bool(at_limit) and tokens is not None and limit is not None and tokens < limit


def score(
    benchmark: str, rows: Sequence[ProblemVerdicts], *, limit: int | None = None, empty: int = 0
) -> Score:
    """Return what a run's record says of one benchmark, by the verdicts on its problems.

    ``limit`` is the run's `token_limit`; ``empty`` counts the samples that are `Sample.is_empty`.
    """
    found = BenchmarkScore.of(benchmark, rows)
    return Score(
        benchmark=benchmark,
        problems=found.problems,
        samples=found.samples,
        correct=found.correct or 0,
        accuracy=found.accuracy,
        interval=found.interval,
        interval_method=found.interval_method,
        outcomes=dict(found.outcomes or {}),
        at_limit=found.hit_token_limit,
        at_context=sum(
            ended_by_context(tokens, at_limit=cut, limit=limit)
            for row in rows
            for tokens, cut in zip(row.tokens, row.at_limit, strict=True)
        ),
        empty=empty,
        looping=found.looping,
        mean_response_tokens=found.mean_tokens,
        without_errata=_without_errata(benchmark, rows),
    )


def _without_errata(benchmark: str, rows: Sequence[ProblemVerdicts]) -> WithoutErrata | None:
    doubted = {erratum.problem_id for erratum in errata_for(benchmark)}
    kept = [row for row in rows if row.problem_id not in doubted]
    if len(kept) == len(rows):
        return None
    found = BenchmarkScore.of(benchmark, kept)
    return WithoutErrata(
        problems=found.problems,
        samples=found.samples,
        correct=found.correct or 0,
        accuracy=found.accuracy,
    )


def reliability_problems(scores: Iterable[Score], *parts: str) -> list[str]:
    """Return why scores are not to be trusted, a reason for each benchmark and failing part.

    A sample on which the grader or the engine failed counts as not correct, which says nothing
    of the model. ``parts`` names those that are asked about, of `FAILURES`; all without any.
    """
    reasons = []
    for one in scores:
        for part in parts or FAILURES:
            failed = {kind.value: one.outcomes.get(kind.value, 0) for kind in FAILURES[part]}
            count = sum(failed.values())
            if count > MAX_FAILURES * one.samples:
                kinds = ", ".join(f"{number} {kind}" for kind, number in failed.items() if number)
                reasons.append(
                    f"{one.benchmark}: the {part} failed on {count} of {one.samples} samples "
                    f"({kinds}), more than {100 * MAX_FAILURES:g} %"
                )
    return reasons


def average(scores: Sequence[Score | BenchmarkScore]) -> Average:
    """Return the plain mean of the accuracies, as published tables have it."""
    values = [s.accuracy for s in scores]
    return Average(
        accuracy=fmean(values),
        interval=mean_interval(values, [s.interval for s in scores]),
        interval_method="MOVER over the benchmarks' intervals",
    )


OUTDATED = "normal, clustered by problem"
"""The method by which earlier versions made the interval of several samples a problem. It is too
narrow where the problems are few or the accuracy is extreme."""


def with_current_intervals(run: Run, rows: Iterable[ProblemVerdicts]) -> Run:
    """Return a run's record with the intervals that its verdicts have today, and their methods.

    Only `OUTDATED` intervals are made anew, and the average's with them.
    """
    by_benchmark: dict[str, list[ProblemVerdicts]] = {}
    for row in rows:
        by_benchmark.setdefault(row.benchmark, []).append(row)
    scores = tuple(
        _with_current_interval(one, by_benchmark.get(one.benchmark, ())) for one in run.scores
    )
    found = run.average and average(scores)
    return run.model_copy(update={"scores": scores, "average": found})


def _with_current_interval(score: Score, rows: Sequence[ProblemVerdicts]) -> Score:
    if score.interval_method != OUTDATED or not rows:
        return score
    found = BenchmarkScore.of(score.benchmark, rows)
    changes = {"interval": found.interval, "interval_method": found.interval_method}
    return score.model_copy(update=changes)
