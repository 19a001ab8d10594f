"""Compares each further version with the first and ranks all, or says why that cannot be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import UserError
from harness.analysis.compare import Comparison, compare
from harness.analysis.many import ManyComparison, rank
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedVersions:
    """Three versions or more, ranked."""

    ranking: ManyComparison | None
    """None if they cannot be ranked."""
    labels: Mapping[str, str]
    """The label of each version by its result's id."""
    refusal: str = ""
    """The reason why they cannot be ranked."""


def rank_all(versions: Sequence[ReportedResult], *, anyway: bool) -> RankedVersions | None:
    """Rank three versions or more; None if there are fewer."""
    if len(versions) < 3:
        return None
    labels = {version.result.id: version.label for version in versions}
    try:
        ranking = rank([version.result for version in versions], anyway=anyway)
    except UserError as refused:
        return RankedVersions(ranking=None, labels=labels, refusal=str(refused))
    return RankedVersions(ranking=ranking, labels=labels)
