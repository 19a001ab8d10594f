"""What the measurements found, in one table: each figure, its target, and when it was measured.

    python tests/performance/summary.py [FILE]

A figure that is measured again replaces the old one alone, so each says its commit, and how busy
the machine was before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from measuring import LATEST, is_number, target

from harness.reporting.text.layout import text_table

HEADERS = ("figure", "value", "target", "", "by", "measured", "commit", "load")


def rows(latest: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """Yield one row a figure that is a number, measurement by measurement."""
    for name, found in latest["details"].items():
        when = (f"{name}.py", found["measured"][:16], found["commit"], found["load_before"])
        for figure in found["figures"]:
            value = latest[figure]
            if is_number(value):
                asked = target(figure, found["hardware"])
                missed = "" if asked is None or asked.met(value) else "MISSED"
                yield (figure, f"{value:.7g}", asked or "", missed, *when)


def growth(latest: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """Yield one row a size of the growth."""
    for samples, measured in latest.get("growth", {}).items():
        rate = round(int(samples) / measured["seconds"])
        yield int(samples), measured["seconds"], rate, measured["megabytes"]


def machines(latest: Mapping[str, Any]) -> list[str]:
    """Return every machine that something was measured on."""
    found = (details["hardware"] for details in latest["details"].values())
    described = (
        f"{one['processor']}, {one['cores']} cores, {one['memory_gib']} GiB, "
        f"GPUs: {', '.join(one['gpus']) or 'none'}"
        for one in found
    )
    return list(dict.fromkeys(described))


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path), default=LATEST)
def main(path: Path) -> None:
    """Print the figures of a file of measurements."""
    latest = json.loads(path.read_text(encoding="utf-8"))
    click.echo(text_table(rows(latest), HEADERS))
    if "growth" in latest:
        headers = ("samples", "seconds", "a second", "driver's MB")
        click.echo("\n" + text_table(growth(latest), headers, "rrrr"))
    click.echo("\n" + "\n".join(machines(latest)))


if __name__ == "__main__":
    main()
