"""`report`: scores, differences, plots and every sample, in one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.hints import hint
from harness.cli.options import (
    NewFolder,
    data_option,
    margin_option,
    mismatch_option,
    results_option,
)
from harness.cli.output import echo
from harness.common.files import own_descriptor
from harness.common.text import one_line

EXAMPLES = """\b
Examples:
  python -m harness report v1 v4 -o v1-v4.html
  python -m harness report v4 -o v4.html --png plots
  python -m harness report v1-seed1,v1-seed2,v1-seed3 v4-seed1,v4-seed2,v4-seed3
"""


@click.command("report", epilog=EXAMPLES)
@click.argument("runs", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="HTML file to write.",
)
@click.option(
    "--png",
    type=NewFolder(),
    metavar="DIR",
    help="Also write every plot as a PNG file into this folder.",
)
@margin_option
@mismatch_option("Compare what all share even if they were not measured alike; the page says so.")
@data_option
@results_option
def command(
    runs: tuple[str, ...],
    output: Path,
    png: Path | None,
    margin: float | None,
    allow_mismatch: bool,
    data_dir: Path | None,
    results: Path,
) -> None:
    """Write one HTML file about RUNS: by name, tag, id or folder, or published results by name.

    Two runs are compared, of more each with the first. The file needs no network and no server:
    it holds the scores, what their differences are worth, the plots, and every response, to be
    filtered and read side by side.

    Runs with commas between them are trainings of one recipe, with different seeds. Then recipes
    are compared and not single runs.
    """
    if not runs:
        raise click.UsageError(
            "give one run or more, by name, such as: "
            f"{hint('report v1 v4 -o report.html')} ({hint('list')} names those that are stored)"
        )
    from harness.reporting.html import write_report
    from harness.reporting.progress import PATIENCE, open_progress
    from harness.runs.catalogue import Catalogue
    from harness.runs.published import published_files

    catalogue = Catalogue(results)
    groups = [[catalogue.find(name) for name in catalogue.group(asked)] for asked in runs]
    recipes = groups if any(len(group) > 1 for group in groups) else ()
    if recipes and margin is not None:
        raise click.UsageError(
            "--margin is about two runs, and here are groups of trainings: leave it out, or name "
            "one run of each group"
        )
    with open_progress(patience=PATIENCE) as progress:
        written = write_report(
            [run for group in groups for run in group],
            output,
            recipes=recipes,
            anyway=allow_mismatch,
            margin=margin,
            data_dir=data_dir,
            png=png,
            progress=progress,
            published=published_files(results),
        )
    carries_page = own_descriptor(output) == 1
    echo(f"wrote {written.path} ({_size(written.size)})", err=carries_page)
    if written.refused:
        echo(f"{one_line('; '.join(written.refused), limit=None)}; the page says why", err=True)
    if png is not None:
        echo(f"wrote {written.plots} plots in {png}", err=carries_page)


def _size(count: int) -> str:
    """Return a size as people say it.

    >>> _size(812_345), _size(23_456_789)
    ('0.8 MB', '23.5 MB')
    """
    return f"{count / 1e6:,.1f} MB"
