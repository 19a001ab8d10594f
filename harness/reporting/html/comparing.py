"""Compares each further version with the first and ranks all, or says why that cannot be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks import UserError
from harness.analysis.compare import (
    AverageDifference,
    BenchmarkDifference,
    Comparison,
    Conclusion,
    compare,
    verdict,
)
from harness.analysis.many import ManyComparison, rank
from harness.analysis.margin import MarginVerdict, settled
from harness.reporting.html.facts import ReportedResult
from harness.stats.paired import holm
from harness.stats.power import LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPair:
    """Two versions and their comparison."""

    a: ReportedResult
    b: ReportedResult
    comparison: Comparison | None
    """None if the two cannot be compared. With several pairs the verdict on the average (or on the
    one benchmark) and its corrected p-values are those of the comparison of all runs with the
    first, and what is said of single benchmarks is about these two alone."""
    refusal: str = ""
    """The reason why they cannot be compared."""
    runs: int = 1
    """The number of runs that are compared with the first, for which that verdict is corrected."""
    correction: str = ""
    """How it is corrected for them; empty if there is one run only."""


def compare_with_first(
    versions: Sequence[ReportedResult], *, anyway: bool, margin: float | None = None
) -> list[VersionPair]:
    """Compare every further version with the first; the report also shows those that cannot be."""
    first, *others = versions
    pairs = [_pair(first, other, anyway=anyway, margin=margin) for other in others]
    return _corrected(pairs, anyway=anyway)


def _pair(
    a: ReportedResult, b: ReportedResult, *, anyway: bool, margin: float | None
) -> VersionPair:
    try:
        found = compare(a.result, b.result, anyway=anyway, margin=margin)
        return VersionPair(a=a, b=b, comparison=found)
    except UserError as refused:
        return VersionPair(a=a, b=b, comparison=None, refusal=str(refused))


# --- several runs against the first ---------------------------------------------------------


def _corrected(pairs: Sequence[VersionPair], *, anyway: bool) -> list[VersionPair]:
    """Correct the verdict of each pair for the number of runs that are compared with the first."""
    found = [pair.comparison for pair in pairs if pair.comparison is not None]
    if len(found) < 2:
        return list(pairs)
    p_values, words, correction = _against_first(found, anyway=anyway)
    margins = _margins_of_all(found)
    decided = (
        _decided(one, word, p_value, margin)
        for one, word, p_value, margin in zip(found, words, p_values, margins, strict=True)
    )
    return [
        pair
        if pair.comparison is None
        else replace(pair, comparison=next(decided), runs=len(found), correction=correction)
        for pair in pairs
    ]


def deciding_row(found: Comparison) -> BenchmarkDifference | AverageDifference:
    """Return what a comparison's headline is about: the average, or the one benchmark."""
    return found.rows[0] if found.average is None else found.average


def _against_first(
    found: Sequence[Comparison], *, anyway: bool
) -> tuple[list[float], list[Conclusion], str]:
    """Return each run's p-value corrected for their number, the verdicts, and the method's name."""
    try:
        many = rank([one.b for one in found], found[0].a, anyway=anyway)
    except UserError:  # only the counts of one are known, or all together share no problem
        many = None
    if (
        many is not None
        and len(many.runs) == len(found)
        and all(_same_data(one, many) for one in found)
    ):
        against = {one.result.id: one.against_base for one in many.runs}
        tested = [against[one.b.id] for one in found]
        known = [one for one in tested if one is not None]
        return [one.adjusted_p for one in known], [one.verdict for one in known], many.test
    rows = [deciding_row(one) for one in found]
    adjusted = holm([row.difference.p_value for row in rows])
    words = [
        verdict(row.difference.difference, p_value)
        for row, p_value in zip(rows, adjusted, strict=True)
    ]
    return adjusted, words, "each pair tested alone; Holm"


def _same_data(one: Comparison, many: ManyComparison) -> bool:
    """Say whether a pair is compared on the problems on which all runs are."""
    return (
        one.paired
        and {row.benchmark for row in one.rows} == set(many.benchmarks)
        and sum(row.a.problems for row in one.rows) == many.problems
    )


def _margins_of_all(found: Sequence[Comparison]) -> list[MarginVerdict | None]:
    """Return what each run shows of the margin; each claim is corrected for their number, too."""
    known = [margin for one in found if (margin := deciding_row(one).margin) is not None]
    if len(known) < len(found):
        return [None] * len(found)
    same = holm([margin.test.p_same for margin in known])
    not_worse = holm([margin.test.p_not_worse for margin in known])
    return [
        replace(
            margin,
            adjusted_p_same=max(margin.adjusted_p_same, p_same),
            adjusted_p_not_worse=max(margin.adjusted_p_not_worse, p_not_worse),
            # What failures decide stays undecided.
            same=margin.same and p_same < LEVEL,
            not_worse=margin.not_worse and max(margin.adjusted_p_not_worse, p_not_worse) < LEVEL,
        )
        for margin, p_same, p_not_worse in zip(known, same, not_worse, strict=True)
    ]


def _decided(
    one: Comparison, word: Conclusion, p_value: float, margin: MarginVerdict | None
) -> Comparison:
    """Return the comparison with another verdict on its average, or on its one benchmark."""
    row = deciding_row(one)
    # Failures were counted in every way for these two alone: they may decide another verdict.
    if row.verdict == "withheld" or (row.failures is not None and word != row.verdict):
        word = "withheld"
    if margin is not None:
        margin = settled(
            replace(margin, not_worse=True if word == "better" else margin.not_worse), (), word
        )
    probability = None if word == "withheld" else row.probability
    if isinstance(row, AverageDifference):
        row = replace(row, verdict=word, adjusted_p=p_value, margin=margin, probability=probability)
        return replace(one, average=row)
    only = replace(row, verdict=word, adjusted_p=p_value, margin=margin, probability=probability)
    return replace(one, rows=(only,))


# --- all pairs ------------------------------------------------------------------------------


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
