"""A sample with its problem and its verdict; and many of them as a table."""

from __future__ import annotations

import msgspec

from benchmarks import Problem
from harness.grading import Verdict
from harness.runs.sample import Sample


class Graded(msgspec.Struct, frozen=True, gc=False):
    """One sample with its problem and its verdict."""

    problem: Problem
    sample: Sample
    verdict: Verdict
