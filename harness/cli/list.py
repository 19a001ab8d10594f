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
from harness.common.text import one_line

T = TypeVar("T")
BROKEN = "broken"
"""The key of the reason for which a plug-in cannot be used; then there is no other but its name."""
LONGEST = 200
"""Characters of that reason that are shown."""
Rows = list[dict[str, Any]]
NUMBERS = ("problems", "average")
"""Columns of numbers, which are right-aligned."""


def _described(registry: Registry[T], describe: Callable[[T], dict[str, Any]]) -> Rows:
    """Return a row for each entry; that of a broken plug-in says why it is broken."""
    broken: dict[str, str] = {}

    def failed(name: str, error: UserError) -> None:
        tell(error)
        broken[name] = one_line(str(error), limit=LONGEST)

    rows = {name: {"name": name, **describe(found)} for name, found in loaded(registry, failed)}
    reasons = {name: {"name": name, BROKEN: reason} for name, reason in broken.items()}
    return [{**rows, **reasons}[name] for name in registry]


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
            "average": None if run.average is None else _percent(run.average.accuracy),
            "benchmarks": " ".join(run.identity.benchmarks),
        }
        for _, run in Catalogue(results).runs
    ]


def _percent(share: float) -> float:
    """Return a share in per cent, rounded as `diff` and `table` round it."""
    from harness.reporting.text.numbers import percent

    return float(percent(share, decimals=2))


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

    Without KIND all of them. A run's average is what its record states; `table` and `show` check
    it against the run's verdicts.
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
        heads = list(next((row for row in rows if BROKEN not in row), rows[0]))
        align = "".join("r" if key in NUMBERS else "l" for key in heads)
        echo(text_table([_cells(row, len(heads)) for row in rows], heads, align))


def _cells(row: dict[str, Any], columns: int) -> list[Any]:
    """Return a row as it is shown; the last column is the one that describes."""
    if BROKEN not in row:
        return list(row.values())
    return [row["name"], *[""] * (columns - 2), f"BROKEN: {row[BROKEN]}"]
