"""Counts of one side of an unpaired comparison."""

from __future__ import annotations

from harness.stats.unpaired import Tally


def single(correct: int, problems: int) -> Tally:
    """Return the counts for this many right problems, each with one sample."""
    return Tally(problems=problems, samples=problems, accuracy=correct / problems)
