"""Each further version against the first, or the reason why that cannot be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import UserError
from harness.analysis.compare import Comparison, compare
from harness.reporting.html.facts import Labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two versions and what their comparison says."""

    a: Labelled
    b: Labelled
    comparison: Comparison | None
    """None if it was refused."""
    refusal: str = ""


def compare_with_first(versions: Sequence[Labelled], *, anyway: bool) -> list[Pair]:
    """Compare every version after the first with it; a refusal is something to report."""
    first, *others = versions
    return [_pair(first, other, anyway=anyway) for other in others]


def _pair(a: Labelled, b: Labelled, *, anyway: bool) -> Pair:
    try:
        return Pair(a=a, b=b, comparison=compare(a.result, b.result, anyway=anyway))
    except UserError as refused:
        return Pair(a=a, b=b, comparison=None, refusal=str(refused))
