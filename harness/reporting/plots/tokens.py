"""Figures over tokens: how long responses are, and the accuracy within a token budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log2
from typing import TYPE_CHECKING

from harness.analysis.summary import budget_curve, token_budgets
from harness.reporting.plots.drawing import (
    Curve,
    Version,
    drawn,
    line_look,
    panels,
    rows_of,
    shown_in,
    thinned,
    version_legend,
    versions,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.runs.results import Result


MOST_POINTS = 150
"""The most points of one line; more could not be told apart."""


@drawn
def lengths_figure(results: Sequence[Result]) -> Figure | None:
    """Draw, for each benchmark, the share of responses that have at most so many tokens.

    A line jumps at the token limit if responses were cut off there. None if no length is known.
    """
    curves: dict[str, list[Curve]] = {}
    for version in versions(results):
        for name in version.result.verdicts or {}:
            if tokens := _tokens(version, name):
                curves.setdefault(name, []).append(Curve(version, *_cumulative(tokens)))
    if not curves:
        return None
    figure, grid = panels("response lengths by benchmark", list(curves), share_y=True)
    limits = sorted({limit for one in shown_in(curves) if (limit := _limit(one)) is not None})
    for axes, lines in zip(grid, curves.values(), strict=True):
        for one in lines:
            axes.step(one.x, one.y, where="post", **line_look(one.version))
        for limit in limits:
            axes.axvline(limit, color="black", linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
        axes.set_ylim(0, 103)
    high = max([*_every_x(curves), *limits])
    _token_axis(grid, max(min(_every_x(curves)), high // 512), high)  # a few short ones may lie off
    named = f"; dotted: the limit of {' or '.join(f'{one:,}' for one in limits)}" if limits else ""
    figure.supxlabel(f"response tokens{named}")
    figure.supylabel("cumulative share of responses, %")
    version_legend(figure, shown_in(curves), markers=False)
    return figure


def _tokens(version: Version, benchmark: str) -> list[int]:
    """Return the lengths of a benchmark's responses, in order; an empty one counts as one token."""
    rows = rows_of(version, benchmark)
    return sorted(max(1, count) for row in rows for count in row.tokens if count is not None)


def _cumulative(ordered: Sequence[int]) -> tuple[list[int], list[float]]:
    """Return the points of the empirical distribution function, in per cent.

    >>> _cumulative([3, 5, 5, 9])
    ([3, 3, 5, 9], [0.0, 25.0, 75.0, 100.0])
    """
    total = len(ordered)
    shares = {length: 100 * place / total for place, length in enumerate(ordered, 1)}
    kept = thinned([(ordered[0], 0.0), *shares.items()], MOST_POINTS)
    return [length for length, _ in kept], [share for _, share in kept]


def _limit(version: Version) -> int | None:
    """Return the token limit of a run; None where it is not known."""
    run = version.result.run
    # For imported generations the spec's limit is a placeholder.
    return None if run is None or run.saved is not None else run.spec.sampling.max_tokens


@drawn
def budget_figure(results: Sequence[Result]) -> Figure | None:
    """Draw each benchmark's accuracy over token budgets.

    How the accuracy is counted is said at `harness.analysis.summary.budget_curve`.
    Returns None if no version's verdicts know the lengths.
    """
    curves: dict[str, list[Curve]] = {}
    for version in versions(results):
        names = list(version.result.verdicts or {})
        longest = max((tokens[-1] for n in names if (tokens := _tokens(version, n))), default=None)
        budgets = token_budgets(longest, _limit(version))
        for name in names:
            if points := budget_curve(rows_of(version, name), budgets):
                y = [100 * one.accuracy for one in points]
                curves.setdefault(name, []).append(Curve(version, [p.tokens for p in points], y))
    if not curves:
        return None
    figure, grid = panels("accuracy over token budgets by benchmark", list(curves))
    for axes, lines in zip(grid, curves.values(), strict=True):
        for one in lines:
            look = line_look(one.version)
            marker = one.version.marker
            axes.plot(one.x, one.y, marker=marker, markersize=4, clip_on=False, **look)
        axes.set_ylim(0, 1.1 * max(y for one in lines for y in one.y) or 1.0)
        axes.locator_params(axis="y", nbins=4, steps=[1, 2, 5, 10])
    _token_axis(grid, min(_every_x(curves)), max(_every_x(curves)))
    figure.supxlabel("token budget: a longer response counts as wrong")
    figure.supylabel("accuracy, %")
    version_legend(figure, shown_in(curves))
    return figure


def _token_axis(grid: Sequence[Axes], low: int, high: int) -> None:
    """Make the shared axis one of powers of two."""
    last = max(1, ceil(log2(high)))
    first = min(floor(log2(max(low, 1))), last - 1)
    ticks = range(last, first - 1, -2 if last - first > 5 else -1)
    for axes in grid:
        axes.set_xscale("log", base=2)
        axes.set_xlim(2 ** (first - 0.1), 2 ** (last + 0.1))
        axes.set_xticks([2**power for power in ticks], [_short(2**power) for power in ticks])
        axes.set_xticks([], minor=True)


def _short(tokens: int) -> str:
    """Return a power of two as people write it.

    >>> _short(512), _short(32768)
    ('512', '32k')
    """
    return str(tokens) if tokens < 1024 else f"{tokens // 1024}k"


def _every_x(curves: Mapping[str, Sequence[Curve]]) -> list[int]:
    return [x for lines in curves.values() for one in lines for x in one.x]
