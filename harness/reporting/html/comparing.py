"""Compares each further version with the first, or says why it cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import UserError
from harness.analysis.compare import Comparison, compare
from harness.reporting.html.facts import ReportedResult


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPair:
    """Two versions and their comparison."""

    a: ReportedResult
    b: ReportedResult
    comparison: Comparison | None
    """None if the two cannot be compared."""
    refusal: str = ""
    """The reason why they cannot be compared."""


def compare_with_first(
    versions: Sequence[ReportedResult], *, anyway: bool, margin: float | None = None
) -> list[VersionPair]:
    """Compare every further version with the first; the report also shows those that cannot be."""
    first, *others = versions
    return [_pair(first, other, anyway=anyway, margin=margin) for other in others]


def _pair(
    a: ReportedResult, b: ReportedResult, *, anyway: bool, margin: float | None
) -> VersionPair:
    try:
        found = compare(a.result, b.result, anyway=anyway, margin=margin)
        return VersionPair(a=a, b=b, comparison=found)
    except UserError as refused:
        return VersionPair(a=a, b=b, comparison=None, refusal=str(refused))
