"""How fast grading is beside math-verify alone; how often it is right, `accuracy.py` counts.

    python tests/performance/grading.py --corpus DIR [--million]

DIR holds real_outputs.jsonl (responses of models); without it our own cases are measured, which are
short and say little of speed. Both sides grade the same rows, one after the other, with one process
each for symbolic work, warmed up: math-verify parses the response and the gold and compares, its
own timeouts off; the grader extracts, decides, and asks its worker where it must. Rows on which
math-verify hangs are left out of both.
"""

from __future__ import annotations

import json
import resource
import selectors
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import click
import labelled
from labelled import Row
from measuring import output_option, publish, say

from harness.grading import Grader, Verdict, grader_version

HANGS_AFTER = 10.0
"""Seconds without a row after which math-verify is killed and goes on behind it."""
SIZES = (1_000, 10_000, 100_000)
FIGURES = ("grading_over_math_verify", "grading_without_symbolic_work")
SYMBOLIC = ("\\boxed{\\int_0^3 2t\\,dt}", "9")
"""A pair that needs a worker, so that it runs before anything is timed."""


# --- speed ----------------------------------------------------------------------------------


def math_verify_alone() -> None:
    """Time every row of standard input with math-verify, in a process of its own."""
    from math_verify import parse, verify

    for line in [json.dumps(SYMBOLIC), *sys.stdin]:
        response, gold = json.loads(line)
        began = time.perf_counter()
        parsed = [parse(text, parsing_timeout=None) for text in (f"${gold}$", response)]
        verify(*parsed, timeout_seconds=None)
        print(time.perf_counter() - began, flush=True)


def time_math_verify(rows: list[Row]) -> list[float | None]:
    """Return the seconds a row; None for one that it was killed on."""
    seconds: list[float | None] = []
    while len(seconds) < len(rows):
        seconds += _until_it_hangs(rows[len(seconds) :])
    return seconds


def _until_it_hangs(rows: list[Row]) -> list[float | None]:
    asked = "".join(json.dumps([row.response, row.gold]) + "\n" for row in rows)
    command = [sys.executable, __file__, "--math-verify-alone"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        process.stdin.write(asked)
        process.stdin.close()
        found: list[float | None] = list(_seconds(process))
        process.kill()
    return found[1:] if len(found) > len(rows) else [*found[1:], None]


def _seconds(process: subprocess.Popen[str]) -> Iterator[float]:
    """Yield what the process prints, until it ends or says nothing for too long."""
    assert process.stdout
    patience = 120.0  # it has to import sympy first
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(patience) and (line := process.stdout.readline()):
            patience = HANGS_AFTER
            yield float(line)


def time_each(rows: list[Row]) -> tuple[list[float], list[Verdict]]:
    """Return the seconds and the verdict of every row, graded one after the other."""
    seconds, verdicts = [], []
    with warm_grader() as grader:
        for row in rows:
            began = time.perf_counter()
            verdicts.append(row.submit(grader).result())
            seconds.append(time.perf_counter() - began)
    return seconds, verdicts


def stream(rows: Iterable[Row], grader: Grader) -> float:
    """Return the seconds that rows take, submitted in batches as an evaluation does."""
    began = time.perf_counter()
    remaining = iter(rows)
    while batch := list(islice(remaining, 1_000)):
        futures = [row.submit(grader) for row in batch]
        for future in futures:
            future.result()
    return time.perf_counter() - began


def warm_grader() -> Grader:
    """Return a grader with one worker, which runs."""
    grader = Grader(workers=1)
    grader.grade(*SYMBOLIC)
    return grader


def speed(rows: list[Row]) -> dict[str, object]:
    """Compare the two on the rows that both survive."""
    reference = time_math_verify(rows)
    kept = [row for row, seconds in zip(rows, reference, strict=True) if seconds is not None]
    theirs = [seconds for seconds in reference if seconds is not None]
    with warm_grader() as grader:
        streamed = stream(kept, grader)
    ours, verdicts = time_each(kept)
    share = sum(verdict.rule != "math-verify" for verdict in verdicts) / len(kept)
    return {
        "grading_over_math_verify": round(sum(theirs) / streamed, 2),
        "grading_without_symbolic_work": round(share, 4),
        "rows": len(kept),
        "rows_math_verify_hung_on": len(rows) - len(kept),
        "grading": {"rows_per_second": round(len(kept) / streamed, 1), **quantiles(ours)},
        "math_verify": {"rows_per_second": round(len(kept) / sum(theirs), 1), **quantiles(theirs)},
    }


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    last = statistics.quantiles(seconds, n=100)[-1]
    return {
        "median_ms": round(1000 * statistics.median(seconds), 3),
        "p99_ms": round(1000 * last, 3),
    }


def growth(rows: list[Row]) -> dict[str, object]:
    """Return the seconds a thousand rows for ever more rows; level if the cost is linear."""
    costs = {}
    for size in SIZES:
        with warm_grader() as grader:
            costs[str(size)] = round(1000 * stream(repeated(rows, size), grader) / size, 4)
    ratio = costs[str(SIZES[-1])] / costs[str(SIZES[0])]
    return {"seconds_per_thousand_rows": costs, "cost_of_last_over_first": round(ratio, 3)}


def repeated(rows: list[Row], size: int) -> Iterator[Row]:
    """Yield that many rows, no two responses alike; the answers in them do recur."""
    for number, row in enumerate(islice(cycle(rows), size)):
        # A number in front changes no answer: what is stated last counts.
        text = row.response if row.bare else f"Sample {number}.\n\n{row.response}"
        yield replace(row, response=text)


def a_million(rows: list[Row]) -> dict[str, object]:
    """Grade a million rows and return the memory this process has held at most."""
    with warm_grader() as grader:
        seconds = stream(repeated(rows, 1_000_000), grader)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"million_rows": {"seconds": round(seconds, 1), "peak_rss_mib": round(peak, 1)}}


# --- the whole ------------------------------------------------------------------------------


@click.command()
@click.option("--corpus", type=click.Path(path_type=Path), envvar="HARNESS_GRADING_CORPUS")
@click.option("--million", is_flag=True, help="Also grade a million rows, for its memory.")
@output_option
@click.option("--math-verify-alone", "alone", is_flag=True, hidden=True)
def main(corpus: Path | None, million: bool, output: Path | None, alone: bool) -> None:
    """Print rows per second beside math-verify's, and the share decided without it."""
    if alone:
        math_verify_alone()
        return
    timed = next(iter(labelled.files(corpus).values()))
    say(f"timing {len(timed)} rows")
    measured = speed(timed)
    steps: list[Callable[[list[Row]], dict[str, object]]] = [growth, *([a_million] * million)]
    for step in steps:
        measured.update(step(timed))
    figures = {key: measured.pop(key) for key in FIGURES}
    publish("grading", figures, {**measured, "grader": grader_version()}, output)


if __name__ == "__main__":
    main()
