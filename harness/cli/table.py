"""`table`: the stored runs and the published results side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import UserError, WrongValueError
from benchmarks.hints import hint
from harness.cli.options import json_option, results_option
from harness.cli.output import echo

if TYPE_CHECKING:
    from harness.reporting.text.layout import Format
    from harness.runs.results import Result

FORMATS = ("text", "markdown", "csv", "latex", "json")
MARKDOWN, CSV = "TABLE.md", "table.csv"


@click.command("table")
@click.argument("runs", nargs=-1)
@click.option("--tag", help="List only the runs with this tag.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to print the table.",
)
@click.option(
    "--write", is_flag=True, help=f"Write {MARKDOWN} and {CSV} into the results folder instead."
)
@click.option(
    "--check",
    is_flag=True,
    help=f"Check that {MARKDOWN} and {CSV} are current; exit code 1 if not.",
)
@click.option(
    "--cost",
    is_flag=True,
    help="Show the tokens, time and money of each run instead of its scores.",
)
@results_option
@json_option
def command(
    runs: tuple[str, ...],
    tag: str | None,
    format_: Format,
    write: bool,
    check: bool,
    cost: bool,
    results: Path,
    as_json: bool,
) -> None:
    """Print stored runs and published results side by side: RUNS, or all that are complete.

    RUNS are named by version, tag, id or folder. Rows that were not measured alike are marked,
    and a footnote says in what they differ; rows that cannot be told apart share a rank.
    """
    from harness.reporting.text.cost import cost_table
    from harness.reporting.text.runs import runs_table
    from harness.runs.catalogue import Catalogue

    if write and check:
        raise click.UsageError("--write makes the files, --check only looks at them: give one")
    if write or check:
        if runs or tag or cost:
            raise click.UsageError(
                "--write and --check are about the scores of all the runs: name none, and no --cost"
            )
        _write_or_check(results, write=write)
        return
    catalogue = Catalogue(results)
    found = [catalogue.find(asked) for asked in runs] or catalogue.list_results()
    found = [one for one in found if tag is None or (one.run and tag in one.run.tags)]
    if cost:
        found = _with_cost(found, named=bool(runs))
    if not found and not (as_json or format_ == "json"):
        raise (WrongValueError if tag else UserError)(
            f"no complete run{f' tagged {tag}' if tag else ''} under {catalogue.root}; "
            f"make one: {hint('eval --model demo --benchmarks demo')}"
        )
    table = cost_table if cost else runs_table
    echo(table(found, "json" if as_json else format_))


def _with_cost(found: list[Result], *, named: bool) -> list[Result]:
    """Return the runs; a published result that was asked for by name is refused."""
    published = [one.name for one in found if one.run is None]
    if named and published:
        raise UserError(
            f"--cost: {', '.join(published)} is published, and nobody states what it took; "
            "name stored runs, or none for all of them"
        )
    return [one for one in found if one.run is not None]


def _write_or_check(results: Path, *, write: bool) -> None:
    from harness.reporting.kept_tables import kept_tables, require_current, write_tables
    from harness.runs.catalogue import Catalogue

    tables = kept_tables(Catalogue(results))
    if write:
        write_tables(tables)
        for path in tables:
            echo(f"written: {path}")
    else:
        require_current(tables)
        echo("the tables are current")
