"""`table`: the stored runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, results_option

if TYPE_CHECKING:
    from harness.tables import Format

FORMATS = ("text", "markdown", "csv", "latex", "json")


@click.command("table")
@click.argument("runs", nargs=-1)
@click.option("--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True)
@results_option
@json_option
def command(runs: tuple[str, ...], format_: Format, results: Path, as_json: bool) -> None:
    """Print stored runs side by side: RUNS by name, id or folder, or all that are complete."""
    from harness.store import find_run, list_runs
    from harness.tables import runs_table

    root = results / "runs"
    found = [find_run(root, asked) for asked in runs] if runs else list_runs(root)
    complete = [run for _, run in found if run.status == "complete"]
    if not complete and not as_json:
        raise click.ClickException(
            f"no complete run under {root}; "
            "make one: python -m harness eval --model demo --benchmarks demo"
        )
    click.echo(runs_table(complete, "json" if as_json else format_))
