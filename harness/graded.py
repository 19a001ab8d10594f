"""A sample with its problem and its verdict; and many of them as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from benchmarks import Problem
from harness.grading import Verdict
from harness.sample import Sample

BATCH = 4096
"""Rows of a run's table that are in memory at once."""


class Graded(msgspec.Struct, frozen=True, gc=False):
    """One sample with its problem and its verdict."""

    problem: Problem
    sample: Sample
    verdict: Verdict


def table_batches(rows: Iterable[tuple[str, Graded]]) -> Iterator[dict[str, list[object]]]:
    """Yield the columns of `samples.parquet`, some rows at a time; each row has its benchmark."""
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        yield _columns(batch)


def _columns(rows: list[tuple[str, Graded]]) -> dict[str, list[object]]:
    problems = [graded.problem for _, graded in rows]
    samples = [graded.sample for _, graded in rows]
    verdicts = [graded.verdict for _, graded in rows]
    return {
        "benchmark": [benchmark for benchmark, _ in rows],
        "problem_id": [problem.id for problem in problems],
        "index": [sample.index for sample in samples],
        "gold": [problem.answer for problem in problems],
        "outcome": [verdict.outcome.value for verdict in verdicts],
        "extracted": [verdict.extracted for verdict in verdicts],
        "extraction": [verdict.extraction for verdict in verdicts],
        "rule": [verdict.rule for verdict in verdicts],
        "finish_reason": [sample.finish_reason for sample in samples],
        "prompt_tokens": [sample.prompt_tokens for sample in samples],
        "completion_tokens": [sample.completion_tokens for sample in samples],
        "seed": [sample.seed for sample in samples],
        "response": [sample.response for sample in samples],
        "error": [sample.error for sample in samples],
    }
