"""`data fetch` and `data verify`: have the benchmarks' files, and know that they are right.

Verifying goes through the same loading and the same grader as an evaluation,
so what passes here is what `eval` will use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import BENCHMARKS, Benchmark, Problem, UserError
from harness.cli.options import data_option, json_option

if TYPE_CHECKING:
    from concurrent.futures import Future

    from harness.grading import Grader, Verdict

_SPELLINGS = (r"\boxed{%s}", r"\boxed{\displaystyle %s}")
"""A gold must be accepted as it is, and so typeset that the grader has to read it:
that a text is identical to itself says nothing of whether it can be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedGold:
    """A gold that its own grader does not accept when a response boxes it."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What verifying one benchmark found."""

    benchmark: str
    declared: int
    """How many rows the benchmark says it has."""
    sha256: str
    """The pinned sum, which the rows had unless there is a fault."""
    accepted: int = 0
    """How many golds their own grader accepted."""
    failed: tuple[FailedGold, ...] = ()
    fault: str | None = None
    """Why the problems could not be loaded: the rows, their sum, an id or an empty field."""

    @property
    def good(self) -> bool:
        """Whether the benchmark is all that it declares."""
        return self.fault is None and not self.failed


@click.group()
def data() -> None:
    """Fetch and verify the benchmarks' files."""


command = data


@data.command()
@click.argument("benchmarks", nargs=-1)
def fetch(benchmarks: tuple[str, ...]) -> None:
    """Download the pinned files of BENCHMARKS (all, if none is named) into the cache."""
    faults = 0
    for benchmark in _named(benchmarks):
        for split in ("test", "train"):
            line = _fetch_split(benchmark, split)
            if isinstance(line, UserError):
                faults += 1
                click.echo(str(line), err=True)
            elif line:
                click.echo(f"{benchmark.name}/{split}  {line}")
    sys.exit(1 if faults else 0)


@data.command()
@click.argument("benchmarks", nargs=-1)
@data_option
@json_option
def verify(benchmarks: tuple[str, ...], data_dir: Path | None, as_json: bool) -> None:
    """Check that BENCHMARKS (all, if none is named) are what they declare.

    Rows and their sum as pinned, ids unique, no empty question or answer, and
    every gold accepted by its own grader when a response boxes it, also where
    it is typeset in another way.
    """
    from harness.grading import Grader

    chosen = _named(benchmarks)
    reports = []
    with Grader(workers=2) as grader, _progress() as advance:
        for benchmark in chosen:
            reports.append(examine(benchmark, data_dir, grader, advance))
    click.echo(_as_json(reports) if as_json else "\n".join(_lines(reports)))
    sys.exit(0 if all(report.good for report in reports) else 1)


def examine(
    benchmark: Benchmark,
    data_dir: Path | None,
    grader: Grader,
    advance: Callable[[str, int, int], None],
) -> Report:
    """Load one benchmark and grade its golds; ``advance`` is told name, done and total."""
    from benchmarks.source import load_problems

    name, test = benchmark.name, benchmark.test
    try:
        problems = load_problems(benchmark, data_dir=data_dir)
    except UserError as fault:
        return Report(benchmark=name, declared=test.rows, sha256=test.sha256, fault=str(fault))
    failed = []
    verdicts = [_submit(grader, problem) for problem in problems]
    for done, (problem, futures) in enumerate(zip(problems, verdicts, strict=True), 1):
        refused = [verdict for future in futures if not (verdict := future.result()).correct]
        if refused:
            failed.append(FailedGold(id=problem.id, reason=_reason(problem, refused[0])))
        advance(name, done, len(problems))
    return Report(
        benchmark=name,
        declared=test.rows,
        sha256=test.sha256,
        accepted=len(problems) - len(failed),
        failed=tuple(failed),
    )


def _named(names: tuple[str, ...]) -> list[Benchmark]:
    return [BENCHMARKS[name] for name in dict.fromkeys(names or BENCHMARKS)]


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


def _submit(grader: Grader, problem: Problem) -> list[Future[Verdict]]:
    return [grader.submit(spelling % problem.answer, problem.answer) for spelling in _SPELLINGS]


def _reason(problem: Problem, verdict: Verdict) -> str:
    read = "" if verdict.extracted is None else f", read as {verdict.extracted!r}"
    rule = f" by {verdict.rule}" if verdict.rule else ""
    return f"gold {problem.answer!r} graded {verdict.outcome.value}{rule}{read}"


def _lines(reports: list[Report]) -> Iterator[str]:
    """Yield one row a benchmark, and under it what is wrong with it."""
    width = max(len("benchmark"), *(len(report.benchmark) for report in reports))
    yield f"{'benchmark':<{width}}  {'rows':>5}  {'sum':<12}  {'golds accepted':>14}"
    for report in reports:
        golds = f"{report.accepted}/{report.declared}" if report.fault is None else "-"
        row = f"{report.benchmark:<{width}}  {report.declared:>5}  {report.sha256[:12]:<12}"
        yield f"{row}  {golds:>14}  {'ok' if report.good else 'FAILED'}"
        if report.fault is not None:
            yield f"    {report.fault}"
        yield from (f"    {gold.id}: {gold.reason}" for gold in report.failed)


def _as_json(reports: list[Report]) -> str:
    rows = [{**asdict(report), "good": report.good} for report in reports]
    return json.dumps(rows, ensure_ascii=False, indent=2)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows how far a benchmark is: a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify")
        yield lambda name, done, total: bar.update(
            task, description=name, completed=done, total=total
        )
