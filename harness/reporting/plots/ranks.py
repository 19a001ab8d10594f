"""The figure of a ranking: each run's average, and the ranks that it may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.reporting.plots.drawing import (
    GREY,
    blank,
    drawn,
    error_bar,
    name_rows,
    plain,
    row_places,
    versions,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.analysis.many import ManyComparison, Standing

POSSIBLE = "#0072B2"
"""The colour of the runs that may be the best; the others are grey."""
TICKS = 12
"""The most ranks that are written under the axis."""


@drawn
def ranks_figure(ranking: ManyComparison, labels: Mapping[str, str] | None = None) -> Figure:
    """Draw a row for each run, the highest average first; on the right are its possible ranks.

    ``labels`` are the runs' names by their ids; without it they have the names of other figures.

    Raises:
        ValueError: the runs were compared with a base, and so have no ranks.
    """
    runs = ranking.runs
    if ranking.base is not None:
        raise ValueError("runs that were compared with a base have no ranks")
    names = labels or {one.result.id: one.label for one in versions([s.result for s in runs])}
    figure = blank(1.0 + 0.27 * len(runs), "averages of the runs, and the ranks that they may have")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = row_places(len(runs), apart=False)
    for place, one in zip(places, runs, strict=True):
        _average(left, place, one)
        _ranks(right, place, one)
    name_rows(left, places, [plain(names[one.result.id]) for one in runs], apart=False)
    right.tick_params(axis="y", length=0, labelleft=False)
    several = len(ranking.benchmarks) > 1
    left.set_xlabel(f"{'average' if several else 'accuracy'}, %, with 95 % interval of its own")
    right.set_xlabel("possible ranks, jointly 95 %")
    right.set_title("blue: may be the best")
    step = -(-len(runs) // TICKS)
    right.set_xticks(range(1, len(runs) + 1, step))
    right.set_xlim(0.5, len(runs) + 0.5)
    for axes in (left, right):
        axes.grid(axis="x")
    return figure


def _colour(one: Standing) -> str:
    return POSSIBLE if one.ranks is not None and one.ranks[0] == 1 else GREY


def _average(axes: Axes, place: float, one: Standing) -> None:
    middle = 100 * one.average
    arms = error_bar(middle, 100 * one.interval.low, 100 * one.interval.high)
    marker = "o" if _colour(one) == POSSIBLE else "s"
    axes.errorbar(
        middle, place, xerr=arms, color=_colour(one), marker=marker, linewidth=1.2, clip_on=False
    )


def _ranks(axes: Axes, place: float, one: Standing) -> None:
    if one.ranks is None:
        return
    best, worst = one.ranks
    # A bar that covers the cells of its ranks, so that a single rank is a bar, too.
    axes.barh(place, worst - best + 0.7, left=best - 0.35, height=0.5, color=_colour(one))
