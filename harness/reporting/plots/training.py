"""The figure of reward and response length over training, from the checkpoints' lineages."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from statistics import fmean
from typing import TYPE_CHECKING

from harness.reporting.plots.drawing import (
    Curve,
    drawn,
    line_look,
    panels,
    shown_in,
    thinned,
    version_legend,
    versions,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.runs.results import Result

TITLES = ("mean reward", "mean response tokens")
"""The titles of the panels."""
MOST_STEPS = 400
SMOOTHED = 9
"""How many steps a running mean covers; shorter trainings than five times this have none."""


@drawn
def curves_figure(results: Sequence[Result]) -> Figure | None:
    """Draw reward and response length over training for versions whose lineage has them.

    Return None if no lineage has them.
    """
    curves: dict[str, list[Curve]] = {}
    for version in versions(results):
        lineage = version.result.lineage
        if lineage is None or lineage.curves is None:
            continue
        told = lineage.curves
        for title, column in zip(TITLES, (told.reward, told.response_length), strict=True):
            y = [nan if value is None or not isfinite(value) else value for value in column]
            if any(map(isfinite, y)):
                curves.setdefault(title, []).append(Curve(version, told.step, y))
    if not curves:
        return None
    titles = [title for title in TITLES if title in curves]
    figure, grid = panels("reward and response length over training", titles)
    smooth = False
    for axes, title in zip(grid, titles, strict=True):
        for one in curves[title]:
            smooth |= _draw_training(axes, one)
    means = f"; in front, the mean of {SMOOTHED} steps around" if smooth else ""
    figure.supxlabel(f"training step{means}")
    version_legend(figure, shown_in(curves), markers=False)
    return figure


def _draw_training(axes: Axes, one: Curve) -> bool:
    """Draw a line, and a running mean in front if it is long; return whether there is one."""
    smooth = len(one.y) >= 5 * SMOOTHED
    y = running_mean(one.y, SMOOTHED) if smooth else one.y
    if smooth:
        axes.plot(*_points(one.x, one.y), color=one.version.colour, alpha=0.3, linewidth=0.7)
    axes.plot(*_points(one.x, y), **line_look(one.version))
    return smooth


def _points(x: Sequence[int], y: Sequence[float]) -> tuple[list[int], list[float]]:
    kept = thinned(list(zip(x, y, strict=True)), MOST_STEPS)
    return [step for step, _ in kept], [value for _, value in kept]


def running_mean(values: Sequence[float], width: int) -> list[float]:
    """Return the mean around each value, of fewer values at the ends; NaN is left out.

    >>> running_mean([1.0, 2.0, 6.0], 3)
    [1.5, 3.0, 4.0]
    """
    half = width // 2
    around = [values[max(0, place - half) : place + half + 1] for place in range(len(values))]
    known = [[value for value in window if isfinite(value)] for window in around]
    return [fmean(window) if window else nan for window in known]
