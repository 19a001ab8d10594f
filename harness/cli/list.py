"""`list`: what there is. Imports nothing heavy, so that it answers at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmarks import UserError
from benchmarks.registry import Registry, loaded
from harness.cli.options import json_option, results_option, tell
from harness.cli.output import echo

T = TypeVar("T")
Rows = list[dict[str, Any]]
NUMBERS = ("problems", "average")
"""Columns of numbers, which are right-aligned."""


def _described(registry: Registry[T], describe: Callable[[T], dict[str, Any]]) -> Rows:
    """Return a row for each entry; a plug-in that is broken is told of and left out."""
    rows: Rows = []
    for name, found in loaded(registry, tell):
        try:
            rows.append({"name": name, **describe(found)})
        except AttributeError as error:
            tell(UserError(f"the plug-in '{name}' is left out: {error}"))
    return rows


def _benchmarks(_: Path) -> Rows:
    from benchmarks import BENCHMARKS

    return _described(BENCHMARKS, lambda one: {"problems": one.test.rows, "about": one.about})


def _engines(_: Path) -> Rows:
    from harness.engines import ENGINES

    return _described(ENGINES, lambda one: {"about": one.about})


def _trainers(_: Path) -> Rows:
    from trainers import TRAINERS

    return _described(TRAINERS, lambda one: {"about": one.about})


def _prompts(_: Path) -> Rows:
    from harness.prompts.styles import PROMPT_STYLES

    return [{"name": style.name, "about": style.about} for style in PROMPT_STYLES.values()]


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
    from harness.reporting.text.layout import text_table

    found = {name: KINDS[name](results) for name in ([kind] if kind else KINDS)}
    if as_json:
        echo(json.dumps(found, indent=2))
        return
    for number, (name, rows) in enumerate(found.items()):
        if kind is None:
            echo(f"{'' if number == 0 else chr(10)}{name}")
        if not rows:
            echo("  none yet")
            continue
        align = "".join("r" if key in NUMBERS else "l" for key in rows[0])
        echo(text_table([list(row.values()) for row in rows], list(rows[0]), align))
