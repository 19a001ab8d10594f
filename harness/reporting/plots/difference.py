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
from harness.reporting.text.numbers import contradiction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from harness.analysis.compare import Comparison
    from harness.stats.paired import Difference

BETTER, WORSE, UNDECIDED = "better", "worse", "no evidence"
VERDICTS = {BETTER: ("#0072B2", "^"), WORSE: ("#D55E00", "v"), UNDECIDED: (GREY, "o")}
"""The colour and marker of each verdict."""


@drawn
def difference_figure(comparison: Comparison) -> Figure:
    """Draw B − A of each benchmark and of the average, with 95 % intervals."""
    rows = [
        (f"{plain(row.benchmark)} ({row.b.problems:,})", row.difference, str(row.verdict))
        for row in comparison.rows
    ]
    average = comparison.average
    if average is not None:
        rows.append(("average", average.difference, average.verdict))
    a, b = plain(comparison.a.name), plain(comparison.b.name)
    figure = blank(1.2 + 0.3 * len(rows), f"accuracy of {b} minus that of {a}, by benchmark")
    axes = figure.subplots()
    places = row_places(len(rows), apart=average is not None)
    axes.axvline(0, color="black", linewidth=0.8, zorder=1)
    for place, (_, difference, verdict) in zip(places, rows, strict=True):
        _difference(axes, place, difference, verdict)
    name_rows(axes, places, [label for label, _, _ in rows], apart=average is not None)
    axes.set_title(f"{b} − {a}")
    axes.set_xlabel(
        f"difference in accuracy, percentage points, with 95 % interval{_corrected(rows)}"
    )
    axes.grid(axis="x")
    found = {verdict for _, _, verdict in rows}
    legend(figure, {verdict: _mark(verdict) for verdict in VERDICTS if verdict in found})
    return figure


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
    face = "white" if verdict == UNDECIDED else colour
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
