"""Whether a run's time grows with its samples alone, and its memory hardly at all.

    python tests/performance/growth.py [--most 1000000] [-o tests/performance/latest.json]

Saved responses of growing number go through the whole command, `eval --engine replay`: read,
stored, graded, scored, written. No model is in the way, so what is measured is the harness. The
responses are made (`made.write_responses`): some fifty to a hundred words, most with a number as
their answer, right or wrong, one in ten cut off. Memory is the most that was resident in the
driver; the grader's workers are processes of their own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
import psutil
from made import environment, write_responses
from measuring import output_option, publish, say

from benchmarks import BENCHMARKS
from benchmarks.source import load_problems

SIZES = (1_000, 10_000, 100_000, 1_000_000)


class Measured(NamedTuple):
    """One run of the command."""

    seconds: float
    megabytes: int
    """The most that was resident in the driver."""


def measure(folder: Path, responses: Path, each: int) -> Measured:
    """Run the command on ``each`` responses a problem and watch its driver."""
    command = [
        *(sys.executable, "-m", "harness", "eval", "--engine", "replay"),
        *("--responses", responses.name, "--benchmarks", "demo", "--temperature", "1"),
        *("--n", str(each), "--results", f"results-{each}"),
    ]
    log = folder / "log"
    began = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, env=environment())
        most = watch(process)
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise click.ClickException(log.read_text(encoding="utf-8"))
    return Measured(round(seconds, 2), round(most / 1e6))


def watch(process: subprocess.Popen[bytes]) -> int:
    """Wait for the process to end and return the most bytes that were resident in it."""
    watched, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            most = max(most, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    process.wait()
    return most


def figures(growth: dict[int, Measured]) -> dict[str, object]:
    """Return rate and memory at the largest size, and whether the rate fell on the way there."""
    rates = {samples: samples / measured.seconds for samples, measured in growth.items()}
    *_, tenth, largest = growth
    return {
        "replay_per_second": round(rates[largest]),
        "replay_rate_over_tenth": round(rates[largest] / rates[tenth], 3),
        "replay_megabytes": growth[largest].megabytes,
        "growth": {str(samples): measured._asdict() for samples, measured in growth.items()},
    }


@click.command()
@click.option(
    "--most", type=click.IntRange(SIZES[1]), default=SIZES[-1], show_default=True, help="Samples."
)
@output_option
def main(most: int, output: Path | None) -> None:
    """Print time and memory at each size, and the rate at the largest."""
    problems = load_problems(BENCHMARKS["demo"])
    growth: dict[int, Measured] = {}
    with tempfile.TemporaryDirectory() as name:
        responses = Path(name) / "responses.jsonl"
        for samples in (size for size in SIZES if size <= most):
            each = samples // len(problems)
            write_responses(responses, problems, each)
            growth[samples] = measure(Path(name), responses, each)
            say(f"{samples} samples: {growth[samples]}")
    publish("growth", figures(growth), {}, output)


if __name__ == "__main__":
    main()
