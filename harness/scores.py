"""From graded samples to scores. Only here does an outcome become a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import NamedTuple

from benchmarks import Problem
from benchmarks.errata import errata_for
from harness.grading import Outcome, Verdict
from harness.metrics import accuracy_interval, mean_interval
from harness.record import Average, Score, WithoutErrata
from harness.sample import Sample

MAX_FAILURES = 0.005
"""The share of a benchmark's samples on which grader or engine may fail before its score is
not to be trusted: half a point, less than what two checkpoints differ by."""
FAILURES = {
    "grader": (Outcome.GRADER_TIMEOUT, Outcome.GRADER_ERROR),
    "engine": (Outcome.ENGINE_ERROR,),
}
"""By the part that failed."""


class Graded(NamedTuple):
    """One sample with its problem and its verdict."""

    problem: Problem
    sample: Sample
    verdict: Verdict


def score(benchmark: str, rows: Sequence[Graded]) -> Score:
    """Score one benchmark; ``rows`` hold each problem's samples side by side."""
    means = problem_means(rows)
    counts = Counter(row.verdict.outcome for row in rows)
    single = len(means) == len(rows)
    lengths = [r.sample.completion_tokens for r in rows if r.sample.completion_tokens is not None]
    return Score(
        benchmark=benchmark,
        problems=len(means),
        samples=len(rows),
        correct=counts[Outcome.CORRECT],
        accuracy=fmean(means) if means else 0.0,
        interval=accuracy_interval(means, samples=len(rows)),
        interval_method="wilson" if single else "normal, clustered by problem",
        outcomes={outcome.value: counts[outcome] for outcome in Outcome if counts[outcome]},
        at_limit=sum(row.sample.finish_reason == "length" for row in rows),
        mean_response_tokens=fmean(lengths) if lengths else None,
        without_errata=_without_errata(rows, {e.problem_id for e in errata_for(benchmark)}),
    )


def _without_errata(rows: Sequence[Graded], doubted: Collection[str]) -> WithoutErrata | None:
    kept = [row for row in rows if row.problem.id not in doubted]
    if len(kept) == len(rows):
        return None
    means = problem_means(kept)
    return WithoutErrata(
        problems=len(means),
        samples=len(kept),
        correct=sum(row.verdict.correct for row in kept),
        accuracy=fmean(means) if means else 0.0,
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


def problem_means(rows: Iterable[Graded]) -> list[float]:
    """Return, for each problem, the share of its samples that are correct."""
    return [
        fmean(row.verdict.correct for row in group)
        for _, group in groupby(rows, key=lambda row: row.problem.id)
    ]


def average(scores: Sequence[Score]) -> Average:
    """Return the plain mean of the accuracies, as published tables have it."""
    values = [s.accuracy for s in scores]
    return Average(
        accuracy=fmean(values),
        interval=mean_interval(values, [s.interval for s in scores]),
        interval_method="MOVER over the benchmarks' intervals",
    )


def parquet_columns(graded: Mapping[str, Sequence[Graded]]) -> dict[str, list[object]]:
    """Return the columns of `samples.parquet`: samples, golds and verdicts, a row a sample."""
    rows = [(benchmark, *row) for benchmark, group in graded.items() for row in group]
    return {
        "benchmark": [benchmark for benchmark, _, _, _ in rows],
        "problem_id": [problem.id for _, problem, _, _ in rows],
        "index": [sample.index for _, _, sample, _ in rows],
        "gold": [problem.answer for _, problem, _, _ in rows],
        "outcome": [verdict.outcome.value for _, _, _, verdict in rows],
        "extracted": [verdict.extracted for _, _, _, verdict in rows],
        "extraction": [verdict.extraction for _, _, _, verdict in rows],
        "rule": [verdict.rule for _, _, _, verdict in rows],
        "finish_reason": [sample.finish_reason for _, _, sample, _ in rows],
        "prompt_tokens": [sample.prompt_tokens for _, _, sample, _ in rows],
        "completion_tokens": [sample.completion_tokens for _, _, sample, _ in rows],
        "seed": [sample.seed for _, _, sample, _ in rows],
        "response": [sample.response for _, _, sample, _ in rows],
        "error": [sample.error for _, _, sample, _ in rows],
    }
