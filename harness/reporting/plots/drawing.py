"""Shared by all figures: the look of each version, the layout of rows and panels, SVG and PNG.

Names come from people and models: they are made printable, and are never read as
mathematics or markup. Nothing here uses pyplot or changes matplotlib's settings for others, and a
figure's layout is computed once, so that the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, ParamSpec, TypeVar

from harness.common.files import file_name
from harness.common.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from harness.runs.results import Result
    from harness.runs.verdicts import ProblemVerdicts

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound="Figure | None")
Line = Literal["-", "--", "-.", ":", "none"] | tuple[float, Sequence[float]]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe and Ito, which people with any kind of colour vision can tell apart; the
yellow is left out, because it is hard to see on white."""
MARKERS = "osD^vPX*"
LINES: tuple[Line, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))
GREY, PALE = "#6b6b6b", "#d9d9d9"
WIDTH = 7.0
"""The width of a figure in inches: that of the text on a page."""
LEGEND_ROW = 0.19
"""The height of a row of the legend in inches."""
LONGEST_NAME = 40
APART = 0.3
"""The gap before the last row; a row is 1 high."""

SVG_FONTS = "'DejaVu Sans', Verdana, sans-serif"
"""Fonts that are as wide as the one for which the layout was computed."""
ROOT_STYLE = "stroke-linejoin: round; stroke-linecap: butt"
"""The style of an SVG's root element. matplotlib would put it into a style sheet, which would hold
for the whole page."""
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.constrained_layout.use": True,
    "figure.labelsize": 9,
    "font.size": 9,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "svg.hashsalt": "harness",
    "text.parse_math": False,
    "xtick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.color": GREY,
    "ytick.labelcolor": "black",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One result, and the look that it has in every figure."""

    place: int
    """Its place in the list of results."""
    result: Result
    label: str
    colour: str
    marker: str
    line: Line


class Curve(NamedTuple):
    """A version's line in one panel."""

    version: Version
    x: Sequence[int]
    y: Sequence[float]


def versions(results: Sequence[Result]) -> list[Version]:
    """Return the results with their looks; labels of results with the same name have the id."""
    names = [result.name for result in results]
    return [
        Version(
            place=place,
            result=result,
            label=plain(result.name)
            + (f" {plain(result.id)}" if names.count(result.name) > 1 else ""),
            colour=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            line=LINES[place % len(LINES)],
        )
        for place, result in enumerate(results)
    ]


def plain(name: str) -> str:
    """Return a name that a figure can hold: one line, every character printable."""
    text = one_line(name, limit=LONGEST_NAME)
    # matplotlib leaves labels that begin with an underscore out of legends
    return f"\u200a{text}" if text.startswith("_") else text


@contextmanager
def style() -> Iterator[None]:
    """Use this module's settings, and no matplotlibrc, while a figure is made or drawn."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # The SVG's reader may have a character that no font here has.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(STYLE)
        yield


def drawn(function: Callable[P, F]) -> Callable[P, F]:
    """Decorate a function so that its figure is made in our style and its layout is computed.

    A layout engine moves things a little every time that a figure is drawn.
    """

    @wraps(function)
    def settled(*args: P.args, **kwargs: P.kwargs) -> F:
        with style():
            figure = function(*args, **kwargs)
            if figure is not None:
                for _ in range(2):
                    figure.draw_without_rendering()
                figure.set_layout_engine("none")
            return figure

    return settled


# --- what figures share ---------------------------------------------------------------------


def blank(height: float, label: str, *, width: float = WIDTH) -> Figure:
    """Return an empty figure; ``label`` says in words what it shows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.set_label(label)
    return figure


