"""`diff`: is B better than A, and are we sure?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from harness.cli.options import json_option, mismatch_option, results_option
from harness.cli.output import echo

EXAMPLES = """\b
Examples:
  python -m harness diff openseek-v1 openseek-v4
  python -m harness diff v1 v4 --show broken
  python -m harness diff v4 v4-greedy --allow-mismatch
  python -m harness diff v1 step-100 step-200 step-300
  python -m harness diff v1-seed1,v1-seed2,v1-seed3 v4-seed1,v4-seed2,v4-seed3
"""


@click.command("diff", epilog=EXAMPLES)
@click.argument("a")
@click.argument("b")
@click.argument("more", nargs=-1, metavar="[C]...")
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
@mismatch_option(
    "Compare what both share even if they were not measured alike; the output says so."
)
@results_option
@json_option
def command(
    a: str,
    b: str,
    more: tuple[str, ...],
    show: Literal["fixed", "broken"] | None,
    rows: int,
    allow_mismatch: bool,
    results: Path,
    as_json: bool,
) -> None:
    """Compare B with A: runs by name, tag, id or folder, or published results by name.

    Says for each benchmark, and for the average, whether B is better, worse, or whether there is
    no evidence of either, at a level of 5 % corrected for the number of benchmarks. Runs are
    compared problem by problem; published counts, about which less is known, as counts.

    With further runs each of them, and B, is compared with A by its average, corrected for the
    number of runs, as by `rank --base A`.

    Runs with commas between them are trainings of one recipe, with different seeds. Then the
    recipes are compared and not two checkpoints: trainings count as a sample, as problems do.
    """
    if more:
        if show is not None:
            raise click.UsageError("--show lists the problems of two runs; name two")
        _print_many(a, (b, *more), results, allow_mismatch=allow_mismatch, as_json=as_json)
        return
    if "," in a + b and _groups(a, b, results):
        _diff_recipes(a, b, show, allow_mismatch=allow_mismatch, results=results, as_json=as_json)
        return
    from harness.api import compare
    from harness.reporting.text.comparison import comparison_fields, flips_text

    found = compare(a, b, results=results, allow_mismatch=allow_mismatch)
    if as_json:
        echo(json.dumps(comparison_fields(found), ensure_ascii=False, indent=2))
    elif show is None:
        echo(str(found))
    elif not found.paired:
        raise click.ClickException(f"which problems are {show} cannot be told: {found.notes[0]}")
    else:
        echo(flips_text(found, show, rows))


def _print_many(
    base: str, runs: tuple[str, ...], results: Path, *, allow_mismatch: bool, as_json: bool
) -> None:
    from harness.api import rank
    from harness.reporting.text.many import many_fields

    found = rank(runs, base, results=results, allow_mismatch=allow_mismatch)
    echo(json.dumps(many_fields(found), ensure_ascii=False, indent=2) if as_json else str(found))


def _groups(a: str, b: str, results: Path) -> bool:
    """Say whether either side is several runs; a name may have commas of its own."""
    from harness.runs.catalogue import Catalogue

    catalogue = Catalogue(results)
    return any(len(catalogue.group(side)) > 1 for side in (a, b))


def _diff_recipes(
    a: str, b: str, show: str | None, *, allow_mismatch: bool, results: Path, as_json: bool
) -> None:
    from harness.api import compare_recipes
    from harness.reporting.text.recipes import recipes_fields

    if show is not None:
        raise click.UsageError(
            f"--show {show} lists problems of two runs, and here are groups of runs; give one run "
            "on either side"
        )
    found = compare_recipes(a, b, results=results, allow_mismatch=allow_mismatch)
    if as_json:
        echo(json.dumps(recipes_fields(found), ensure_ascii=False, indent=2))
    else:
        echo(str(found))
