"""Chooses the plots of a report, and writes their titles and captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import UserError
from harness.analysis.compare import Comparison
from harness.analysis.summary import group_keys
from harness.common.text import told_apart
from harness.reporting.html.comparing import RankedVersions, VersionPair
from harness.reporting.html.facts import ReportedResult
from harness.reporting.html.recipes import RecipePair
from harness.reporting.text.numbers import margin_points
from harness.runs.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A figure with its title and caption."""

    name: str
    """The name of its PNG file, without the ending."""
    title: str
    caption: str
    figure: Figure


def plots(
    versions: Sequence[ReportedResult],
    pairs: Sequence[VersionPair],
    ranked: RankedVersions | None = None,
    recipes: Sequence[RecipePair] = (),
) -> list[Plot]:
    """Draw every plot for which the results have data."""
    results = [version.result for version in versions]
    return [
        *_ranks(ranked),
        *_recipes(recipes),
        *_differences(pairs),
        *_scores(results),
        *_groups(results),
        *_training(results),
    ]


def save_plots(drawn: Sequence[Plot], folder: Path) -> None:
    """Write every plot as PNG into a folder, which is made if need be."""
    from harness.reporting.plots import save_png

    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = told_apart(plot.name for plot in drawn)
        save_png(dict(zip(names, (plot.figure for plot in drawn), strict=True)), folder)
    except OSError as error:
        raise UserError(
            f"plots cannot be written to {folder}: {error.strerror or error}"
        ) from error


def _ranks(ranked: RankedVersions | None) -> Iterator[Plot]:
    from harness.reporting.plots import ranks_figure

    if ranked is not None and ranked.ranking is not None:
        yield Plot(
            name="ranks",
            title="Ranks",
            caption="Each average with its own 95 % interval, and the ranks that each version may "
            "have, which hold for all at once with 95 %. Versions that may be the best are blue.",
            figure=ranks_figure(ranked.ranking, ranked.labels),
        )


def _recipes(pairs: Sequence[RecipePair]) -> Iterator[Plot]:
    from harness.reporting.plots import recipes_figure

    for number, pair in enumerate(pairs, 1):
        if pair.comparison is not None:
            yield Plot(
                name=f"recipes-{number}" if len(pairs) > 1 else "recipes",
                title=pair.title,
                caption="Left: the accuracy of each training, and the recipes' means with 95 % "
                "intervals. Right: what makes the difference between the recipes uncertain; both "
                "is single trainings on single problems, and with one sample of a problem also the "
                "drawing of samples.",
                figure=recipes_figure(pair.comparison),
            )


def _differences(pairs: Sequence[VersionPair]) -> Iterator[Plot]:
    from harness.reporting.plots import difference_figure

    for number, pair in enumerate(pairs, 1):
        if pair.comparison is not None:
            yield Plot(
                name=f"difference-{number}" if len(pairs) > 1 else "difference",
                title=f"{pair.b.label} against {pair.a.label}",
                caption=_difference_caption(pair.comparison, pair.runs),
                figure=difference_figure(pair.comparison),
            )


def _difference_caption(found: Comparison, runs: int) -> str:
    text = "The difference in accuracy in percentage points, with 95 % intervals."
    if runs > 1:
        which = "" if found.average is None else " on the average"
        text += f" The verdict{which} is corrected for {runs} runs."
    if found.margin is None:
        return text
    return (
        f"{text} The band is the margin of {margin_points(found.margin)}. A thick line, the 90 % "
        "interval, within it speaks for the same within the margin, and one to the right of the "
        "band's left edge for not worse by it; the verdicts are corrected for their number."
    )


def _scores(results: Sequence[Result]) -> Iterator[Plot]:
    from harness.reporting.plots import accuracy_figure, budget_figure, lengths_figure

    yield Plot(
        name="accuracy",
        title="Accuracy by benchmark",
        caption="The accuracy in per cent, with 95 % intervals.",
        figure=accuracy_figure(results),
    )
    yield from _if_drawn(
        "lengths",
        "Response lengths",
        "The share of responses that have at most so many tokens, as the engine counted them.",
        lengths_figure(results),
    )
    yield from _if_drawn(
        "budget",
        "Accuracy within a token budget",
        "A response counts if it is correct and no longer than the budget. A run with that "
        "limit would score at least as much.",
        budget_figure(results),
    )


def _groups(results: Sequence[Result]) -> Iterator[Plot]:
    from harness.reporting.plots import groups_figure

    for benchmark, group in _group_names(results):
        yield from _if_drawn(
            f"groups-{benchmark}-{group}",
            f"{benchmark} by {group}",
            "The accuracy of each group, with 95 % intervals.",
            groups_figure(results, benchmark, group),
        )


def _group_names(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Yield each benchmark and the name of each of its groupings that has two groups or more."""
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
        "The mean reward and response length of the rollouts of each step.",
        curves_figure(results),
    )


def _if_drawn(name: str, title: str, caption: str, figure: Figure | None) -> Iterator[Plot]:
    """Yield the plot if there were data for its figure."""
    if figure is not None:
        yield Plot(name=name, title=title, caption=caption, figure=figure)


def embedded(drawn: Sequence[Plot]) -> list[dict[str, str]]:
    """Return the plots for the page, each as the text of an SVG element."""
    from harness.reporting.plots import svg

    return [
        {"title": plot.title, "caption": plot.caption, "svg": svg(plot.figure)} for plot in drawn
    ]
