"""`data fetch` and `data verify`: have the benchmarks' files, and know that they are right.

Verifying goes through the same loading and the same grader as an evaluation,
so what passes here is what `eval` will use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from benchmarks import BENCHMARKS, Benchmark, UserError
from benchmarks.registry import loaded
from harness.cli.data_build import build
from harness.cli.options import data_option, json_option, tell
from harness.cli.output import echo
from harness.evaluation import verify_golds
from harness.evaluation.verify_golds import Check, Report


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def data() -> None:
    """Fetch and verify the benchmarks' files; build training data."""


command = data
data.add_command(build)


@data.command()
@click.argument("benchmarks", nargs=-1)
def fetch(benchmarks: tuple[str, ...]) -> None:
    """Download the pinned files of BENCHMARKS (all, if none is named) into the cache."""
    chosen, faults = _named(benchmarks)
    for benchmark in chosen:
        for split in ("test", "train"):
            line = _fetch_split(benchmark, split)
            if isinstance(line, UserError):
                faults += 1
                echo(str(line), err=True)
            elif line:
                echo(f"{benchmark.name}/{split}  {line}")
    sys.exit(1 if faults else 0)


@data.command()
@click.argument("benchmarks", nargs=-1)
@data_option
@json_option
def verify(benchmarks: tuple[str, ...], data_dir: Path | None, as_json: bool) -> None:
    """Check that BENCHMARKS (all, if none is named) are what they declare.

    Rows and their sum as pinned, ids unique, no empty question or answer. Every
    gold is accepted by its own grader as published, boxed in a response and
    typeset in another way, is read from its box unchanged, and is told from the
    next gold of another value.
    """
    from harness.reporting.progress import PATIENCE, open_progress

    chosen, faults = _named(benchmarks)
    with open_progress(patience=PATIENCE) as progress:
        reports = verify_golds.verify(chosen, data_dir=data_dir, progress=progress)
    echo(_as_json(reports) if as_json else "\n".join(_lines(reports)))
    sys.exit(0 if all(report.good for report in reports) and not faults else 1)


def _named(names: tuple[str, ...]) -> tuple[list[Benchmark], int]:
    """Return the benchmarks, and how many of all are broken, which is told."""
    if names:
        return [BENCHMARKS[name] for name in dict.fromkeys(names)], 0
    faults: list[UserError] = []
    found = [one for _, one in loaded(BENCHMARKS, lambda name, fault: faults.append(fault))]
    for fault in faults:
        tell(fault)
    return found, len(faults)


def _fetch_split(benchmark: Benchmark, split: str) -> str | UserError | None:
    """Return what became of one split, or None if the benchmark has none of that name."""
    from benchmarks.source import fetch as fetch_file

    pinned = benchmark.test if split == "test" else benchmark.train
    if pinned is None:
        return None
    if pinned.generate is not None:
        return "generated, nothing to fetch"
    try:
        return str(fetch_file(benchmark, split))
    except UserError as fault:
        return fault


def _lines(reports: list[Report]) -> Iterator[str]:
    """Yield one row a benchmark, and under it what is wrong with it."""
    width = max(len("benchmark"), *(len(report.benchmark) for report in reports))
    heads = "  ".join(check.value for check in Check)
    yield f"{'benchmark':<{width}}  {'rows':>5}  {'sum':<12}  {heads}"
    for report in reports:
        row = f"{report.benchmark:<{width}}  {report.declared:>5}  {report.sha256[:12]:<12}"
        counts = "  ".join(f"{report.passed.get(c, '-'):>{len(c.value)}}" for c in Check)
        yield f"{row}  {counts}  {'ok' if report.good else 'FAILED'}"
        if report.fault is not None:
            yield f"    {report.fault}"
        for gold in report.failed:
            yield f"    {gold.id}: {gold.reason}{' (a known erratum)' if gold.known else ''}"


def _as_json(reports: list[Report]) -> str:
    rows = [{**asdict(report), "good": report.good} for report in reports]
    return json.dumps(rows, ensure_ascii=False, indent=2)
