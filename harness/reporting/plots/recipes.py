"""The figure of two recipes: every training, both means, and where the uncertainty comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.recipes import RecipeComparison, RecipeDifference
from harness.reporting.plots.drawing import (
    COLOURS,
    GREY,
    MARKERS,
    blank,
    drawn,
    error_bar,
    legend,
    name_rows,
    plain,
    row_places,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.stats.intervals import Interval

PARTS = {
    "trainings": ("#E69F00", ""),
    "problems": ("#56B4E9", "///"),
    "both": (GREY, "..."),
    "samples": ("white", ""),
}
"""The colour and hatching of each part of the variance."""
LANE = 0.19
"""How far each recipe's row is from the middle of a benchmark's."""
LANES = (-LANE, LANE)
BAR = 0.4
"""The height of a bar."""
BESIDE = 0.13
"""How far below its recipe's mean a training is drawn."""


@drawn
def recipes_figure(found: RecipeComparison) -> Figure:
    """Draw each training's accuracy, both recipes' means, and the parts of the variance."""
    rows = [*found.rows, *([] if found.average is None else [found.average])]
    apart = found.average is not None
    a, b = plain(found.a.name), plain(found.b.name)
    figure = blank(1.8 + 0.62 * len(rows), f"recipes {a} and {b}: trainings, means and variance")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = row_places(len(rows), apart=apart)
    for place, row in zip(places, rows, strict=True):
        _accuracies(left, place, row)
        _split(right, place, row)
    name_rows(left, places, [_label(row) for row in rows], apart=apart)
    if apart:
        right.axhline((places[-2] + places[-1]) / 2, color=GREY, linewidth=0.8)
    left.set_title("each training, and the mean with 95 % interval")
    left.set_xlabel("accuracy, per cent")
    left.grid(axis="x")
    right.tick_params(axis="y", length=0)
    right.set_title("where the uncertainty comes from")
    right.set_xlabel("share of the variance, per cent")
    right.set_xlim(0, 100)
    _legend(figure, rows, (a, b))
    return figure


def _label(row: RecipeDifference) -> str:
    name = plain(row.benchmark)
    return name if row.benchmark == "average" else f"{name} ({row.problems:,})"


def _accuracies(axes: Axes, place: float, row: RecipeDifference) -> None:
    found = row.found
    sides: tuple[tuple[float, Interval, tuple[float, ...]], ...] = (
        (found.a, found.interval_a, found.scores_a),
        (found.b, found.interval_b, found.scores_b),
    )
    for number, (lane, (mean, interval, scores)) in enumerate(zip(LANES, sides, strict=True)):
        middle, low, high = (100 * value for value in (mean, interval.low, interval.high))
        axes.errorbar(
            middle,
            place + lane,
            xerr=error_bar(middle, low, high),
            color=COLOURS[number],
            marker=MARKERS[number],
            capsize=2.5,
            zorder=2,
        )
        axes.plot(
            [100 * score for score in scores],
            [place + lane + BESIDE] * len(scores),
            color=COLOURS[number],
            marker=MARKERS[number],
            markerfacecolor="white",
            markersize=4,
            linestyle="none",
            zorder=3,
        )


def _split(axes: Axes, place: float, row: RecipeDifference) -> None:
    """Draw the parts of the variance as one bar, with the standard error beside it."""
    found, begun = row.found, 0.0
    for name, (colour, hatch) in PARTS.items():
        share = 100 * (getattr(found.split, name) or 0.0) / found.variances.total
        axes.barh(
            place,
            share,
            left=begun,
            height=BAR,
            facecolor=colour,
            edgecolor="black",
            linewidth=0.6,
            hatch=hatch,
        )
        begun += share
    axes.annotate(
        f"standard error {100 * found.difference.standard_error:.2f} points",
        xy=(0, place - BAR / 2),
        xytext=(0, 8),
        textcoords="offset points",
        va="center",
    )


def _legend(figure: Figure, rows: list[RecipeDifference], names: tuple[str, str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries = {
        name: Line2D([], [], color=COLOURS[number], marker=MARKERS[number])
        for number, name in enumerate(names)
    }
    entries["a training"] = Line2D(
        [], [], color="black", marker="o", markerfacecolor="white", markersize=4, linestyle="none"
    )
    legend(figure, entries)
    parts = [
        Patch(facecolor=colour, edgecolor="black", linewidth=0.6, hatch=hatch, label=name)
        for name, (colour, hatch) in PARTS.items()
        if any(getattr(row.found.split, name) is not None for row in rows)
    ]
    figure.legend(
        handles=parts,
        loc="outside lower right",
        ncols=len(parts),
        handlelength=1.6,
        borderaxespad=0.2,
    )
