"""How long each command takes to start, and the light ones to end, as a user waits for them.

    python tests/performance/startup.py [-o tests/performance/latest.json]

Every command is run with `--help`, which imports what the command's file imports, and the light
ones are run in an empty folder; a process each, median of several after one that is not counted.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
from made import environment
from measuring import output_option, publish

from harness.cli import cli

LIGHT = (["list"], ["table", "--json"])
RUNS = 7


def seconds(arguments: list[str], folder: str | Path) -> float:
    """Return the wall time of one command in a fresh process, which may keep compiled modules."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env=environment(),
    )
    return time.perf_counter() - began


def commands() -> Iterator[list[str]]:
    """Yield what is timed: the command line's help, each command's, and the light commands."""
    yield ["--help"]
    yield from ([*path, "--help"] for path in paths(cli))
    yield from LIGHT


def paths(group: click.Group) -> Iterator[list[str]]:
    """Yield the words of every command of a group, those of its groups included."""
    context = click.Context(group)
    for name in group.list_commands(context):
        yield [name]
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ([name, *inner] for inner in paths(command))


@click.command()
@output_option
def main(output: Path | None) -> None:
    """Print the median seconds of each command."""
    medians = {}
    with tempfile.TemporaryDirectory() as folder:
        for arguments in commands():
            measured = [seconds(arguments, folder) for _ in range(RUNS + 1)][1:]
            medians[" ".join(arguments)] = round(statistics.median(measured), 3)
    figures = {
        "help_seconds": medians["--help"],
        "slowest_help_seconds": max(s for name, s in medians.items() if name.endswith("--help")),
        "list_seconds": medians["list"],
    }
    publish("startup", figures, {"seconds": medians}, output)


if __name__ == "__main__":
    main()
