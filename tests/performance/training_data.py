"""Whether the time of `data build` grows with its rows alone, and its memory hardly at all.

    python tests/performance/training_data.py [--most 100000] [-o tests/performance/latest.json]

Made rows of growing number, each a question of some forty words, a solution of two hundred and a
number, go through the whole command. Time is that of the processor, of the command and of the
grader's workers together. Memory is the most that the command itself had: pages of the files that
it maps are not counted, since the system takes them back when it needs the room.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

import click
import psutil
from made import environment
from measuring import output_option, publish, say

SIZES = (10_000, 30_000, 100_000)
WORDS = (
    "pear box train lake price day week speed each then sells buys walks divides how many total "
    "red blue sum product number prime circle angle Ada Ben Gita hour litre"
).split()


class Measured(NamedTuple):
    """One build."""

    seconds: float
    """Of the processor."""
    megabytes: int
    """The most that the command had in memory of its own."""


def write_rows(path: Path, count: int) -> None:
    """Write made rows, the same each time."""
    random = Random(7)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            question = " ".join(random.choices(WORDS, k=40))
            solution = "\n".join(" ".join(random.choices(WORDS, k=20)) for _ in range(10))
            row = {"problem": f"{question} {number}?", "solution": solution, "answer": number % 997}
            file.write(json.dumps(row) + "\n")


def measure(folder: Path, count: int) -> Measured:
    """Build from ``count`` rows."""
    write_rows(folder / "rows.jsonl", count)
    command = [sys.executable, "-m", "harness", "data", "build", "rows.jsonl", "--style", "boxed"]
    log, before = folder / "log", os.times()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "-o", f"built-{count}"],
            cwd=folder, stdout=file, stderr=file, env=environment(),
        )  # fmt: skip
        most = watch(process)
    if process.returncode != 0:
        raise click.ClickException(log.read_text(encoding="utf-8"))
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    return Measured(round(spent, 1), round(most / 1e6))


def watch(process: subprocess.Popen[bytes]) -> int:
    """Wait for the process to end; return the most bytes of its own that were resident."""
    watched, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            memory = watched.memory_info()
        except psutil.NoSuchProcess:
            break
        most = max(most, memory.rss - getattr(memory, "shared", 0))
        time.sleep(0.05)
    process.wait()
    return most


def figures(builds: dict[int, Measured]) -> dict[str, object]:
    """Return rate and memory at the largest size, and whether the rate fell on the way there."""
    rates = {count: count / measured.seconds for count, measured in builds.items()}
    smallest, *_, largest = builds
    return {
        "data_build_rows_per_second": round(rates[largest]),
        "data_build_rate_over_smallest": round(rates[largest] / rates[smallest], 3),
        "data_build_megabytes": builds[largest].megabytes,
        "data_build": {str(count): measured._asdict() for count, measured in builds.items()},
    }


@click.command()
@click.option(
    "--most", type=click.IntRange(SIZES[1]), default=SIZES[-1], show_default=True, help="Rows."
)
@output_option
def main(most: int, output: Path | None) -> None:
    """Print time and memory at each size, and the rate at the largest."""
    builds: dict[int, Measured] = {}
    with tempfile.TemporaryDirectory() as name:
        for count in (size for size in SIZES if size <= most):
            builds[count] = measure(Path(name), count)
            say(f"{count} rows: {builds[count]}")
    publish("training-data", figures(builds), {}, output, packages=["datasets", "pyarrow"])


if __name__ == "__main__":
    main()
