"""Counts of one side of an unpaired comparison."""

from __future__ import annotations

from harness.stats.unpaired import Counts


def single(correct: int, problems: int) -> Counts:
    """Return the counts for this many right problems, each with one sample."""
    return Counts(problems=problems, samples=problems, accuracy=correct / problems)
