"""Writes what `show` prints about one result, in blocks of text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.common.text import one_line, printable
from harness.reporting.text.layout import text_table
from harness.reporting.text.numbers import (
    LOOPING,
    count,
    interval,
    looping_count,
    outcome_count,
    percent,
)

if TYPE_CHECKING:
    from harness.analysis.summary import BenchmarkSummary, GroupAccuracy, Lengths
    from harness.runs.results import Result


def summary_blocks(summaries: Sequence[BenchmarkSummary]) -> Iterator[str]:
    """Yield a block for each aspect of a run's scores that its data say something about."""
    for block in (_outcomes, _lengths, _budgets, _several_samples, _group_names):
        if text := block(summaries):
            yield text


def group_table(benchmark: str, groups: Iterable[GroupAccuracy]) -> str:
    """Return a benchmark's accuracy by group."""
    rows = [
        [
            one_line(group.value),
            str(group.problems),
            f"{group.correct}/{group.samples}",
            percent(group.accuracy),
            interval(group.interval),
        ]
        for group in groups
    ]
    return _table([benchmark, "problems", "correct", "accuracy %", "95 % interval"], rows)


def published_blocks(result: Result) -> Iterator[str]:
    """Yield a published result's scores, and where they were published."""
    rows = [
        [
            score.benchmark,
            str(score.problems),
            "" if score.correct is None else f"{score.correct}/{score.samples}",
            percent(score.accuracy),
            interval(score.interval),
        ]
        for score in result.scores.values()
    ]
    if result.average is not None and len(rows) > 1:
        rows.append(["average", "", "", percent(result.average), _of_average(result)])
    headers = ["benchmark", "problems", "correct", "accuracy %", "95 % interval"]
    heading = f"{one_line(result.name, limit=None)}  {one_line(result.id, limit=None)}"
    yield f"{heading}\n{_table(headers, rows)}"
    lines = []
    if result.row is not None:
        settings = (f"{name} {value}" for name, value in result.row.settings.items())
        lines += [result.row.model, ", ".join(settings)]
    if result.source is not None:
        lines += [result.source.title, result.source.url, result.source.note]
    yield "\n".join(one_line(line, limit=None) for line in lines if line)


def _of_average(result: Result) -> str:
    found = result.average_interval
    return "" if found is None else interval(found)


def _outcomes(summaries: Sequence[BenchmarkSummary]) -> str:
    """Count the outcomes. Where responses were cut off, bound the accuracy without the limit."""
    names = list(dict.fromkeys(name for one in summaries for name in one.outcomes))
    cut = "truncated" in names
    if cut:
        names.insert(names.index("truncated") + 1, LOOPING)
    rows = [
        [
            one.benchmark,
            *(_outcome(one, name) for name in names),
            *([_bounds(one)] if cut else []),
        ]
        for one in summaries
    ]
    last = ["accuracy %, truncated wrong – correct"] if cut else []
    return _table(["outcomes", *names, *last], rows)


def _outcome(one: BenchmarkSummary, name: str) -> str:
    if name == LOOPING:
        return looping_count(one.outcomes, one.looping, ends_known=one.ends_known)
    return outcome_count(one.outcomes, name, ends_known=one.ends_known)


def _bounds(one: BenchmarkSummary) -> str:
    highest = "?" if one.highest is None else percent(one.highest)
    return f"{percent(one.lowest)} – {highest}"


def _lengths(summaries: Sequence[BenchmarkSummary]) -> str:
    rows = [
        [
            one.benchmark,
            *map(count, (one.lengths.p10, one.lengths.median, one.lengths.p90)),
            count(one.lengths.longest),
            *map(_median, (one.lengths_correct, one.lengths_wrong)),
        ]
        for one in summaries
        if one.lengths is not None
    ]
    headers = [
        "response tokens", "10 %", "median", "90 %", "longest", "median correct",
        "median not correct",
    ]  # fmt: skip
    return _table(headers, rows) if rows else ""


def _median(lengths: Lengths | None) -> str:
    return "" if lengths is None else count(lengths.median)


def _budgets(summaries: Sequence[BenchmarkSummary]) -> str:
    counted = [one for one in summaries if one.budgets]
    if not counted:
        return ""
    headers = ["accuracy % within", *(count(point.tokens) for point in counted[0].budgets)]
    rows = [[one.benchmark, *(percent(p.accuracy) for p in one.budgets)] for one in counted]
    note = (
        "budgets in tokens; lower bounds: a longer response may state its answer before the budget "
        "ends"
    )
    return f"{_table(headers, rows)}\n{note}"


def _several_samples(summaries: Sequence[BenchmarkSummary]) -> str:
    """Return pass@k and maj@k, and advice on n, of benchmarks with several samples a problem."""
    several = [one for one in summaries if one.fewest > 1]
    if not several:
        return ""
    rows = [row for one in several for row in _at_k(one)]
    headers = ["several samples", "k", "pass@k", "95 % interval", "maj@k", "95 % interval"]
    methods = dict.fromkeys(one.interval_method for one in several)
    notes = [f"pass@1 is the accuracy; intervals: {'; '.join(methods)}"]
    notes += [f"{one.benchmark}: {one.spread.advice}" for one in several if one.spread is not None]
    return "\n".join([_table(headers, rows), *map(printable, notes)])


def _at_k(one: BenchmarkSummary) -> Iterator[list[str]]:
    for at in one.at_k:
        yield [
            one.benchmark if at is one.at_k[0] else "",
            str(at.k),
            percent(at.passed),
            interval(at.passed_interval),
            percent(at.majority),
            interval(at.majority_interval),
        ]


def _group_names(summaries: Sequence[BenchmarkSummary]) -> str:
    parts = [
        f"{one.benchmark} --by {' or '.join(map(one_line, one.groups))}"
        for one in summaries
        if one.groups
    ]
    return f"groups: {', '.join(parts)}" if parts else ""


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with its first column left-aligned and the others right-aligned."""
    return text_table(rows, headers, "l" + "r" * (len(headers) - 1))
