"""Which plots a report shows, and what stands under each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import UserError
from harness.analysis.summary import group_keys
from harness.reporting.html.comparing import Pair
from harness.reporting.html.facts import Labelled
from harness.runs.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A figure of the report."""

    name: str
    """Of its PNG file, without the ending."""
    title: str
    caption: str
    figure: Figure


def plots(versions: Sequence[Labelled], pairs: Sequence[Pair]) -> list[Plot]:
    """Draw what the results have data for."""
    results = [version.result for version in versions]
    return [*_differences(pairs), *_scores(results), *_groups(results), *_training(results)]


def save_plots(drawn: Sequence[Plot], folder: Path) -> None:
    """Write every plot as PNG into a folder, which is made if it is not there."""
    from harness.reporting.plots import save_png

    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_png({plot.name: plot.figure for plot in drawn}, folder)
    except OSError as error:
        raise UserError(
            f"plots cannot be written to {folder}: {error.strerror or error}"
        ) from error


def _differences(pairs: Sequence[Pair]) -> Iterator[Plot]:
    from harness.reporting.plots import difference_figure

    for number, pair in enumerate(pairs, 1):
        if pair.comparison is not None:
            yield Plot(
                name=f"difference-{number}" if len(pairs) > 1 else "difference",
                title=f"{pair.b.label} against {pair.a.label}",
                caption="Difference in accuracy, percentage points, with its 95 % interval.",
                figure=difference_figure(pair.comparison),
            )


def _scores(results: Sequence[Result]) -> Iterator[Plot]:
    from harness.reporting.plots import accuracy_figure, budget_figure, lengths_figure

    yield Plot(
        name="accuracy",
        title="Accuracy by benchmark",
        caption="With 95 % intervals.",
        figure=accuracy_figure(results),
    )
    yield from _if_drawn(
        "lengths",
        "Response lengths",
        "Tokens of each response, as the engine counted them.",
        lengths_figure(results),
    )
    yield from _if_drawn(
        "budget",
        "Accuracy within a token budget",
        "A response counts if it is correct and no longer than the budget: a lower bound of what "
        "a run with that limit would score.",
        budget_figure(results),
    )


def _groups(results: Sequence[Result]) -> Iterator[Plot]:
    from harness.reporting.plots import groups_figure

    for benchmark, group in _group_names(results):
        yield from _if_drawn(
            f"groups-{benchmark}-{group}",
            f"{benchmark} by {group}",
            "Accuracy of each group with its 95 % interval.",
            groups_figure(results, benchmark, group),
        )


def _group_names(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Yield each benchmark and what its problems are grouped by, where they are in two or more."""
    values: dict[tuple[str, str], set[str]] = {}
    for result in results:
        for benchmark, rows in (result.verdicts or {}).items():
            for group in group_keys(rows):
                known = values.setdefault((benchmark, group), set())
                known.update(row.groups[group] for row in rows if group in row.groups)
    yield from (names for names, found in values.items() if len(found) > 1)


def _training(results: Sequence[Result]) -> Iterator[Plot]:
    from harness.reporting.plots import curves_figure

    yield from _if_drawn(
        "training",
        "Training",
        "Mean reward and response length of each step's rollouts.",
        curves_figure(results),
    )


def _if_drawn(name: str, title: str, caption: str, figure: Figure | None) -> Iterator[Plot]:
    """Yield a plot for which there were data."""
    if figure is not None:
        yield Plot(name=name, title=title, caption=caption, figure=figure)


def embedded(drawn: Sequence[Plot]) -> list[dict[str, str]]:
    """Return the plots for the page, each as the text of an SVG."""
    from harness.reporting.plots import svg

    return [
        {"title": plot.title, "caption": plot.caption, "svg": svg(plot.figure)} for plot in drawn
    ]
