"""`diff`: is B better than A, and are we sure?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from harness.cli.options import json_option, results_option

EXAMPLES = """\b
Examples:
  python -m harness diff openseek-v1 openseek-v4
  python -m harness diff v1 v4 --show broken
  python -m harness diff v4 v4-greedy --anyway
"""


@click.command("diff", epilog=EXAMPLES)
@click.argument("a")
@click.argument("b")
@click.option(
    "--show",
    type=click.Choice(["fixed", "broken"]),
    help="List the problems that only B gets right, or only A, with both answers.",
)
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many problems --show lists at most.",
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Compare what both share even if they were not measured alike; the output says so.",
)
@results_option
@json_option
def command(
    a: str,
    b: str,
    show: Literal["fixed", "broken"] | None,
    rows: int,
    anyway: bool,
    results: Path,
    as_json: bool,
) -> None:
    """Compare B with A: runs by name, tag, id or folder, or published results by name.

    Says for each benchmark, and for the average, whether B is better, worse, or whether there is
    no evidence of either, at a level of 5 % corrected for the number of benchmarks. Runs are
    compared problem by problem; published counts, about which less is known, as counts.
    """
    from harness.analysis.compare import compare
    from harness.reporting.text.comparison import comparison_fields, comparison_text, flips_text
    from harness.runs.catalogue import Catalogue

    catalogue = Catalogue(results)
    found = compare(catalogue.find(a), catalogue.find(b), anyway=anyway)
    if as_json:
        click.echo(json.dumps(comparison_fields(found), ensure_ascii=False, indent=2))
    elif show is None:
        click.echo(comparison_text(found))
    elif not found.paired:
        raise click.ClickException(f"which problems are {show} cannot be told: {found.notes[0]}")
    else:
        click.echo(flips_text(found, show, rows))
