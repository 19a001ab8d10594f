"""Whether a run's time grows with its samples alone, and its memory hardly at all.

    python tests/performance/growth.py [--most 1000000] [-o tests/performance/latest.json]

Saved responses of growing number go through the whole command, `eval --engine replay`: read,
stored, graded, scored, written. No model is in the way, so what is measured is the harness.
The responses are made: some fifty to a hundred words, nearly half of them right, a third wrong, one
in twenty an answer for the symbolic rules, one in twenty without an answer, one in ten cut off.
"""

from __future__ import annotations

import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
import psutil

from benchmarks import BENCHMARKS, Problem
from benchmarks.source import load_problems
from harness.environment import hardware

SIZES = (1_000, 10_000, 100_000, 1_000_000)
WORDS = (
    "first we add what is given and divide the sum by two so that the rest is "
    "smaller than before then all of it is taken together once more"
).split()
RATE_TARGET = 20_000
"""Samples a second at the largest size, on two cores."""
MEMORY_TARGET = 1e9
"""Bytes resident in the driver."""
LINEAR_TARGET = 0.8
"""Of the rate at a tenth of the size."""


class Measured(NamedTuple):
    """One run of the command."""

    seconds: float
    bytes: int
    """The most that was resident in the driver."""


def write_responses(path: Path, problems: list[Problem], samples: int) -> None:
    """Write ``samples`` responses, the same number to each problem."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for problem in problems:
            for index in range(samples // len(problems)):
                row = {"problem_id": problem.id, "index": index, **response(problem, draw)}
                file.write(json.dumps(row) + "\n")


def response(problem: Problem, draw: random.Random) -> dict[str, object]:
    """Make up one response to a problem."""
    said = " ".join(draw.choice(WORDS) for _ in range(draw.randint(50, 100)))
    fraction = f"\\frac{{{draw.randint(1, 30)}}}{{{draw.randint(2, 30)}}}"
    kinds = {
        f" The answer is \\boxed{{{problem.answer}}}.": 45,
        f" The answer is \\boxed{{{draw.randint(-200, 999)}}}.": 35,
        f" Hence $\\boxed{{{fraction}}}$.": 5,
        " And that is all.": 5,
        " and": 10,
    }
    (end,) = draw.choices(list(kinds), list(kinds.values()))
    return {
        "response": said + end,
        "finish_reason": "length" if end == " and" else "stop",
        "completion_tokens": len(said) // 4,
    }


def measure(folder: Path, responses: Path, samples: int, problems: int) -> Measured:
    """Run the command on the responses and watch its driver."""
    command = [
        *(sys.executable, "-m", "harness", "eval", "--engine", "replay"),
        *("--responses", responses.name, "--benchmarks", "demo", "--temperature", "1"),
        *("--n", str(samples // problems), "--results", f"results-{samples}"),
    ]
    began = time.perf_counter()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    most = watch(process)
    if process.returncode != 0:
        raise click.ClickException((folder / "log").read_text(encoding="utf-8"))
    return Measured(time.perf_counter() - began, most)


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


@click.command()
@click.option("--most", type=int, default=SIZES[-1], show_default=True, help="Samples at most.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Merge the keys into this.")
def main(most: int, output: Path | None) -> None:
    """Print time and memory at each size, and the rate at the largest."""
    problems = load_problems(BENCHMARKS["demo"])
    growth: dict[int, Measured] = {}
    with tempfile.TemporaryDirectory() as name:
        responses = Path(name) / "responses.jsonl"
        for samples in (size for size in SIZES if size <= most):
            write_responses(responses, problems, samples)
            growth[samples] = measure(Path(name), responses, samples, len(problems))
            click.echo(f"{samples} samples: {growth[samples]}", err=True)
    largest = max(growth)
    rates = {samples: samples / measured.seconds for samples, measured in growth.items()}
    for what, value, target in (
        ("samples a second", rates[largest], RATE_TARGET),
        ("bytes to spare", MEMORY_TARGET - growth[largest].bytes, 0),
        ("rate over that at a tenth", rates[largest] / rates[largest // 10], LINEAR_TARGET),
    ):
        missed = "" if value >= target else ", MISSED"
        click.echo(f"{what} {value:.3g} (target {target:g}{missed})", err=True)
    result = {
        "replay_per_second": round(rates[largest]),
        "growth": {
            str(samples): {"seconds": round(one.seconds, 2), "megabytes": round(one.bytes / 1e6)}
            for samples, one in growth.items()
        },
        "growing": {"hardware": {**hardware(), "system": platform.platform()}},
    }
    click.echo(json.dumps(result, indent=2))
    if output:
        held = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
        text = json.dumps({**held, **result}, indent=2, ensure_ascii=False)
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
