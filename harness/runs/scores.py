"""From verdicts to scores. Only here does an outcome become a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from statistics import fmean

from benchmarks.errata import errata_for
from harness.grading import Outcome
from harness.runs.record import Average, Score, WithoutErrata
from harness.runs.verdicts import ProblemVerdicts
from harness.stats.intervals import accuracy_interval, mean_interval

MAX_FAILURES = 0.005
"""The share of a benchmark's samples on which grader or engine may fail before its score is
not to be trusted: half a point, less than what two checkpoints differ by."""
FAILURES = {
    "grader": (Outcome.GRADER_TIMEOUT, Outcome.GRADER_ERROR),
    "engine": (Outcome.ENGINE_ERROR,),
}
"""By the part that failed."""


def score(benchmark: str, rows: Sequence[ProblemVerdicts]) -> Score:
    """Score one benchmark by the verdicts on its problems."""
    means = [row.accuracy for row in rows]
    samples = sum(row.samples for row in rows)
    counts = Counter(outcome for row in rows for outcome in row.outcomes)
    lengths = [tokens for row in rows for tokens in row.tokens if tokens is not None]
    single = len(means) == samples
    return Score(
        benchmark=benchmark,
        problems=len(means),
        samples=samples,
        correct=counts[Outcome.CORRECT],
        accuracy=fmean(means) if means else 0.0,
        interval=accuracy_interval(means, samples=samples),
        interval_method="wilson" if single else "normal, clustered by problem",
        outcomes={outcome.value: counts[outcome] for outcome in Outcome if counts[outcome]},
        at_limit=sum(sum(row.at_limit) for row in rows),
        mean_response_tokens=fmean(lengths) if lengths else None,
        without_errata=_without_errata(rows, {e.problem_id for e in errata_for(benchmark)}),
    )


def _without_errata(
    rows: Sequence[ProblemVerdicts], doubted: Collection[str]
) -> WithoutErrata | None:
    kept = [row for row in rows if row.problem_id not in doubted]
    if len(kept) == len(rows):
        return None
    return WithoutErrata(
        problems=len(kept),
        samples=sum(row.samples for row in kept),
        correct=sum(row.correct for row in kept),
        accuracy=fmean(row.accuracy for row in kept) if kept else 0.0,
    )


def distrust(scores: Iterable[Score], *parts: str) -> list[str]:
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


def average(scores: Sequence[Score]) -> Average:
    """Return the plain mean of the accuracies, as published tables have it."""
    values = [s.accuracy for s in scores]
    return Average(
        accuracy=fmean(values),
        interval=mean_interval(values, [s.interval for s in scores]),
        interval_method="MOVER over the benchmarks' intervals",
    )