def panels(label: str, names: Sequence[str], *, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    """Return a figure with a small panel for each name, three in a row."""
    columns = min(3, len(names))
    lines = ceil(len(names) / columns)
    width = WIDTH if columns > 1 else 0.65 * WIDTH
    figure = blank(0.9 + (1.75 if columns == 3 else 2.2) * lines, label, width=width)
    grid = figure.subplots(lines, columns, sharex=True, sharey=share_y, squeeze=False)
    cells = list(grid.flat)
    for place, axes in enumerate(cells):
        if place >= len(names):
            axes.remove()
            continue
        axes.set_title(plain(names[place]))
        axes.grid()
        # The lowest panel of a column may stand above an empty place.
        axes.tick_params(labelbottom=place + columns >= len(names))
    return figure, cells[: len(names)]


def row_places(count: int, *, apart: bool) -> list[float]:
    """Return the heights of rows, from the top; the last is lower by `APART` if it is ``apart``."""
    return [place + (APART if apart and place == count - 1 else 0.0) for place in range(count)]


def name_rows(axes: Axes, places: Sequence[float], labels: Sequence[str], *, apart: bool) -> None:
    """Name the rows and put the first on top; with ``apart`` a line separates the last."""
    axes.set_yticks(list(places), list(labels))
    axes.set_ylim(places[-1] + 0.6, places[0] - 0.6)
    axes.tick_params(axis="y", length=0)
    if apart:
        axes.axhline((places[-2] + places[-1]) / 2, color=GREY, linewidth=0.8)
        axes.get_yticklabels()[-1].set_fontweight("bold")


def error_bar(middle: float, low: float, high: float) -> list[list[float]]:
    """Return the lengths of an error bar; an interval may lie beside its estimate."""
    return [[max(0.0, middle - low)], [max(0.0, high - middle)]]


def rows_of(version: Version, benchmark: str) -> Sequence[ProblemVerdicts]:
    """Return a version's verdicts on a benchmark; an empty list where they are not known."""
    return (version.result.verdicts or {}).get(benchmark, [])


def thinned(points: Sequence[T], most: int) -> list[T]:
    """Return at most so many points, evenly chosen; the first and the last two stay.

    >>> thinned(range(10), 5)
    [0, 2, 5, 8, 9]
    """
    if len(points) <= most:
        return list(points)
    last, steps = len(points) - 2, most - 2
    return [*(points[place * last // steps] for place in range(steps + 1)), points[-1]]


def shown_in(curves: Mapping[str, Sequence[Curve]]) -> list[Version]:
    """Return the version of every line in every panel, with repetitions."""
    return [one.version for lines in curves.values() for one in lines]


def line_look(version: Version) -> dict[str, Any]:
    """Return the arguments with which matplotlib draws a version's line."""
    return {"color": version.colour, "linestyle": version.line}


def legend(figure: Figure, entries: Mapping[str, Line2D]) -> None:
    """Put a legend above everything, in as few rows as its width allows.

    The figure grows by the rows after the first, so that the plot below keeps its height.
    """
    for rows in range(1, len(entries) + 1):
        columns = ceil(len(entries) / rows)
        made = figure.legend(
            handles=list(entries.values()),
            labels=list(entries),
            loc="outside upper left",
            ncols=columns,
            handlelength=2.2,
            borderaxespad=0.2,
        )
        width = made.get_window_extent().width
        if columns == 1 or width <= figure.bbox.width:
            # A single name can be wider than a narrow figure.
            figure.set_figwidth(max(figure.get_figwidth(), 1.02 * width / figure.dpi))
            figure.set_figheight(figure.get_figheight() + LEGEND_ROW * (rows - 1))
            return
        made.remove()


def version_legend(
    figure: Figure, shown: Iterable[Version], *, markers: bool = True, lines: bool = True
) -> None:
    """Put a legend above everything that has each version once."""
    from matplotlib.lines import Line2D

    entries = {
        one.label: Line2D(
            [],
            [],
            color=one.colour,
            linestyle=one.line if lines else "-",
            marker=one.marker if markers else "none",
        )
        for one in sorted(shown, key=lambda version: version.place)
    }
    legend(figure, entries)


# --- output ---------------------------------------------------------------------------------


def svg(figure: Figure) -> str:
    """Return a figure as an SVG element to be put into a page.

    The same figure gives the same text. Its text is text, its ids are its own whatever
    else is in the page, and it brings no style sheet that would hold outside of it.
    """
    buffer = io.StringIO()
    with style():
        unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=unsaid)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, count=1, flags=re.DOTALL)
    own = "f" + hashlib.sha256(text.encode()).hexdigest()[:10]
    # A text's own angle brackets are escaped: whatever stands between two is a tag.
    text = re.sub(r"<[^<>]+>", lambda tag: _own(tag.group(), own), text)
    name = html.escape(str(figure.get_label()))
    root = f'<svg role="img" aria-label="{name}" style="{ROOT_STYLE}"'
    return text.replace("<svg", root, 1).rstrip() + "\n"


def _own(tag: str, own: str) -> str:
    tag = re.sub(r"font-family: [^;\"]*", f"font-family: {SVG_FONTS}", tag)
    return re.sub(r'( id="|="#|url\(#)', rf"\g<1>{own}-", tag)


def save_png(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as ``<name>.png`` into a folder, made if need be; return the paths.

    A name that no file can have is changed, see `harness.common.files.file_name`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        path = folder / f"{file_name(name, unnamed='figure')}.png"
        with style():
            figure.savefig(path, dpi=200, metadata={"Software": None})
        paths.append(path)
    return paths
