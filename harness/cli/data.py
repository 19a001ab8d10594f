"""`data fetch` and `data verify`: have the benchmarks' files, and know that they are right.

Verifying goes through the same loading and the same grader as an evaluation,
so what passes here is what `eval` will use.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import BENCHMARKS, Benchmark, Conventions, Problem, UserError
from benchmarks.errata import errata_for
from harness.cli.data_build import build
from harness.cli.options import data_option, json_option

if TYPE_CHECKING:
    from concurrent.futures import Future

    from harness.grading import Grader, Verdict

_RESPONSE = r"Therefore the answer is $\boxed{%s}$, as was asked."
_TYPESET = r"\displaystyle %s"
"""A gold must also be accepted so typeset that the grader has to read it: that a text is
identical to itself says nothing of whether it can be understood."""


class Check(StrEnum):
    """What is proved of every gold; the values head the columns."""

    PUBLISHED = "as published"
    """Its own grader accepts it as it stands."""
    BOXED = "boxed"
    """A response that boxes it is right."""
    FOUND = "found again"
    """What is read from that box is the gold itself."""
    TYPESET = "typeset"
    """It is accepted in another spelling too."""
    APART = "neighbour refused"
    """The gold of the next problem of another value is a wrong answer to this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedGold:
    """A gold of which something that verifying proves is not so."""

    id: str
    check: Check
    reason: str
    known: bool
    """Whether the gold is a published erratum, of which this is no news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What verifying one benchmark found."""

    benchmark: str
    declared: int
    """How many rows the benchmark says it has."""
    sha256: str
    """The pinned sum, which the rows had unless there is a fault."""
    passed: Mapping[Check, int] = field(default_factory=dict)
    """By check, of how many golds it holds."""
    failed: tuple[FailedGold, ...] = ()
    fault: str | None = None
    """Why the problems could not be loaded: the rows, their sum, an id or an empty field."""

    @property
    def good(self) -> bool:
        """Whether the benchmark is all that it declares."""
        return self.fault is None and all(gold.known for gold in self.failed)


@click.group()
def data() -> None:
    """Fetch and verify the benchmarks' files; build training data."""


command = data
data.add_command(build)


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

    Rows and their sum as pinned, ids unique, no empty question or answer. Every
    gold is accepted by its own grader as published, boxed in a response and
    typeset in another way, is read from its box unchanged, and is told from the
    next gold of another value.
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
    trials = [_trial(grader, benchmark, problems, place) for place in range(len(problems))]
    failed: list[FailedGold] = []
    for done, trial in enumerate(trials, 1):
        failed.extend(trial.faults())
        advance(name, done, len(problems))
    lost = Counter(gold.check for gold in failed)
    return Report(
        benchmark=name,
        declared=test.rows,
        sha256=test.sha256,
        passed={check: len(problems) - lost[check] for check in Check},
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One gold under examination, its verdicts perhaps still to come."""

    problem: Problem
    accepting: Mapping[Check, Future[Verdict]]
    neighbour: str | None
    refusing: Future[Verdict] | None
    erratum: bool

    def faults(self) -> Iterator[FailedGold]:
        """Wait for the verdicts and yield what does not hold."""
        gold = self.problem.answer
        for check, future in self.accepting.items():
            if not (verdict := future.result()).correct:
                yield self._fault(check, _refused(gold, verdict))
        found = _found_again(gold)
        if found != gold.strip():
            yield self._fault(Check.FOUND, f"gold {gold!r} read from its box as {found!r}")
        if self.refusing and (verdict := self.refusing.result()).correct:
            reason = f"gold {gold!r} taken for its neighbour {self.neighbour!r} by {verdict.rule}"
            yield self._fault(Check.APART, reason)

    def _fault(self, check: Check, reason: str) -> FailedGold:
        return FailedGold(id=self.problem.id, check=check, reason=reason, known=self.erratum)


def _trial(grader: Grader, benchmark: Benchmark, problems: Sequence[Problem], place: int) -> _Trial:
    problem = problems[place]
    errata = {erratum.problem_id for erratum in errata_for(benchmark.name)}
    gold, conventions = problem.answer, benchmark.conventions_for(problem)
    boxed, typeset = _RESPONSE % gold, _TYPESET % gold
    neighbour = _neighbour(problems, place, conventions)
    return _Trial(
        problem=problem,
        accepting={
            Check.PUBLISHED: grader.submit_answer(gold, gold, conventions=conventions),
            Check.BOXED: grader.submit(boxed, gold, conventions=conventions),
            Check.TYPESET: grader.submit_answer(typeset, gold, conventions=conventions),
        },
        neighbour=neighbour,
        erratum=problem.id in errata,
        refusing=grader.submit_answer(neighbour, gold, conventions=conventions)
        if neighbour
        else None,
    )


def _found_again(gold: str) -> str | None:
    from harness.extraction import extract

    found = extract(_RESPONSE % gold)
    return found.answer if found else None


def _refused(gold: str, verdict: Verdict) -> str:
    read = "" if verdict.extracted in (None, gold) else f", read as {verdict.extracted!r}"
    rule = f" by {verdict.rule}" if verdict.rule else ""
    return f"gold {gold!r} graded {verdict.outcome.value}{rule}{read}"


# --- neighbours -----------------------------------------------------------------------------


def _neighbour(problems: Sequence[Problem], place: int, conventions: Conventions) -> str | None:
    """Return the next gold, in a circle, that is another answer; None if all are the same."""
    gold = problems[place].answer
    following = (problems[(place + step) % len(problems)] for step in range(1, len(problems)))
    others = (problem.answer for problem in following)
    return next((other for other in others if not _same(gold, other, conventions)), None)


def _same(gold: str, other: str, conventions: Conventions) -> bool:
    """Say whether two golds are the same text, or numbers that the benchmark does not tell apart.

    Read here and not by the grader, which is what is on trial.
    """
    if gold.strip() == other.strip():
        return True
    wanted, given = plain_value(gold), plain_value(other)
    if wanted is None or given is None:
        return False
    relative = Fraction(conventions.relative_tolerance) * abs(wanted)
    return abs(wanted - given) <= max(relative, Fraction(conventions.absolute_tolerance))


_NUMBER = re.compile(r"[-+]?[0-9]{1,30}(?:\.[0-9]{0,30})?(?:e[-+]?[0-9]{1,2})?|-?[0-9]+/[0-9]+")
_NAME = re.compile(r"^[A-Za-z] ?= ?")
_LATEX_FRACTION = re.compile(r"(-?)\\frac\{([0-9]{1,30})\}\{([0-9]{1,30})\}")


def plain_value(text: str) -> Fraction | None:
    r"""Return the exact value of a plain number, perhaps under a name; None of anything else.

    >>> plain_value("1,500") == plain_value("1.5e3"), plain_value(r"x=-\frac{1}{2}")
    (True, Fraction(-1, 2))
    """
    plain = _LATEX_FRACTION.sub(r"\1\2/\3", _NAME.sub("", text.strip())).replace(",", "")
    if len(plain) > 80 or not _NUMBER.fullmatch(plain):
        return None
    try:
        return Fraction(plain)
    except ZeroDivisionError:
        return None


# --- reports --------------------------------------------------------------------------------


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
