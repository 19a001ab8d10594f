"""Figures of accuracies: a row for each benchmark or group, and in it a dot for each version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from harness.analysis.summary import by_group, group_keys
from harness.reporting.plots.drawing import (
    PALE,
    Version,
    blank,
    drawn,
    error_bar,
    name_rows,
    plain,
    row_places,
    rows_of,
    version_legend,
    versions,
)
from harness.stats.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.runs.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An accuracy and its interval, as fractions."""

    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of dots: a benchmark or a group, and each version's accuracy."""

    label: str
    estimates: Sequence[Estimate | None]


@drawn
def accuracy_figure(results: Sequence[Result]) -> Figure:
    """Draw each benchmark's accuracy, and the average, for each version.

    Only versions that have every benchmark shown have an average.

    Raises:
        ValueError: no result has a score.
    """
    names = list(dict.fromkeys(name for result in results for name in result.scores))
    if not names:
        raise ValueError("no result has a score to draw")
    shown = versions(results)
    rows = [
        Row(label=plain(name), estimates=[_score(result, name) for result in results])
        for name in names
    ]
    averages = [_average(result, names) for result in results]
    apart = len(names) > 1 and any(averages)
    if apart:
        rows.append(Row(label="average", estimates=averages))
    return _dots(rows, shown, apart=apart, label="accuracy by benchmark")


def _score(result: Result, benchmark: str) -> Estimate | None:
    score = result.scores.get(benchmark)
    return None if score is None else Estimate(accuracy=score.accuracy, interval=score.interval)


def _average(result: Result, benchmarks: Sequence[str]) -> Estimate | None:
    scores = [score for name in benchmarks if (score := _score(result, name)) is not None]
    if not scores or len(scores) < len(benchmarks):
        return None
    values = [score.accuracy for score in scores]
    interval = mean_interval(values, [score.interval for score in scores])
    return Estimate(accuracy=fmean(values), interval=interval)


@drawn
def groups_figure(results: Sequence[Result], benchmark: str, group: str) -> Figure | None:
    """Draw the accuracy of each subject, level, … of a benchmark, for each version.

    None if no version's verdicts tell these groups.
    """
    shown = [one for one in versions(results) if group in group_keys(rows_of(one, benchmark))]
    if not shown:
        return None
    found = [{g.value: g for g in by_group(rows_of(one, benchmark), group)} for one in shown]
    rows = []
    for value in dict.fromkeys(value for groups in found for value in groups):
        present = [groups.get(value) for groups in found]
        problems = max(one.problems for one in present if one is not None)
        name = f"{group} {value}" if value.isdecimal() else value
        estimates = [
            None if one is None else Estimate(accuracy=one.accuracy, interval=one.interval)
            for one in present
        ]
        rows.append(Row(label=f"{plain(name)} ({problems:,})", estimates=estimates))
    title = f"{plain(benchmark)} by {plain(group)}"
    return _dots(rows, shown, apart=False, label=f"accuracy on {title}", title=title)


def _dots(
    rows: Sequence[Row], shown: Sequence[Version], *, apart: bool, label: str, title: str = ""
) -> Figure:
    """Draw a dot with its interval for every row and version; ``apart`` separates the last row."""
    inches = max(0.27, 0.12 * len(shown) + 0.09)
    figure = blank(1.05 + inches * (len(rows) + 0.5 * apart), label)
    axes = figure.subplots()
    places = row_places(len(rows), apart=apart)
    step = 0.8 / max(len(shown), 3)
    for place, row in zip(places, rows, strict=True):
        pairs = zip(shown, row.estimates, strict=True)
        present = [(version, estimate) for version, estimate in pairs if estimate is not None]
        for number, (version, estimate) in enumerate(present):
            _dot(axes, place + step * (number - (len(present) - 1) / 2), estimate, version)
    name_rows(axes, places, [row.label for row in rows], apart=apart)
    for upper, lower in pairwise(places[:-1] if apart else places):
        axes.axhline((upper + lower) / 2, color=PALE, linewidth=0.6, zorder=0)
    highest = max((e.interval.high for row in rows for e in row.estimates if e), default=1.0)
    axes.set_xlim(0, min(100.0, 104 * highest))
    axes.set_title(title)
    axes.set_xlabel("accuracy, %, with 95 % interval")
    axes.grid(axis="x")
    version_legend(figure, shown, lines=False)
    return figure


def _dot(axes: Axes, place: float, estimate: Estimate, version: Version) -> None:
    middle, interval = 100 * estimate.accuracy, estimate.interval
    axes.errorbar(
        middle,
        place,
        xerr=error_bar(middle, 100 * interval.low, 100 * interval.high),
        color=version.colour,
        marker=version.marker,
        linewidth=1.2,
        clip_on=False,  # a dot at 0 lies on the axis
    )
