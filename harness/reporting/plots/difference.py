"""The forest plot of one comparison: B − A on each benchmark and on average."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.reporting.plots.drawing import (
    GREY,
    blank,
    drawn,
    error_bar,
    legend,
    name_rows,
    plain,
    row_places,
)
from harness.reporting.text.numbers import contradiction, margin_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from harness.analysis.compare import AverageDifference, BenchmarkDifference, Comparison
    from harness.stats.paired import Difference

UNDECIDED = "no evidence"
VERDICTS = {
    "better": ("#0072B2", "^"),
    "worse": ("#B84A00", "v"),
    "same": ("#007A59", "s"),
    "not worse": ("#007A59", ">"),
    UNDECIDED: (GREY, "o"),
    "undecided": (GREY, "o"),
    "withheld": ("#A3497A", "X"),
}
"""The colour and marker of each verdict, with and without a margin; the report's page has the same.

The hues are those of `COLOURS`, and dark enough for text on white."""
HOLLOW = (UNDECIDED, "undecided")
BAND = "#e3f1ea"
"""The colour of the margin, behind everything."""


@drawn
def difference_figure(comparison: Comparison) -> Figure:
    """Draw B − A of each benchmark and of the average, with 95 % intervals.

    A margin is a band around 0, and the thick part of each line is the 90 % interval: where that
    lies within the band, the two are the same within the margin.
    """
    rows = [
        (f"{plain(row.benchmark)} ({row.b.problems:,})", row.difference, _verdict(row))
        for row in comparison.rows
    ]
    tests = [row.margin for row in comparison.rows]
    average = comparison.average
    if average is not None:
        rows.append(("average", average.difference, _verdict(average)))
        tests.append(average.margin)
    a, b = plain(comparison.a.name), plain(comparison.b.name)
    figure = blank(1.2 + 0.3 * len(rows), f"accuracy of {b} minus that of {a}, by benchmark")
    axes = figure.subplots()
    places = row_places(len(rows), apart=average is not None)
    axes.axvline(0, color="black", linewidth=0.8, zorder=1)
    if comparison.margin is not None:
        edge = 100 * comparison.margin
        axes.axvspan(-edge, edge, facecolor=BAND, zorder=0)
    for place, (_, difference, verdict), tested in zip(places, rows, tests, strict=True):
        _difference(axes, place, difference, verdict)
        if tested is not None:
            ends = [100 * tested.test.low, 100 * tested.test.high]
            axes.plot(
                ends,
                [place, place],
                color=VERDICTS[verdict][0],
                linewidth=3.5,
                alpha=0.45,
                solid_capstyle="butt",  # another end would stand beyond the interval's
            )
    name_rows(axes, places, [label for label, _, _ in rows], apart=average is not None)
    axes.set_title(f"{b} − {a}")
    thick = "" if comparison.margin is None else " (thick: 90 %)"
    axes.set_xlabel(
        f"difference in accuracy, percentage points, with 95 % interval{thick}{_corrected(rows)}"
    )
    axes.grid(axis="x")
    found = {verdict for _, _, verdict in rows}
    marks: dict[str, Any] = {
        _named(verdict, comparison.margin): _mark(verdict)
        for verdict in VERDICTS
        if verdict in found
    }
    if comparison.margin is not None:
        marks[f"margin of {margin_points(comparison.margin)}"] = _band()
    legend(figure, marks)
    return figure


def _verdict(row: BenchmarkDifference | AverageDifference) -> str:
    return row.verdict if row.margin is None else row.margin.verdict


def _named(verdict: str, margin: float | None) -> str:
    if margin is None:
        return verdict
    words = {"same": "the same within it", "not worse": "not worse by it"}
    return words.get(verdict, verdict)


def _band() -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=BAND, edgecolor="none")


def _corrected(rows: Iterable[tuple[str, Difference, str]]) -> str:
    """Explain, where it happens, how verdict and interval can seem to disagree."""
    seen = {contradiction(difference, verdict) for _, difference, verdict in rows}
    lines = []
    if "outside" in seen:
        lines.append(
            "\n(the verdicts are corrected for the number of tests, the intervals are not)"
        )
    if "inside" in seen:
        lines.append("\n(a verdict is about these problems, an interval also about their choice)")
    return "".join(lines)


def _mark(verdict: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", **_look(verdict))


def _look(verdict: str) -> dict[str, Any]:
    colour, marker = VERDICTS[verdict]
    face = "white" if verdict in HOLLOW else colour
    return {"color": colour, "marker": marker, "markerfacecolor": face, "markersize": 6}


def _difference(axes: Axes, place: float, difference: Difference, verdict: str) -> None:
    values = (difference.difference, difference.low, difference.high)
    middle, low, high = (100 * value for value in values)
    arms = error_bar(middle, low, high)
    axes.errorbar(middle, place, xerr=arms, capsize=2.5, **_look(verdict))
    texts = (_signed(middle), "right", 36), (f"[{_signed(low)}, {_signed(high)}]", "left", 41)
    for text, side, points in texts:
        axes.annotate(
            text,
            xy=(1, place),
            xycoords=axes.get_yaxis_transform(),
            xytext=(points, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            color=VERDICTS[verdict][0],
            annotation_clip=False,
        )


def _signed(value: float) -> str:
    """Return a number with its sign; what rounds to nothing has none.

    >>> _signed(2.34), _signed(-0.51), _signed(-0.01)
    ('+2.3', '−0.5', '0.0')
    """
    text = f"{value:+.1f}".replace("-", "−")
    return text[1:] if text[1:] == "0.0" else text
