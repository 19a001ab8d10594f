"""`list`: what there is. Imports nothing heavy, so that it answers at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.cli.options import json_option, results_option
from harness.common.text import one_line

Rows = list[dict[str, Any]]


def _benchmarks(_: Path) -> Rows:
    from benchmarks import BENCHMARKS

    return [
        {"name": name, "problems": (b := BENCHMARKS[name]).test.rows, "about": b.about}
        for name in BENCHMARKS
    ]


def _engines(_: Path) -> Rows:
    from harness.engines import ENGINES

    return [{"name": name, "about": ENGINES[name].about} for name in ENGINES]


def _trainers(_: Path) -> Rows:
    from trainers import TRAINERS

    return [{"name": name, "about": TRAINERS[name].about} for name in TRAINERS]


def _prompts(_: Path) -> Rows:
    from harness.prompts.styles import STYLES

    return [{"name": style.name, "about": style.about} for style in STYLES.values()]


def _runs(results: Path) -> Rows:
    from harness.runs.catalogue import Catalogue

    return [
        {
            "name": run.name,
            "run": run.id,
            "status": run.status,
            "tags": " ".join(run.tags),
            "average": None if run.average is None else round(100 * run.average.accuracy, 2),
            "benchmarks": " ".join(run.identity.benchmarks),
        }
        for _, run in Catalogue(results).runs
    ]


def _published(results: Path) -> Rows:
    from harness.runs.catalogue import Catalogue

    return [
        {"name": row.name, "model": row.model, "source": source.title}
        for _, source in Catalogue(results).sources
        for row in source.results
    ]


KINDS: dict[str, Callable[[Path], Rows]] = {
    "benchmarks": _benchmarks,
    "engines": _engines,
    "trainers": _trainers,
    "prompts": _prompts,
    "runs": _runs,
    "published": _published,
}


@click.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)), required=False)
@results_option
@json_option
def command(kind: str | None, results: Path, as_json: bool) -> None:
    """List benchmarks, engines, trainers, prompt styles, runs or published results.

    Without KIND all of them.
    """
    from tabulate import tabulate

    found = {name: KINDS[name](results) for name in ([kind] if kind else KINDS)}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for number, (name, rows) in enumerate(found.items()):
        if kind is None:
            click.echo(f"{'' if number == 0 else chr(10)}{name}")
        shown = [{key: one_line(str(cell), limit=200) for key, cell in row.items()} for row in rows]
        click.echo(tabulate(shown, headers="keys", tablefmt="simple") if rows else "  none yet")
