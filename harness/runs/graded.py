"""A sample with its problem and its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from benchmarks import Problem
from harness.grading import Verdict
from harness.runs.sample import Sample


class Graded(msgspec.Struct, frozen=True, gc=False):
    """One sample with its problem and its verdict."""

    problem: Problem
    sample: Sample
    verdict: Verdict


def by_problem(rows: Iterable[Graded]) -> Iterator[list[Graded]]:
    """Yield the samples of each problem; those of one problem must stand side by side."""
    for _, group in groupby(rows, key=lambda row: row.problem.id):
        yield list(group)
